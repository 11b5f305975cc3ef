/** Threads that modules share: how they are chosen, and what is said of a module that holds one. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
// Threads run from files, so this is what was built.
import { Broker, type LogEntry } from "../../dist/broker/index.js";
import { connect, type Handle } from "../../src/messages/index.js";

const FIXTURES = join(import.meta.dirname, "fixtures");

interface Started {
  readonly handle: Handle;
  /** What spins does so until this file is there. */
  readonly file: string;
  /** Resolves to the first line of the log that matches. */
  readonly logged: (pattern: RegExp) => Promise<LogEntry>;
  readonly broker: Broker;
}

async function start(attributes: Readonly<Record<string, string>> = {}): Promise<Started> {
  const base = mkdtempSync(join(tmpdir(), "sluice-shared-test-"));
  const log: LogEntry[] = [];
  const watchers = new Set<() => void>();
  const broker = await Broker.start({
    env: { XDG_RUNTIME_DIR: base },
    modulePath: FIXTURES,
    attributes,
    onLog: (entry) => {
      log.push(entry);
      watchers.forEach((watch) => watch());
    },
  });
  onTestFinished(async () => {
    await broker.close();
    rmSync(base, { recursive: true, force: true });
  });
  const logged = (pattern: RegExp): Promise<LogEntry> =>
    new Promise((resolve) => {
      const watch = (): void => {
        const found = log.find(({ text }) => pattern.test(text));
        if (found !== undefined) resolve(found);
      };
      watchers.add(watch);
      watch();
    });
  return { handle: await connect(broker.uri ?? ""), file: join(base, "go"), logged, broker };
}

function load(handle: Handle, name: string, more: Readonly<Record<string, string | number>> = {}) {
  return handle.rpc("module.load", { path: "tenant", name, onFailure: "log", ...more });
}

async function threadsOf(handle: Handle, names: readonly string[]): Promise<number[]> {
  return (await Promise.all(names.map((name) => handle.rpc(`${name}.thread`)))).map(Number);
}

test("a broker that closes ends a thread of many modules without a warning of Node", async () => {
  const { handle, broker } = await start();
  const names = Array.from({ length: 20 }, (_, at) => `m${at}`);
  await Promise.all(names.map((name) => load(handle, name, { thread: "yard" })));
  const warnings: Error[] = [];
  const warn = (warning: Error): void => void warnings.push(warning);
  process.on("warning", warn);
  onTestFinished(() => void process.off("warning", warn));
  await broker.close();
  // Node tells of it in the next turn.
  await new Promise((resolve) => setImmediate(resolve));
  expect(warnings).toEqual([]);
});

describe("broker.default-thread", () => {
  test("shared puts modules evenly into as many threads as there are cores, but those with a thread of their own", async () => {
    const { handle } = await start({ "broker.default-thread": "shared" });
    const cores = availableParallelism();
    const names = Array.from({ length: 3 * cores }, (_, at) => `m${at}`);
    await Promise.all(names.map((name) => load(handle, name)));
    await load(handle, "apart", { thread: "own" });
    await load(handle, "grouped", { thread: "yard" });
    const threads = await threadsOf(handle, names);
    const counts = [...new Set(threads)].map((id) => threads.filter((other) => other === id).length);
    expect(counts).toEqual(Array(cores).fill(3));
    const others = await threadsOf(handle, ["apart", "grouped"]);
    expect(new Set([...threads, ...others]).size).toBe(cores + 2);
    // What a removal leaves free is filled first.
    const [first = ""] = names;
    await handle.rpc("module.remove", { name: first });
    await load(handle, "next");
    expect(await threadsOf(handle, ["next"])).toEqual([threads[0]]);
  });

  test("is own unless it is set, when thread = shared asks for a shared thread all the same", async () => {
    const { handle } = await start();
    const names = ["a", "b", "c", "d"];
    await Promise.all(names.map((name) => load(handle, name)));
    expect(new Set(await threadsOf(handle, names)).size).toBe(4);
    const shared = Array.from({ length: 2 * availableParallelism() }, (_, at) => `s${at}`);
    await Promise.all(shared.map((name) => load(handle, name, { thread: "shared" })));
    expect(new Set(await threadsOf(handle, shared)).size).toBe(availableParallelism());
  });

  test("is own or shared", async () => {
    await expect(start({ "broker.default-thread": "many" })).rejects.toThrow("must be own or shared");
  });
});

describe("a thread that modules share", () => {
  test("names in the log the module that blocks it for over a second, and where, and is left alone", async () => {
    const { handle, logged, file } = await start();
    await load(handle, "idle", { thread: "yard" });
    await load(handle, "culprit", { thread: "yard" });
    await handle.rpc("module.load", { path: "neighbour", thread: "yard" });
    const spinning = handle.rpc("culprit.spin", file);
    const { level, text } = await logged(/blocks/);
    expect(level).toBe("warning");
    expect(text).toMatch(
      /^culprit blocks thread group 'yard' for over 1 s\n {4}at spin \(\S+tenant\.mjs:7:\d+\)/,
    );
    expect(text).not.toContain("/bundles/");
    writeFileSync(file, "");
    await spinning;
    expect(await handle.rpc("idle.thread")).toBe(await handle.rpc("culprit.thread"));
  });

  test("names a module that blocks it in a timer by its file", async () => {
    const { handle, logged, file } = await start();
    await load(handle, "culprit", { thread: "yard" });
    await handle.rpc("module.load", { path: "neighbour", name: "other", thread: "yard", onFailure: "log" });
    await handle.rpc("culprit.spin-later", file);
    expect((await logged(/blocks/)).text).toMatch(/^culprit blocks thread group 'yard'/);
    writeFileSync(file, "");
  });

  test("trap-G14: the watchdog of one of its modules names the module whose handler ran, with its stack", async () => {
    const { handle, logged, file } = await start();
    await handle.rpc("module.load", {
      ...{ path: "neighbour", name: "watched", thread: "yard", onFailure: "log", watchdogMs: 400 },
    });
    await load(handle, "culprit", { thread: "yard" });
    const spinning = expect(handle.rpc("culprit.spin", file)).rejects.toMatchObject({
      code: "BROKER_REQUEST",
    });
    const { text } = await logged(/^watched module runtime failure/);
    expect(text).toMatch(
      /watched module runtime failure: it has not answered a ping for 0\.4 s \(watchdog\); a handler of culprit holds thread group 'yard'/,
    );
    expect(text).toMatch(/\n {4}at spin \(\S+tenant\.mjs:7:\d+\)/);
    await spinning;
  });
});
