/**
 * One of eight ranks over a NATS server is frozen while another publishes. Each broker is a process. Nothing may be lost, and
 * no broker may take more memory than what it has to keep, however much is published. No other rank may pause for long.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startNats } from "../nats/servers.mjs";
import { connectTo, startBroker } from "./brokers.mjs";
import { longPauses } from "./measures.mjs";

const RANKS = 8;
const FROZEN = 5;
const EVENT_BYTES = 1_000_000;
const UNDER_WAY = 16;
const POLL_MS = 20;

/** A broker of Node, 64 MiB that rank 0 keeps, as much that waits to be collected, and what is on its way. */
const MOST_MIB = 300;

/** The time between two events of a rank that is not frozen (docs/design/hosts.md §2). */
const MOST_PAUSE_MS = 1000;

/**
 * @param megabytes how much is published
 * @param say called with lines for the user
 * @param signal ends it
 * @returns a sentence for each problem
 */
export async function soakFrozen(megabytes, say, signal) {
  const dir = mkdtempSync(join(tmpdir(), "sluice-frozen-"));
  const server = await startNats({ lines: ['write_deadline: "2s"'] });
  const flags = [
    `--overlay=${server.url}`,
    "--instance=soak",
    `--size=${RANKS}`,
    "--connect-timeout=infinity",
  ];
  const brokers = Array.from({ length: RANKS }, (_, rank) =>
    startBroker(dir, rank, { flags: [...flags, `--rank=${rank}`] }),
  );
  try {
    const handles = await Promise.all(brokers.map((_, rank) => connectTo(dir, rank, signal)));
    const heard = await Promise.all(handles.map(listen));
    brokers[FROZEN].kill("SIGSTOP");
    const broken = await publishAll({ handles, heard, brokers, megabytes, say, signal });
    brokers[FROZEN].kill("SIGCONT");
    return broken;
  } catch (error) {
    if (signal.aborted) return [];
    throw error;
  } finally {
    for (const broker of brokers) broker.kill("SIGKILL");
    await server.kill();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function listen(handle) {
  const state = { count: 0, last: 0, isInOrder: true, longestMs: 0, atMs: performance.now() };
  await handle.subscribe("load.*", ({ seq }) => {
    const nowMs = performance.now();
    if (state.count > 0) state.longestMs = Math.max(state.longestMs, nowMs - state.atMs);
    if (state.count > 0 && seq !== state.last + 1) state.isInOrder = false;
    state.atMs = nowMs;
    state.last = seq;
    state.count += 1;
  });
  return state;
}

async function publishAll({ handles, heard, brokers, megabytes, say, signal }) {
  const payload = Buffer.alloc(EVENT_BYTES);
  const underWay = new Set();
  const peaks = Array(RANKS).fill(0);
  const weigh = () => {
    for (const [rank, { pid }] of brokers.entries()) peaks[rank] = Math.max(peaks[rank], rssMib(pid));
  };
  const beganMs = performance.now();
  for (let n = 0; n < megabytes; n++) {
    signal.throwIfAborted();
    const sent = handles[1].publish("load.x", payload).then(() => void underWay.delete(sent));
    underWay.add(sent);
    if (underWay.size >= UNDER_WAY) await Promise.race(underWay);
    weigh();
  }
  await Promise.all(underWay);
  const others = heard.map((state, rank) => ({ rank, state })).filter(({ rank }) => rank !== FROZEN);
  while (others.some(({ state }) => state.count < megabytes)) {
    signal.throwIfAborted();
    await sleep(POLL_MS);
  }
  weigh();
  const seconds = (performance.now() - beganMs) / 1000;
  const pauses = others.map(({ rank, state }) => ({ rank, longestMs: state.longestMs }));
  const longestMs = Math.max(...pauses.map((one) => one.longestMs));
  say(`${megabytes} MB in ${seconds.toFixed(1)} s; the longest pause of a rank ${longestMs.toFixed(0)} ms`);
  say(`MiB of each broker at most: ${peaks.map((mib) => mib.toFixed(0)).join(" ")}`);
  return [
    ...others.flatMap(({ rank, state }) =>
      state.isInOrder ? [] : [`rank ${rank} received events out of order`],
    ),
    ...longPauses(pauses, MOST_PAUSE_MS),
    ...peaks.flatMap((mib, rank) =>
      mib <= MOST_MIB ? [] : [`rank ${rank} took ${mib.toFixed(0)} MiB, more than ${MOST_MIB}`],
    ),
  ];
}

function rssMib(pid) {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;
}
