import { describe, expect, test } from "vitest";
import { type ModuleSample, type Sample, Sampler } from "../../../src/cli/top/sample.js";
import { ranksLines, type Sort, SORT_NAMES, SORTS, sampleLines } from "../../../src/cli/top/table.js";
import type { Handle } from "../../../src/messages/index.js";
import { startBroker } from "../../broker/support/start-broker.js";

const echo = async (h: Handle): Promise<void> => {
  h.handle("echo", (request) => request.payload);
  await h.run();
};

const never = new AbortController().signal;

describe("rates", () => {
  test("are means since the start of a module at first, then since the sample before", async () => {
    const { handle, clock } = await startBroker({ echo });
    await handle.rpc("module.load", { path: "/mem/echo" });
    const sampler = new Sampler(handle, { periodMs: 4000 });
    clock.advance(2000);
    const [first] = (await sampler.next(never)).modules;
    // Its welcome and the answer to its subscription, and that and its status.
    expect(first).toMatchObject({ name: "echo", state: "R", idleSeconds: 2, rxPerSecond: 1, txPerSecond: 1 });
    for (let n = 0; n < 12; n++) await handle.rpc("echo.echo", n);
    clock.advance(4000);
    const [second] = (await sampler.next(never)).modules;
    expect(second).toMatchObject({ rxPerSecond: 3, txPerSecond: 3 });
    clock.advance(4000);
    const [third] = (await sampler.next(never)).modules;
    expect(third).toMatchObject({ rxPerSecond: 0, txPerSecond: 0 });
  });

  test("begin anew with the instance that a reload has made", async () => {
    const { handle, clock } = await startBroker({ echo });
    await handle.rpc("module.load", { path: "/mem/echo" });
    const sampler = new Sampler(handle, { periodMs: 1000 });
    for (let n = 0; n < 100; n++) await handle.rpc("echo.echo", n);
    clock.advance(1000);
    await sampler.next(never);
    await handle.rpc("module.reload", { name: "echo" });
    clock.advance(100);
    // The new one is told at once.
    expect((await sampler.change(never)).isDue).toBe(false);
    clock.advance(900);
    const [module] = (await sampler.next(never)).modules;
    expect(module).toMatchObject({ rxPerSecond: 2, txPerSecond: 2 });
  });

  test("stay those of the period when a module starts or ends in it, which is told at once", async () => {
    const { handle, clock } = await startBroker({ echo });
    await handle.rpc("module.load", { path: "/mem/echo" });
    const sampler = new Sampler(handle, { periodMs: 10_000 });
    clock.advance(10_000);
    const { modules } = await sampler.next(never);
    for (let n = 0; n < 50; n++) await handle.rpc("echo.echo", n);
    await handle.rpc("module.load", { path: "/mem/echo", name: "second" });
    clock.advance(50);
    const { isDue, sample } = await sampler.change(never);
    expect({ isDue, names: sample.modules.map(({ name }) => name) }).toEqual({
      isDue: false,
      names: ["echo", "second"],
    });
    expect(sample.modules[0]?.rxPerSecond).toBe(modules[0]?.rxPerSecond);
    await handle.rpc("module.remove", { name: "second" });
    clock.advance(50);
    expect((await sampler.change(never)).sample.modules.map(({ name }) => name)).toEqual(["echo"]);
    clock.advance(10_000);
    const due = await sampler.change(never);
    expect(due.isDue).toBe(true);
    expect(due.sample.modules[0]?.rxPerSecond).toBeCloseTo(5, 1);
  });

  test("count the clients and requests of others only", async () => {
    const { handle, broker } = await startBroker({ echo });
    const { broker: alone } = await new Sampler(handle, { periodMs: 1000 }).next(never);
    expect(alone).toMatchObject({ rank: 0, size: 1, pid: process.pid, clients: 1, pendingRequests: 0 });
    const other = await broker.connect();
    const following = other.rpcStream("log.dmesg", { follow: true });
    const first = following.next();
    await other.rpc("module.ping");
    const { broker: busy } = await new Sampler(handle, { periodMs: 1000 }).next(never);
    // With the stream of the first sampler.
    expect(busy).toMatchObject({ clients: 2, pendingRequests: 2 });
    expect(busy.rssBytes).toBeGreaterThan(1024 * 1024);
    await following.return?.();
    await first;
  });
});

function module(name: string, more: Partial<ModuleSample> = {}): ModuleSample {
  return {
    name,
    uuid: name,
    state: "R",
    phase: "up",
    restarts: 0,
    idleSeconds: 0,
    owedSeconds: 0,
    sendq: 0,
    recvq: 0,
    services: [],
    rxPerSecond: 0,
    txPerSecond: 0,
    ...more,
  };
}

