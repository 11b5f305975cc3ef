/** The cost of messages, without a goal: from a client over the socket to a module of each loader, one way and there and back. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "../../dist/index.js";
import { startServer, stop } from "../servers/start.mjs";
import { prepareLoaders } from "../soak/loaders.mjs";

const LOADERS = ["thread", "process", "program", "python"];
const IN_FLIGHT = [1, 16, 256];
const PAYLOAD = { text: "x".repeat(64), n: 1 };
const WARM_UP = 500;
const MEASURE_MS = 700;

/**
 * Messages in so many lanes for a while, until the last has been taken.
 * @returns microseconds a message
 */
async function timed(lanes, send) {
  const startedAt = performance.now();
  let count = 0;
  const lane = async () => {
    while (performance.now() - startedAt < MEASURE_MS) {
      // Not in one expression: counts of other lanes from meanwhile would be lost.
      const messages = await send();
      count += messages;
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return ((performance.now() - startedAt) / count) * 1000;
}

/**
 * Round trips keep so many under way. One way sends as many that want no response, and then a request: only
 * its answer proves that the module has taken them.
 */
async function waysOf(handle, name, inFlight) {
  const request = async () => {
    await handle.rpc(`${name}.echo`, PAYLOAD);
    return 1;
  };
  const burst = async () => {
    for (let i = 0; i < inFlight; i++) handle.notify(`${name}.never`, PAYLOAD);
    await handle.rpc(`${name}.echo`, PAYLOAD);
    return inFlight + 1;
  };
  const rows = [];
  for (const [way, lanes, send] of [
    ["one way", 1, burst],
    ["round trip", inFlight, request],
  ]) {
    const us = await timed(lanes, send);
    const detail = `${Math.round(1e6 / us)} msg/s`;
    rows.push({ what: `${name}, ${way}, ${inFlight} in flight`, measured: us, unit: "µs a message", detail });
  }
  return rows;
}

async function measure() {
  const dir = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  const { loaders } = prepareLoaders(dir);
  const broker = await startServer("broker");
  const handle = await connect(broker.line);
  try {
    const rows = [];
    for (const name of LOADERS) {
      const { request } = loaders.find(({ loader }) => loader === name);
      await handle.rpc("module.load", { ...request, name });
      for (let i = 0; i < WARM_UP; i++) await handle.rpc(`${name}.echo`, PAYLOAD);
      for (const inFlight of IN_FLIGHT) rows.push(...(await waysOf(handle, name, inFlight)));
      await handle.rpc("module.remove", { name });
    }
    return rows;
  } finally {
    await handle.close();
    await stop(broker);
    rmSync(dir, { recursive: true, force: true });
  }
}

export const RATES = [
  { name: "rates", title: "messages from a client to a module of each loader, with no goal", measure },
];
