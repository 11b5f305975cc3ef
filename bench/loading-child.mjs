/**
 * Starts a number of workers or modules and prints the time and the memory, `{ ms, megabytes }`:
 * `loading-child.mjs bare|own|group COUNT`.
 */
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { Broker } from "../dist/index.js";

const [how, countText] = process.argv.slice(2);
const count = Number(countText);
const numbers = Array.from({ length: count }, (_, i) => i);
const megabytes = () => process.memoryUsage.rss() / 2 ** 20;

async function startWorkers() {
  const url = new URL("./servers/idle-worker.mjs", import.meta.url);
  await Promise.all(numbers.map(() => new Promise((done) => new Worker(url).once("message", done))));
}

const path = fileURLToPath(new URL("./servers/idle-module.mjs", import.meta.url));
const broker = await Broker.start({ socket: false });
const handle = await broker.connect();

async function loadModules() {
  const thread = how === "group" ? "bench" : "own";
  await Promise.all(numbers.map((i) => handle.rpc("module.load", { path, name: `idle-${i}`, thread })));
}

const weight = megabytes();
const startedAt = performance.now();
await (how === "bare" ? startWorkers() : loadModules());
const ms = performance.now() - startedAt;
console.log(JSON.stringify({ ms, megabytes: megabytes() - weight }));
await broker.close();
process.exit(0);
