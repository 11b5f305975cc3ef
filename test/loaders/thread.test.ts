import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
// Workers run from files, so this tests what was built.
import {
  createThreadLoader,
  type ModuleExit,
  type ModuleSpec,
  type RunningModule,
  type ThreadLoader,
} from "../../dist/loaders/index.js";
import { ERRNO } from "../../src/errors/index.js";
import { type JsonValue, MODULE_STATUS } from "../../src/messages/index.js";
import { FakeBroker, welcome } from "../messages/fake-broker.js";

let directory: string;
let loader: ThreadLoader;
let started: RunningModule[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-thread-"));
  loader = createThreadLoader();
  started = [];
});

afterEach(async () => {
  await Promise.all(started.map((module) => module.terminate()));
  await rm(directory, { recursive: true });
});

interface Loaded {
  readonly module: RunningModule;
  readonly broker: FakeBroker;
}

async function file(name: string, source: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, source);
  return path;
}

async function load(path: string, spec: Partial<ModuleSpec> = {}): Promise<Loaded> {
  const full = { name: "mod", uuid: "uuid", path, args: [], thread: "own", ...spec };
  const module = await loader.start(full);
  started.push(module);
  const broker = new FakeBroker(module.channel);
  broker.send(welcome(full));
  return { module, broker };
}

async function loadSource(name: string, source: string, spec: Partial<ModuleSpec> = {}): Promise<Loaded> {
  return load(await file(name, source), spec);
}

/** The first status that a module reports: running, or what it failed with. */
async function firstStatus({ broker }: Loaded): Promise<JsonValue> {
  return JSON.parse(String((await broker.nextRequest("module.status")).payload)) as JsonValue;
}

async function ask({ broker }: Loaded, method: string, payload?: JsonValue): Promise<unknown> {
  const { errnum, error, payload: answer } = await broker.call(`mod.${method}`, payload);
  if (errnum !== 0) throw new Error(error);
  return answer === undefined ? undefined : JSON.parse(String(answer));
}

async function shutDown({ broker, module }: Loaded): Promise<ModuleExit> {
  await broker.call("mod.shutdown");
  return module.exited;
}

const running = { status: MODULE_STATUS.running };

const SERVE = "export async function modMain(h) { await h.run(); }";

