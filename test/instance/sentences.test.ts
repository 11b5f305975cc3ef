/** The sentences of docs/design/embedding.md §2, each by its number. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { promisify } from "node:util";
import { MessageChannel, Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import {
  Broker,
  composeUnits,
  connect,
  isErrno,
  loadPlugin,
  openModule,
  planInWorker,
  runModule,
  unloadPlugin,
} from "../../dist/index.js";
import { Stack } from "./support/stack.js";

const FIXTURES = join(import.meta.dirname, "fixtures");

async function withPart() {
  const broker = await new Stack(`modules = [{name = "a"}]`).start({ roots: ["a"] });
  return { broker, handle: await broker.connect() };
}

test("sentence 1: an idle broker wakes up zero times a second", async () => {
  const argv = [join(FIXTURES, "idle.mjs")];
  const { stdout } = await promisify(execFile)(process.execPath, argv, { timeout: 85_000 });
  expect(JSON.parse(stdout)).toEqual({ seconds: 4, wakeUps: 0 });
});

test("sentence 1: a heartbeat, a watchdog and a probe take few turns of the loop an interval", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [join(FIXTURES, "intervals.mjs")]);
  const { nothing, ...kinds } = JSON.parse(stdout) as Readonly<Record<string, number>>;
  expect(nothing).toBeLessThan(1);
  expect(Object.keys(kinds)).toEqual(["heartbeat", "watchdog", "probe"]);
  for (const turns of Object.values(kinds)) {
    expect(turns).toBeGreaterThan(0);
    expect(turns).toBeLessThanOrEqual(4);
  }
});

test("sentence 2: a host has a turn after a few requests of each client, however many they send", async () => {
  const { broker } = await withPart();
  const [clients, requests] = [4, 2000];
  const argv = [join(FIXTURES, "flood.mjs"), String(broker.uri), String(clients), String(requests)];
  const flood = execFile(process.execPath, argv);
  const ended = once(flood, "exit");
  // None is answered, so that what has been added since the last turn is what was routed in between.
  let most = 0;
  for (let pending = 0; pending < clients * requests;) {
    await new Promise((resolve) => setImmediate(resolve));
    const now = broker.pendingRequests;
    most = Math.max(most, now - pending);
    pending = now;
    if (flood.exitCode !== null) throw new Error("the clients have ended");
  }
  flood.kill("SIGKILL");
  await ended;
  // Two batches of each: what has come in this turn, and what was left of the last.
  expect(most).toBeLessThanOrEqual(clients * 200);
});

describe("sentence 3", () => {
  test("posting a handle or a broker to another thread is a DataCloneError", async () => {
    const { broker, handle } = await withPart();
    const remote = await connect(broker.uri);
    const { port1, port2 } = new MessageChannel();
    for (const bound of [handle, remote, broker]) {
      const post = (): void => port1.postMessage({ bound });
      expect(post).toThrow(expect.objectContaining({ name: "DataCloneError" }));
    }
    port1.close();
    port2.close();
    await remote.close();
  });

  test("a worker thread opens a handle of its own", async () => {
    const { broker } = await withPart();
    const worker = new Worker(
      `const { parentPort, workerData } = require("node:worker_threads");
       import(workerData.library).then(async ({ connect }) => {
         const handle = await connect(workerData.uri);
         parentPort.postMessage(await handle.rpc("a.echo", "from a worker"));
         await handle.close();
       });`,
      {
        eval: true,
        workerData: { library: new URL("../../dist/index.js", import.meta.url).href, uri: broker.uri },
      },
    );
    const ended = once(worker, "exit");
    expect(await once(worker, "message")).toEqual(["from a worker"]);
    await ended;
  });
});

describe("sentence 4", () => {
  test("the caller may reuse its buffer at once, in this thread and over the socket", async () => {
    const { broker, handle } = await withPart();
    const remote = await connect(broker.uri);
    for (const one of [handle, remote]) {
      const buffer = Buffer.alloc(4096, 1);
      const first = one.rpc("a.echo", buffer);
      buffer.fill(2);
      const second = one.rpc("a.echo", buffer);
      buffer.fill(3);
      const answers = (await Promise.all([first, second])) as Uint8Array[];
      expect(answers.map((bytes) => [bytes.length, ...new Set(bytes)])).toEqual([
        [4096, 1],
        [4096, 2],
      ]);
    }
    await remote.close();
  });

  test("a received payload is the receiver's for ever", async () => {
    const { broker } = await withPart();
    const remote = await connect(broker.uri);
    const kept: Uint8Array[] = [];
    for (let i = 0; i < 50; i++) kept.push((await remote.rpc("a.echo", Buffer.alloc(3000, i))) as Uint8Array);
    expect(kept.map((bytes) => [...new Set(bytes)])).toEqual(Array.from({ length: 50 }, (_, i) => [i]));
    await remote.close();
  });
});

test("sentence 5: every promise of the library is given up at once by a signal that is aborted", async () => {
  const stack = new Stack(`modules = [{name = "a"}]`);
  const broker = await stack.start({ roots: ["a"] });
  const handle = await broker.connect();
  const file = join(stack.dir, "a.mjs");
  const plugin = await loadPlugin(stack.write("plugin.mjs", "export const f = () => 1;"), { symbols: ["f"] });
  const units = await composeUnits({ searchPath: [], env: stack.env });
  if (!units.ok) throw new Error("no units are not sound");
  const signal = AbortSignal.abort();
  const limits = { signal };
  const input = { roots: [], facts: { rank: 0, size: 1 } };
  const calls = {
    composeUnits: () => composeUnits({ searchPath: [], env: stack.env, ...limits }),
    planInWorker: () => planInWorker(units.value, input, limits),
    start: () => Broker.start({ env: stack.env, ...limits }),
    connectBroker: () => broker.connect(limits),
    connect: () => connect(broker.uri, limits),
    openModule: () => openModule(file, limits),
    runModule: () => runModule(file, limits),
    loadPlugin: () => loadPlugin(file, { symbols: ["modMain"], ...limits }),
    loadPluginInProcess: () => loadPlugin(file, { symbols: ["modMain"], exec: true, ...limits }),
    unloadPlugin: () => unloadPlugin(plugin, limits),
    rpc: () => handle.rpc("a.echo", 1, limits),
    subscribe: () => handle.subscribe("site", () => undefined, limits),
    publish: () => handle.publish("site", 1, limits),
    registerService: () => handle.registerService("site", limits),
    attr: () => handle.attr("site.number", limits),
    shutdown: () => broker.shutdown(limits),
  };
  for (const [name, call] of Object.entries(calls)) {
    const outcome = await call().then(
      () => "done",
      (error: unknown) => (isErrno(error, "ECANCELED") ? "given up" : error),
    );
    expect({ name, outcome }).toEqual({ name, outcome: "given up" });
  }
});

describe("sentence 6", () => {
  test("messages from one sender to one receiver keep their order", async () => {
    const { handle } = await withPart();
    const order: number[] = [];
    const sent = Array.from({ length: 2000 }, (_, i) => handle.rpc("a.echo", i).then(() => order.push(i)));
    await Promise.all(sent);
    expect(order).toEqual(Array.from({ length: 2000 }, (_, i) => i));
  });

  test("events have one order for the whole instance", async () => {
    const { broker, handle } = await withPart();
    const others = await Promise.all([connect(broker.uri), connect(broker.uri)]);
    const seen = await Promise.all(
      [handle, ...others].map(async (receiver) => {
        const topics: string[] = [];
        const all = new Promise<string[]>((resolve) => {
          void receiver.subscribe("race.*", ({ topic }) => {
            if (topics.push(topic) === 300) resolve(topics);
          });
        });
        // Known to the broker before anything is published.
        await receiver.rpc("a.ping", {});
        return { all };
      }),
    );
    await Promise.all(
      [handle, ...others].flatMap((sender, i) =>
        Array.from({ length: 100 }, (_, n) => sender.publish(`race.${i}-${n}`)),
      ),
    );
    const [first, ...rest] = await Promise.all(seen.map(({ all }) => all));
    expect(first).toHaveLength(300);
    for (const order of rest) expect(order).toEqual(first);
    await Promise.all(others.map((other) => other.close()));
  });
});

test("sentence 7: Node is the loop, so messages are handled without run(), which only waits for stop()", async () => {
  const { broker, handle } = await withPart();
  await handle.registerService("site");
  handle.handle("hello", () => "hello");
  const caller = await broker.connect();
  const answered = (): Promise<unknown> => caller.rpc("site.hello", null, { timeoutMs: 20_000 });
  expect(await answered()).toBe("hello");
  let hasEnded = false;
  const running = handle.run().then(() => (hasEnded = true));
  expect(await answered()).toBe("hello");
  expect(hasEnded).toBe(false);
  handle.stop();
  await running;
  expect("dispatch" in handle).toBe(false);
});

test("sentence 8: an error is a value of its own call, also when calls fail in every way at once", async () => {
  const { handle } = await withPart();
  const ways: readonly (readonly [Parameters<typeof isErrno>[1], () => Promise<unknown>])[] = [
    ["ENOSYS", () => handle.rpc("nothing.of.the.kind")],
    ["ETIMEDOUT", () => handle.rpc("a.never", null, { timeoutMs: 20 })],
    ["ECANCELED", () => handle.rpc("a.never", null, { signal: AbortSignal.abort() })],
    ["EINVAL", () => handle.publish("no topic")],
    ["EEXIST", () => handle.registerService("a")],
  ];
  const calls = Array.from({ length: 20 }, () => ways).flat();
  const settled = await Promise.allSettled(calls.map(([, call]) => call()));
  const names = settled.map((result, i) => {
    const [name] = calls[i] ?? [];
    const isIt = name !== undefined && result.status === "rejected" && isErrno(result.reason, name);
    return isIt ? name : JSON.stringify(result);
  });
  expect(names).toEqual(calls.map(([name]) => name));
});
