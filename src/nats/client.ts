/** Connects to an instance over NATS. Its callers import it on demand. */
export { connectToRank } from "./client-link.js";
export { parseInstanceAddress, withoutPassword } from "./instance-address.js";