describe("a module in a thread of its own", () => {
  test("runs, answers, and is gone after shutdown", async () => {
    const loaded = await loadSource(
      "echo.mjs",
      `export async function modMain(h, ...args) {
         h.handle("args", () => [h.name, ...args]);
         await h.run();
       }`,
      { args: ["a", "b=1"] },
    );
    expect(await firstStatus(loaded)).toEqual(running);
    expect(await ask(loaded, "args")).toEqual(["mod", "a", "b=1"]);
    const closed = new Promise((resolve) => loaded.module.channel.onClose(resolve));
    expect(await shutDown(loaded)).toEqual({ kind: "ok" });
    expect(await closed).toBeUndefined();
    expect(loaded.broker.statuses()).toEqual([
      running,
      { status: MODULE_STATUS.finalizing },
      { status: MODULE_STATUS.exited, errnum: 0 },
    ]);
  });

  test.each([
    ["mod_main of an ES module", "a.mjs", "export const mod_main = (h) => h.run();"],
    ["modMain of CommonJS", "a.cjs", "exports.modMain = (h) => h.run();"],
    [
      "a default class",
      "a.mjs",
      "export default class { constructor(h) { this.h = h; } run() { return this.h.run(); } }",
    ],
    ["a module with top-level await", "a.mjs", `await null; ${SERVE}`],
  ])("may enter through %s", async (_what, name, source) => {
    const loaded = await loadSource(name, source);
    expect(await firstStatus(loaded)).toEqual(running);
    expect(await shutDown(loaded)).toEqual({ kind: "ok" });
  });

  test.each([
    ["returns early", "export function modMain() {}", { errnum: ERRNO.ECONNRESET }],
    [
      "throws",
      "export function modMain() { throw new Error('no disk'); }",
      { errnum: ERRNO.ECONNRESET, error: "no disk" },
    ],
    [
      "throws an error with a number",
      "export function modMain() { throw Object.assign(new Error('no disk'), { code: 'ENOENT' }); }",
      { errnum: ERRNO.ENOENT, error: "no disk" },
    ],
    ["throws while it is imported", "throw new Error('at the top');", { error: "at the top" }],
    ["has no entry point", "export const x = 1;", { errnum: ERRNO.EINVAL }],
    ["is not JavaScript", "export export", {}],
    ["imports what is missing", "import './missing.mjs';", {}],
  ])("that %s before it runs reports why, and is gone", async (_what, source, report) => {
    const loaded = await loadSource("bad.mjs", source);
    expect(await firstStatus(loaded)).toMatchObject({ status: MODULE_STATUS.exited, ...report });
    expect(await loaded.module.exited).toMatchObject({ kind: "error" });
  });

  for (const name of ["typo.mjs", "typo.cjs"]) {
    test(`that is not valid JavaScript fails with the place of the mistake: ${name}`, async () => {
      const loaded = await loadSource(name, "function modMain() {\n  let x = ;\n}\n");
      expect(await firstStatus(loaded)).toEqual({
        status: MODULE_STATUS.exited,
        errnum: ERRNO.EINVAL,
        error: `${join(directory, name)}:2:11: Unexpected token ';'`,
      });
    });
  }

  test("that throws after it ran ends with its own error", async () => {
    const loaded = await loadSource(
      "late.mjs",
      "export async function modMain(h) { await h.run(); throw new Error('late'); }",
    );
    await firstStatus(loaded);
    expect(await shutDown(loaded)).toMatchObject({
      kind: "error",
      message: "late",
      stack: expect.stringContaining("late.mjs") as string,
    });
  });

  test.each([
    [
      "an uncaught exception",
      "setTimeout(() => { throw new Error('loose'); }, 0)",
      { kind: "error", message: "loose" },
    ],
    ["an unhandled rejection", "Promise.reject(new Error('loose'))", { kind: "error", message: "loose" }],
    ["process.exit", "process.exit(3)", { kind: "died", message: "exit status 3" }],
  ])("that ends by %s is told from others", async (_what, statement, exit) => {
    const loaded = await loadSource(
      "die.mjs",
      `export async function modMain(h) { h.handle("die", () => { ${statement}; }); await h.run(); }`,
    );
    await firstStatus(loaded);
    const closed = new Promise((resolve) => loaded.module.channel.onClose(resolve));
    loaded.broker.send({
      type: "request",
      topic: "mod.die",
      matchtag: 1,
      flags: 0,
      nodeid: "any",
      route: ["x"],
    });
    expect(await loaded.module.exited).toMatchObject(exit);
    await closed;
  });

  test("is gone at once when terminated, whatever it does", async () => {
    const loaded = await loadSource(
      "busy.mjs",
      "export function modMain(h) { h.setRunning(); setImmediate(() => { for (;;); }); return h.run(); }",
    );
    await firstStatus(loaded);
    await loaded.module.terminate();
    expect(await loaded.module.exited).toEqual({ kind: "terminated" });
    await loaded.module.terminate();
  });

  test("leaves nothing running behind, whatever it had started", async () => {
    const loaded = await loadSource("timer.mjs", `setInterval(() => {}, 1000); ${SERVE}`);
    await firstStatus(loaded);
    expect(await shutDown(loaded)).toEqual({ kind: "ok" });
  });

  test("can be loaded from one file under several names, which share no state", async () => {
    const path = await file(
      "count.mjs",
      "let n = 0; export async function modMain(h) { h.handle('next', () => ++n); await h.run(); }",
    );
    const [a, b] = [await load(path, { name: "a" }), await load(path, { name: "b" })];
    await Promise.all([firstStatus(a), firstStatus(b)]);
    expect([await ask(a, "next"), await ask(a, "next"), await ask(b, "next")]).toEqual([1, 2, 1]);
  });

  test("cannot reach the compiled code that all threads share", async () => {
    const source = `
      import { workerData } from "node:worker_threads";
      export async function modMain(h) { h.handle("data", () => Object.keys(workerData)); await h.run(); }`;
    for (const name of ["a", "b"]) {
      const loaded = await loadSource(`${name}.mjs`, source);
      expect(await firstStatus(loaded)).toEqual(running);
      expect(await ask(loaded, "data")).toEqual(["library", "jiti"]);
    }
  });

  test("writes its output to standard error, never to standard output", async () => {
    const path = await file(
      "noisy.mjs",
      `export async function modMain(h) { console.log("to-out"); console.error("to-err"); await h.run(); }`,
    );
    const script = await file(
      "host.mjs",
      `import { createThreadLoader } from ${JSON.stringify(new URL("../../dist/loaders/index.js", import.meta.url).href)};
       const module = await createThreadLoader().start({ name: "n", uuid: "u", path: ${JSON.stringify(path)}, args: [], thread: "own" });
       module.channel.onMessage((m) => {
         if (m.topic !== "module.status") return;
         const { status } = JSON.parse(m.payload);
         const answer = { type: "response", topic: m.topic, matchtag: m.matchtag, errnum: 0, route: m.route };
         if (m.matchtag !== 0) module.channel.send(answer);
         if (status === 1) module.channel.send({ type: "request", topic: "n.shutdown", matchtag: 1, flags: 0, nodeid: "any", route: [] });
       });
       module.channel.send(${JSON.stringify(welcome())});
       await module.exited;`,
    );
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [script]);
    expect(stdout).toBe("");
    expect(stderr).toContain("to-out");
    expect(stderr).toContain("to-err");
  });
});

