/** A broker with the echo module in a thread of its own. Prints its URI. The argument is the library of another build. */
import { fileURLToPath } from "node:url";

const { Broker } = await import(process.argv[2] ?? "../../dist/index.js");

const broker = await Broker.start();
const handle = await broker.connect();
await handle.rpc("module.load", {
  path: fileURLToPath(new URL("./module.mjs", import.meta.url)),
  name: "echo",
});
console.log(broker.uri);
process.on("SIGTERM", () => void broker.close().then(() => process.exit(0)));
