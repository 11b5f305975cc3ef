/** Connects to an instance over NATS; loaded on demand. */
export { connectToRank } from "./client-link.js";
export { parseInstanceAddress, withoutPassword } from "./instance-address.js";
