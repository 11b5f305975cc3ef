/** The bare end of the chain: sends back what it gets, one `postMessage` a message. */
import { parentPort } from "node:worker_threads";

parentPort.on("message", (message) => parentPort.postMessage(message));
