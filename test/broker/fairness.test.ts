import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Handle } from "../../src/messages/index.js";
import { realBroker } from "./support/real-broker.js";
import { startBroker } from "./support/start-broker.js";

const PACER = join(import.meta.dirname, "fixtures/pacer.mjs");
const MIB = 1024 * 1024;

test("between a request and its answer, those who flood are heard a slice at a time", async () => {
  let heard = 0;
  const { broker, handle } = await startBroker({
    busy: async (h) => {
      h.handle("ask", () => (heard += 1));
      await h.run();
    },
    quick: async (h) => {
      h.handle("ask", () => 1);
      await h.run();
    },
  });
  for (const name of ["busy", "quick"]) await handle.rpc("module.load", { path: `/mem/${name}` });
  const [one, other, light] = await Promise.all([broker.connect(), broker.connect(), broker.connect()]);
  const floods = [one, other].flatMap((client) =>
    Array.from({ length: 40_000 }, () => client.rpc("busy.ask")),
  );
  const between: number[] = [];
  while (heard < 40_000) {
    const before = heard;
    await light.rpc("quick.ask");
    between.push(heard - before);
  }
  between.sort((a, b) => a - b);
  // The beginning is a burst, and the test's own thread does the work of all; the middle is what lasts.
  expect(between[Math.floor(between.length / 2)]).toBeLessThanOrEqual(16);
  await Promise.all(floods);
  expect(broker.pendingRequests).toBe(0);
});

test("one that floods alone is answered completely, and in order", async () => {
  const { broker, handle } = await startBroker({
    echo: async (h) => {
      h.handle("echo", (request) => request.payload);
      await h.run();
    },
  });
  await handle.rpc("module.load", { path: "/mem/echo" });
  const client = await broker.connect();
  const order: unknown[] = [];
  await Promise.all(
    Array.from({ length: 20_000 }, (_, n) =>
      client.rpc("echo.echo", n).then((payload) => order.push(payload)),
    ),
  );
  expect(order).toEqual(Array.from({ length: 20_000 }, (_, n) => n));
});

/** What else the machine does meets windows with floods as often as those without, and few of them. */
const ROUNDS = 15;
const WINDOW_MS = 100;

/** Requests of one module to another that were answered, in a window of time. */
async function count(handle: Handle, lanes: number): Promise<number> {
  return (await handle.rpc("c.measure", { topic: "d.echo", ms: WINDOW_MS, lanes })) as number;
}

/** Modules a and b ask each other, each so many things at once and one more for each that is answered. */
async function startFloods(handle: Handle, ahead: number): Promise<void> {
  await Promise.all([
    handle.rpc("a.flood", { topic: "b.echo", ahead }),
    handle.rpc("b.flood", { topic: "a.echo", ahead }),
  ]);
}

/** Ends when all has been answered. */
async function stopFloods(handle: Handle): Promise<void> {
  await Promise.all([handle.rpc("a.stop"), handle.rpc("b.stop")]);
}

/** The rate in a window with floods, for each of the windows without any just before and after it. */
async function ratiosOfRates(handle: Handle, lanes: number): Promise<number[]> {
  const ratios: number[] = [];
  let before = await count(handle, lanes);
  for (let round = 0; round < ROUNDS; round++) {
    await startFloods(handle, 2000);
    await Promise.all(Array.from({ length: 100 }, () => handle.publish("news", "x".repeat(1024))));
    // What it takes a module to begin so much is its own time, not the broker's.
    await count(handle, lanes);
    const during = await count(handle, lanes);
    await stopFloods(handle);
    const after = await count(handle, lanes);
    ratios.push((2 * during) / (before + after));
    before = after;
  }
  return ratios;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

describe.each([
  { host: "threads", request: {} },
  { host: "processes", request: { exec: true } },
])("in $host, two modules that flood each other, and a subscriber that never reads", ({ request }) => {
  test("leave others a fair part of their rate, get their answers, and take little memory of the broker", async () => {
    const { broker, handle } = await realBroker();
    for (const name of ["a", "b", "c", "d"]) {
      await handle.rpc("module.load", { path: PACER, name, ...request });
    }
    await handle.rpc("module.load", { path: PACER, name: "deaf", exec: true });
    await handle.rpc("deaf.subscribe-and-sleep", { ms: 600_000 });
    await count(handle, 4);
    const bytes = process.memoryUsage().rss;
    await startFloods(handle, 12_000);
    await count(handle, 4);
    await stopFloods(handle);
    for (const lanes of [1, 4]) {
      // Half on a quiet machine, which the bench measures; other programs on this one take their share of both.
      expect(median(await ratiosOfRates(handle, lanes))).toBeGreaterThanOrEqual(0.3);
    }
    expect(process.memoryUsage().rss - bytes).toBeLessThan(512 * MIB);
    expect(broker.pendingRequests).toBe(0);
    await handle.rpc("module.remove", { name: "deaf", cancel: true });
  });
});

test("a module in a process that subscribes and never reads is failed, and costs no more than 64 MiB", async () => {
  const { broker, handle, logged } = await realBroker();
  await handle.rpc("module.load", { path: PACER, name: "deaf", exec: true });
  await handle.rpc("module.load", { path: PACER, name: "d" });
  await handle.rpc("deaf.subscribe-and-sleep", { ms: 600_000 });
  let isFailed = false as boolean;
  const failed = logged("deaf module runtime failure").then((entry) => {
    isFailed = true;
    return entry;
  });
  const bytes = process.memoryUsage().rss;
  const payload = "x".repeat(32 * 1024);
  while (!isFailed) {
    await Promise.all(Array.from({ length: 50 }, () => handle.publish("news", payload)));
    expect(await handle.rpc("d.echo", 1)).toBe(1);
  }
  expect((await failed).text).toContain("has not read the");
  expect(process.memoryUsage().rss - bytes).toBeLessThan(512 * MIB);
  expect(broker.pendingRequests).toBe(0);
});
