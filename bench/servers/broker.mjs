/** A broker with the echo module in a thread of its own. Prints its URI. */
import { fileURLToPath } from "node:url";
import { Broker } from "../../dist/index.js";

const broker = await Broker.start();
const handle = await broker.connect();
await handle.rpc("module.load", {
  path: fileURLToPath(new URL("./module.mjs", import.meta.url)),
  name: "echo",
});
console.log(broker.uri);
process.on("SIGTERM", () => void broker.close().then(() => process.exit(0)));
