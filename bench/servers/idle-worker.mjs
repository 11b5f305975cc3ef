/** A bare worker that reports that it runs, and stays. */
import { parentPort } from "node:worker_threads";

parentPort.postMessage("running");
parentPort.on("message", () => undefined);
