import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fields, type Handle } from "../../src/messages/index.js";
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
  expect(between[Math.floor(between.length / 2)]).toBeLessThanOrEqual(64);
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

async function count(handle: Handle, lanes: number): Promise<number> {
  return (await handle.rpc("c.measure", { topic: "d.echo", ms: 300, lanes })) as number;
}

async function floodEnded(handle: Handle, name: string): Promise<void> {
  await handle.rpc(`${name}.stop`);
  for (;;) {
    const { asked, answered } = fields(await handle.rpc(`${name}.flooded`), {
      asked: "integer",
      answered: "integer",
    });
    if (asked === answered) return;
  }
}

describe.each([
  { host: "threads", request: {} },
  { host: "processes", request: { exec: true } },
])("in $host, two modules that flood each other", ({ request }) => {
  test("get their answers, leave time to others, and take little memory of the broker", async () => {
    const { broker, handle } = await realBroker();
    for (const name of ["a", "b", "c", "d"])
      await handle.rpc("module.load", { path: PACER, name, ...request });
    await count(handle, 4);
    const bytes = process.memoryUsage().rss;
    const ratios: number[] = [];
    for (let round = 0; round < 3; round++) {
      const without = await count(handle, 4);
      await handle.rpc("a.flood", { topic: "b.echo", ahead: 12_000 });
      await handle.rpc("b.flood", { topic: "a.echo", ahead: 12_000 });
      ratios.push((await count(handle, 4)) / without);
      await Promise.all([floodEnded(handle, "a"), floodEnded(handle, "b")]);
    }
    // The best of the rounds: what else the machine does can only make it worse, and the floods take cores of their own.
    expect(Math.max(...ratios)).toBeGreaterThan(0.05);
    expect(process.memoryUsage().rss - bytes).toBeLessThan(512 * MIB);
    expect(broker.pendingRequests).toBe(0);
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
  expect((await failed).text).toContain("wait to be read");
  expect(process.memoryUsage().rss - bytes).toBeLessThan(512 * MIB);
  expect(broker.pendingRequests).toBe(0);
});