describe("a thread group", () => {
  const COUNT = `let n = 0;
    export async function modMain(h) {
      h.handle("next", () => ++n);
      h.handle("thread", async () => (await import("node:worker_threads")).threadId);
      h.handle("die", () => { setImmediate(() => { throw new Error("group bug"); }); return 1; });
      await h.run();
    }`;

  test("has one thread, with a handle and states for each module", async () => {
    const path = await file("count.mjs", COUNT);
    const names = ["a", "b", "c"];
    const group = await Promise.all(names.map((name) => load(path, { name, thread: "g" })));
    const other = await load(path, { name: "d", thread: "h" });
    for (const loaded of [...group, other]) expect(await firstStatus(loaded)).toEqual(running);
    const threads = await Promise.all([...group, other].map((loaded) => ask(loaded, "thread")));
    expect(new Set(threads.slice(0, 3)).size).toBe(1);
    expect(new Set(threads).size).toBe(2);
    for (const loaded of group) expect(await ask(loaded, "next")).toBe(1);
  });

  test("goes on when one of its modules ends, and starts anew after the last", async () => {
    const path = await file("count.mjs", COUNT);
    const [a, b] = [await load(path, { thread: "g" }), await load(path, { thread: "g" })];
    await Promise.all([firstStatus(a), firstStatus(b)]);
    expect(await shutDown(a)).toEqual({ kind: "ok" });
    const before = await ask(b, "thread");
    expect(await shutDown(b)).toEqual({ kind: "ok" });
    const again = await load(path, { thread: "g" });
    expect(await firstStatus(again)).toEqual(running);
    expect(await ask(again, "thread")).not.toBe(before);
  });

  test("goes on when one of its modules cannot be loaded", async () => {
    const good = await loadSource("count.mjs", COUNT, { thread: "g" });
    await firstStatus(good);
    const bad = await loadSource("bad.mjs", "throw new Error('no')", { thread: "g" });
    expect(await bad.module.exited).toMatchObject({ kind: "error", message: "no" });
    expect(await ask(good, "next")).toBe(1);
  });

  test("reads a file again that was changed between two loads", async () => {
    for (const [name, prefix] of [
      ["v.mjs", "export const modMain"],
      ["v.cjs", "exports.modMain"],
    ] as const) {
      const keeper = await loadSource("count.mjs", COUNT, { thread: name });
      const source = (version: number): string =>
        `${prefix} = (h) => { h.handle("version", () => ${version}); return h.run(); };`;
      const first = await loadSource(name, source(1), { thread: name });
      await firstStatus(first);
      await shutDown(first);
      const second = await loadSource(name, source(2), { thread: name });
      await firstStatus(second);
      expect(await ask(second, "version")).toBe(2);
      await firstStatus(keeper);
    }
  });

  test("fails as a whole when its thread dies", async () => {
    const path = await file("count.mjs", COUNT);
    const [a, b] = [await load(path, { thread: "g" }), await load(path, { thread: "g" })];
    await Promise.all([firstStatus(a), firstStatus(b)]);
    await ask(b, "die");
    const exits = await Promise.all([a.module.exited, b.module.exited]);
    expect(exits).toMatchObject([
      { kind: "error", message: "group bug" },
      { kind: "error", message: "group bug" },
    ]);
  });

  test("is terminated as a whole; the exits tell whose termination it was", async () => {
    const path = await file("count.mjs", COUNT);
    const [a, b] = [await load(path, { thread: "g" }), await load(path, { thread: "g" })];
    await Promise.all([firstStatus(a), firstStatus(b)]);
    await b.module.terminate();
    expect(await b.module.exited).toEqual({ kind: "terminated" });
    expect(await a.module.exited).toMatchObject({ kind: "died" });
  });
});

