/** A broker with a state directory: `statedir=DIR`, and any further attributes. Prints its URI. */
import { Broker } from "../../dist/index.js";

const attributes = Object.fromEntries(process.argv.slice(2).map((setting) => setting.split("=")));
const broker = await Broker.start({ attributes });
console.log(broker.uri);
process.on("SIGTERM", () => void broker.close().then(() => process.exit(0)));
