/** Cycles of modules of all loaders against a real broker in this process, and the remaining resources after each tenth of them. */
import { EventEmitter } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Broker, connect } from "../../dist/index.js";
import { cycleOf } from "./cycles.mjs";
import { prepareLoaders } from "./loaders.mjs";
import { countHeld, weigh } from "./measures.mjs";

/** Cycles at a time: enough to use the second that a restart waits. */
const LANES = 8;

const SAMPLES = 10;

/** How long an ended process or thread may take to disappear. */
const SETTLE_MS = 5000;
const POLL_MS = 20;

/**
 * Runs the cycles, and yields after each tenth of them `{ cycles, seconds, held, memory, done }`, where `done` counts the
 * cycles by loader and kind. Nothing is loaded at that time. Those of the warm-up come first and are not counted: a process
 * that has just begun grows whatever it does.
 * @param only a loader, if no other one is wanted
 * @param signal ends it; whatever is loaded is then removed
 */
export async function* soak({ warmUp = 0, cycles, only }, signal) {
  const dir = mkdtempSync(join(tmpdir(), "sluice-soak-"));
  try {
    const { config, loaders: all } = prepareLoaders(dir);
    const loaders = all.filter(({ loader }) => only === undefined || loader === only);
    if (loaders.length === 0) throw new Error(`there is no loader ${only}`);
    const broker = await Broker.start({
      config,
      env: { ...process.env, XDG_RUNTIME_DIR: dir },
      attributes: { "broker.module-nopanic": "1" },
    });
    try {
      const watcher = await broker.connect();
      const restarts = new EventEmitter().setMaxListeners(0);
      await watcher.subscribe("module.reloaded", ({ payload }) => restarts.emit(payload.name));
      yield* tenths(
        { broker, loaders, restarts, signal, mark: `XDG_RUNTIME_DIR=${dir}` },
        { warmUp, cycles },
      );
    } finally {
      await broker.close();
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function* tenths(context, { warmUp, cycles }) {
  const startedAtMs = performance.now();
  const done = {};
  let number = 0;
  let first;
  const runUpTo = async (end, counts) => {
    const lane = async () => {
      while (number < end && !context.signal.aborted) await runCycle(context, number++, counts);
    };
    // All are waited for, so that none goes on where one has failed.
    const lanes = await Promise.allSettled(Array.from({ length: LANES }, lane));
    for (const { status, reason } of lanes) if (status === "rejected") throw reason;
  };
  await runUpTo(warmUp, {});
  for (let sample = 1; sample <= SAMPLES; sample++) {
    await runUpTo(warmUp + Math.round((cycles * sample) / SAMPLES), done);
    if (context.signal.aborted) return;
    const held = await settled(context, first);
    first ??= held;
    const seconds = (performance.now() - startedAtMs) / 1000;
    yield { cycles: number - warmUp, seconds, held, memory: weigh(), done };
  }
}

async function runCycle({ broker, loaders, restarts, signal }, number, done) {
  const { loader, cycle } = cycleOf(number, loaders);
  const name = `soak-${number}`;
  const handle = await connect(broker.uri);
  const load = (extra = {}) =>
    handle.rpc("module.load", { name, onFailure: "log", ...loader.request, ...extra });
  try {
    await cycle.run({ handle, load, name, restarts, signal, sharesThread: loader.sharesThread });
  } catch (error) {
    if (signal.aborted) return;
    throw new Error(`cycle ${number}, ${cycle.cycle} (${loader.loader}): ${error.message}`, { cause: error });
  } finally {
    await handle.close();
  }
  const counts = (done[loader.loader] ??= {});
  counts[cycle.cycle] = (counts[cycle.cycle] ?? 0) + 1;
}

/** The held resources, after their return to the first value, or after the time for it. */
async function settled({ broker, mark }, first) {
  const isDown = (held) =>
    first === undefined
      ? held.children === 0 && held.processes === 0 && held.pending === 0
      : Object.entries(held).every(([name, count]) => count <= first[name]);
  const deadlineMs = performance.now() + SETTLE_MS;
  for (;;) {
    // Handles without a reference disappear with the next garbage collection.
    globalThis.gc();
    const held = countHeld(broker.pendingRequests, mark);
    // Waits for the end of all cycles before the first comparison.
    if (performance.now() > deadlineMs || (first !== undefined && isDown(held))) return held;
    if (first === undefined && isDown(held) && (await isStable({ broker, mark }, held))) return held;
    await sleep(POLL_MS);
  }
}

async function isStable({ broker, mark }, held) {
  await sleep(POLL_MS * 10);
  return JSON.stringify(countHeld(broker.pendingRequests, mark)) === JSON.stringify(held);
}