describe("a TypeScript module", () => {
  const SOURCE = `import type { Handle } from "sluice";
    import { basename } from "node:path";
    interface Answer { readonly n: number; readonly file: string }
    export async function modMain(h: Handle, ...args: string[]): Promise<void> {
      h.handle("answer", (): Answer => ({ n: args.length, file: basename(import.meta.url) }));
      await h.run();
    }`;

  test("runs as it is", async () => {
    const loaded = await loadSource("a.ts", SOURCE, { args: ["x"] });
    expect(await firstStatus(loaded)).toEqual(running);
    expect(await ask(loaded, "answer")).toEqual({ n: 1, file: "a.ts" });
    expect(await readdir(directory)).toEqual(["a.ts"]);
  });

  test("is kept transpiled in the cache directory, and transpiled anew when it changes", async () => {
    const cacheDir = join(directory, "cache");
    await firstStatus(await loadSource("a.ts", SOURCE, { cacheDir }));
    const kept = await readdir(cacheDir);
    expect(kept).toHaveLength(1);
    expect((await stat(cacheDir)).mode & 0o777).toBe(0o700);
    const [name] = kept;
    await writeFile(
      join(cacheDir, name ?? ""),
      "exports.modMain = (h) => { h.handle('answer', () => 'kept'); return h.run(); };",
    );
    loader = createThreadLoader();
    const cached = await loadSource("a.ts", SOURCE, { cacheDir });
    await firstStatus(cached);
    expect(await ask(cached, "answer")).toBe("kept");
    const changed = await loadSource("a.ts", `${SOURCE}\n`, { cacheDir });
    await firstStatus(changed);
    expect(await ask(changed, "answer")).toEqual({ n: 0, file: "a.ts" });
  });

  test("is not loaded through a cache that others may write", async () => {
    const cacheDir = join(directory, "cache");
    await mkdir(cacheDir);
    await chmod(cacheDir, 0o777);
    const path = await file("a.ts", SOURCE);
    await expect(load(path, { cacheDir })).rejects.toMatchObject({
      code: "LOAD_FAILED",
      errnum: ERRNO.EPERM,
    });
  });

  test("tells the place of a syntax error", async () => {
    const path = await file("bad.ts", "const a = 1;\nconst b: = 2;\n");
    await expect(load(path)).rejects.toMatchObject({
      code: "LOAD_FAILED",
      message: expect.stringContaining(`${path}:2:`) as string,
    });
  });

  test("tells the lines of its own source in a stack", async () => {
    const loaded = await loadSource(
      "lines.ts",
      "interface A {\n  a: string;\n}\nexport function modMain(): void {\n  throw new Error('here');\n}\n",
    );
    expect(await loaded.module.exited).toMatchObject({
      kind: "error",
      stack: expect.stringContaining("lines.ts:5:") as string,
    });
  });

  test.each([
    ["imports a neighbour", 'import { n } from "./n.js";\nconst value: number = n;'],
    ["imports a neighbour when it runs", 'const { n } = await import("./n.ts");\nconst value: number = n;'],
    ["awaits at the top", "const value: number = await Promise.resolve(5);"],
  ])("that %s is loaded too", async (_what, head) => {
    await file("n.ts", "export const n: number = 5;\n");
    const loaded = await loadSource(
      "a.ts",
      `${head}\nexport async function modMain(h: any) { h.handle("value", () => value); await h.run(); }`,
    );
    expect(await firstStatus(loaded)).toEqual(running);
    expect(await ask(loaded, "value")).toBe(5);
  });
});

