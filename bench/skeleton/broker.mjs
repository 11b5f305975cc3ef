/** A broker without anything in it: `broker.mjs THREADS`. Its rc1 and rc3 are processes that do nothing. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";

const RC = fileURLToPath(new URL("./rc.mjs", import.meta.url));
const IDLE = new URL("../servers/idle-worker.mjs", import.meta.url);
const rc = () => once(spawn(process.execPath, [RC], { stdio: "ignore" }), "exit");

await rc();
const workers = Array.from({ length: Number(process.argv[2]) }, () => new Worker(IDLE));
await Promise.all(workers.map((worker) => once(worker, "message")));
process.send("up");
await once(process, "message");
await rc();
await Promise.all(workers.map((worker) => worker.terminate()));
process.disconnect();
