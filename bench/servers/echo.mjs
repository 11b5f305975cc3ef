/**
 * The bare chain that a request cannot avoid: a unix socket, a `MessagePort` into a worker, and both back. Frames have a
 * length in front; nothing else is looked at. `echo.mjs SOCKET`; prints `ready`.
 */
import { createServer } from "node:net";
import { Worker } from "node:worker_threads";
import { frame, Frames } from "./frames.mjs";

const worker = new Worker(new URL("./echo-worker.mjs", import.meta.url));
createServer((socket) => {
  const frames = new Frames((text) => worker.postMessage(text));
  socket.on("data", (chunk) => frames.push(chunk));
  worker.removeAllListeners("message");
  worker.on("message", (text) => socket.write(frame(text)));
}).listen(process.argv[2], () => console.log("ready"));
