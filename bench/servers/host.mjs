/**
 * A host with an embedded broker and the echo module, for clients in other processes. Prints the broker's
 * URI. Each line on its standard input, a number of milliseconds, has it watch a timer of its own for so
 * long. It then prints as JSON by how much the timer was late.
 */
import { setTimeout } from "node:timers";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Broker } from "../../dist/index.js";

const TIMER_MS = 10;

const broker = await Broker.start();
const handle = await broker.connect();
await handle.rpc("module.load", {
  path: fileURLToPath(new URL("./module.mjs", import.meta.url)),
  name: "echo",
});
process.stdout.write(`${broker.uri}\n`);

/** Milliseconds by which each of the timers was late, in ascending order. */
function lateness(durationMs) {
  const late = [];
  const endsAt = performance.now() + durationMs;
  return new Promise((resolve) => {
    const next = () => {
      const dueAt = performance.now() + TIMER_MS;
      setTimeout(() => {
        late.push(performance.now() - dueAt);
        if (performance.now() < endsAt) next();
        else resolve(late.sort((a, b) => a - b));
      }, TIMER_MS);
    };
    next();
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  const late = await lateness(Number(line));
  const at = (part) => late[Math.min(late.length - 1, Math.floor(late.length * part))];
  process.stdout.write(`${JSON.stringify({ timers: late.length, p50: at(0.5), p99: at(0.99) })}\n`);
}
await broker.close();