const SAMPLE: Sample = {
  time: 1_700_000_000,
  broker: {
    rank: 3,
    size: 16,
    pid: 4711,
    uptimeSeconds: 3723.9,
    clients: 1,
    pendingRequests: 2,
    cpuPercent: 12.34,
    rssBytes: 85 * 1024 * 1024,
  },
  modules: [
    module("kvs", { rxPerSecond: 1234.4, txPerSecond: 20, sendq: 5, idleSeconds: 100, services: ["a", "b"] }),
    module("content", {
      ...{ rxPerSecond: 3, txPerSecond: 99.94, cpuPercent: 150, rssBytes: 3 * 1024 ** 3, restarts: 2 },
      ...{ owedSeconds: 7.5, health: "silent" },
    }),
    module("alpha", {
      ...{ state: "F", idleSeconds: 99, recvq: 7, cpuPercent: 0, rssBytes: 2 ** 20, restarts: 12 },
      ...{ health: "failing", probe: { failures: 1, limit: 3 } },
    }),
  ],
};

describe("the table", () => {
  test("has the columns of module list, rates, processor and memory, and how each module fares", () => {
    const { head, rows } = sampleLines(SAMPLE, { sort: "load", isReversed: false });
    expect([...head, ...rows.map(({ text }) => text)].join("\n")).toBe(
      [
        "rank 3 of 16, up 01:02:03, 3 modules, 1 client, 2 requests pending",
        "broker 4711: 12.3% cpu, 85 MiB; modules: 1237 rx/s, 120 tx/s",
        "",
        "Module                    Idle  S Sendq Recvq    Rx/s    Tx/s  CPU%      Mem Rst Health    Service",
        "kvs                       idle  R     5     0    1234    20.0     -        -   0 -         a,b",
        "content                      0  R!    0     0     3.0    99.9 150.0  3.0 GiB   2 silent",
        "alpha                       99  F     0     7     0.0     0.0   0.0    1 MiB  12 fails 1/3",
      ].join("\n"),
    );
  });

  const ORDER: Readonly<Record<Sort, readonly string[]>> = {
    load: ["kvs", "content", "alpha"],
    name: ["alpha", "content", "kvs"],
    idle: ["content", "alpha", "kvs"],
    queue: ["alpha", "kvs", "content"],
    rx: ["kvs", "content", "alpha"],
    tx: ["content", "kvs", "alpha"],
    cpu: ["content", "alpha", "kvs"],
    memory: ["content", "alpha", "kvs"],
    restarts: ["alpha", "content", "kvs"],
    health: ["content", "alpha", "kvs"],
  };

  test.each(SORT_NAMES)("is sorted by %s, and the other way round", (sort) => {
    const namesOf = (isReversed: boolean): string[] =>
      sampleLines(SAMPLE, { sort, isReversed }).rows.map(({ text }) => text.split(" ")[0] ?? "");
    expect(namesOf(false)).toEqual(ORDER[sort]);
    expect(namesOf(true)).toEqual([...ORDER[sort]].reverse());
  });

  test("marks modules that do not answer, fail their probe or wait for a restart", () => {
    const modules = [...SAMPLE.modules, module("back", { phase: "backoff", health: "failed", restarts: 3 })];
    const { rows } = sampleLines({ ...SAMPLE, modules }, { sort: "load", isReversed: false });
    expect(rows.map(({ isIll }) => isIll)).toEqual([false, true, true, true]);
    expect(rows[3]?.text).toMatch(/ 3 backoff$/);
  });

  test("has shorter names on a narrow terminal, but no shorter than they are", () => {
    const titleOf = (columns: number): string =>
      sampleLines(SAMPLE, { sort: "load", isReversed: false, columns }).head.at(-1) ?? "";
    expect(titleOf(200)).toBe(sampleLines(SAMPLE, { sort: "load", isReversed: false }).head.at(-1));
    expect(titleOf(80)).toMatch(/^Module {2}Idle .* Health {4}Service$/);
    expect(titleOf(80)).toHaveLength(80);
    expect(titleOf(20)).toBe(titleOf(80));
  });

  test("of several ranks has a column for them, sums above, and a line for a rank that tells nothing", () => {
    const other = {
      ...SAMPLE,
      broker: { ...SAMPLE.broker, rank: 4 },
      modules: [module("zulu", { sendq: 9 })],
    };
    const ranks = [
      { rank: 3, sample: SAMPLE, problem: undefined },
      { rank: 4, sample: other, problem: undefined },
      { rank: 5, sample: undefined, problem: "rank 5 is lost" },
    ];
    const { head, rows } = ranksLines(ranks, { sort: "queue", isReversed: false });
    expect(head.slice(0, 4)).toEqual([
      "ranks 3-4 of 16, 4 modules, 2 clients, 4 requests pending",
      "brokers: 24.7% cpu, 170 MiB; modules: 1237 rx/s, 120 tx/s",
      "rank 5: rank 5 is lost",
      "",
    ]);
    expect(head[4]).toMatch(/^Rank Module {20}Idle /);
    expect(rows.map(({ text }) => text.split(/ +/, 3).slice(1))).toEqual([
      ["4", "zulu"],
      ["3", "alpha"],
      ["3", "kvs"],
      ["3", "content"],
    ]);
  });

  test("has a key for each order, and none twice", () => {
    const keys = SORT_NAMES.map((name) => SORTS[name].key);
    expect(new Set([...keys, "q", "R"]).size).toBe(keys.length + 2);
  });
});
