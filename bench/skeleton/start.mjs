/**
 * The processes and threads of an instance without anything in them: `start.mjs RANKS THREADS_OF_RANK_0 THREADS_OF_OTHERS`.
 * All ranks start at once; when all are up, `true` runs; then all go down, rank 0 last.
 */
import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const [ranks, first, others] = process.argv.slice(2).map(Number);
const path = fileURLToPath(new URL("./broker.mjs", import.meta.url));
const brokers = Array.from({ length: ranks }, (_, rank) => fork(path, [String(rank === 0 ? first : others)]));
await Promise.all(brokers.map((broker) => once(broker, "message")));
await once(spawn("true"), "exit");

async function end(broker) {
  broker.send("down");
  await once(broker, "exit");
}
const [leader, ...rest] = brokers;
await Promise.all(rest.map(end));
await end(leader);