describe("a module that imports our library from anywhere", () => {
  const BODY = `
    export default class Mod extends BrokerModule {
      setup() {
        this.handle.handle("name", () => this.name);
        this.handle.handle("busy", () => { throw requestError("EBUSY", "not now"); });
      }
    }`;

  test.each([
    ["TypeScript in one file", "a.ts", 'import { BrokerModule, requestError, type Handle } from "sluice";'],
    ["TypeScript with neighbours", "a.ts", 'import { BrokerModule, requestError } from "./n.js";'],
    ["JavaScript", "a.mjs", 'import { BrokerModule, requestError } from "sluice";'],
  ])("finds it: %s", async (_what, name, head) => {
    await file("n.ts", 'export { BrokerModule, requestError } from "sluice";\n');
    const loaded = await loadSource(name, head + BODY);
    expect(await firstStatus(loaded)).toEqual(running);
    expect(await ask(loaded, "name")).toBe("mod");
    expect(await loaded.broker.call("mod.busy")).toMatchObject({ errnum: ERRNO.EBUSY, error: "not now" });
    expect(await shutDown(loaded)).toEqual({ kind: "ok" });
  });
});

describe("a thread that is ready before its module is known", () => {
  const env = { PREPARED: "yes" };
  const WHERE = `
    import { threadId } from "node:worker_threads";
    export async function modMain(h) { h.handle("where", () => threadId); await h.run(); }
  `;

  async function threadOf(spec: Partial<ModuleSpec>): Promise<JsonValue> {
    const loaded = await loadSource("where.mjs", WHERE, spec);
    await firstStatus(loaded);
    return (await ask(loaded, "where")) as JsonValue;
  }

  test.each(["own", "shared", "yard"])(
    "is taken by the first module with its environment: %s",
    async (thread) => {
      const last = Number(await threadOf({ thread: "own" }));
      loader.prepare(env);
      // Not by one with another environment.
      expect(await threadOf({ thread: "own", env: {} })).toBe(last + 2);
      expect(await threadOf({ thread, env: { ...env } })).toBe(last + 1);
      expect(await threadOf({ thread: "own", env })).toBe(last + 3);
    },
  );

  test("ends if no module has taken it, and only then", async () => {
    const last = Number(await threadOf({ thread: "own" }));
    loader.prepare(env);
    await loader.release();
    expect(await threadOf({ thread: "own", env })).toBe(last + 2);
    loader.prepare(env);
    const taken = await loadSource("where.mjs", WHERE, { env });
    await firstStatus(taken);
    await loader.release();
    expect(await ask(taken, "where")).toBe(last + 3);
  });
});
