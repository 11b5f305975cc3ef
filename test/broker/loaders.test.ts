import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { ConfigTable } from "../../src/units/index.js";
import { ERRNO } from "../../src/errors/index.js";
import { fields, type Handle } from "../../src/messages/index.js";
import { type RealBroker, realBroker } from "./support/real-broker.js";
import { wasiProgram } from "./support/wasi-program.js";

const SUBJECT = join(import.meta.dirname, "fixtures/subject.mjs");
const PYTHON_SUBJECT = join(import.meta.dirname, "fixtures/subject.py");
const MESSAGES = pathToFileURL(join(import.meta.dirname, "../../dist/messages/index.js")).href;

let files: string;
beforeAll(() => {
  files = mkdtempSync(join(tmpdir(), "sluice-subject-"));
  executable("subject", programOf(JSON.stringify(SUBJECT)));
  executable("ref-loader", programOf('require("node:fs").readFileSync(process.argv.at(-1), "utf8")'));
  writeFileSync(join(files, "subject.ref"), SUBJECT);
});
afterAll(() => rmSync(files, { recursive: true }));

/** A program that is no file of any loader: it finds its channel, and speaks the wire form on it. */
function programOf(modulePath: string): string {
  return `#!${process.execPath}
    const fd = Number(/^fd:\\/\\/(\\d+)$/.exec(process.env.SLUICE_MODULE_URI)[1]);
    const socket = new (require("node:net").Socket)({ fd, readable: true, writable: true });
    import(${JSON.stringify(MESSAGES)}).then(async ({ socketChannel, runModuleMain, findEntry }) => {
      const path = ${modulePath};
      const outcome = await runModuleMain(socketChannel(socket), async () => findEntry(await import(path), path));
      process.exitCode = outcome.kind === "ok" ? 0 : 1;
      socket.once("close", () => process.exit());
    });`;
}

function executable(name: string, text: string): string {
  const path = join(files, name);
  writeFileSync(path, text);
  chmodSync(path, 0o755);
  return path;
}

type Request = Readonly<Record<string, string | boolean | number | readonly string[]>>;

interface LoaderCase {
  readonly loader: "thread" | "thread group" | "process" | "program" | "python" | "from the configuration";
  /** In the broker. */
  readonly config?: () => ConfigTable;
  /** What a load asks for. */
  readonly request: () => Request;
  /** The log says that it is in a process. */
  readonly isProcess: boolean;
}

const CASES: readonly LoaderCase[] = [
  { loader: "thread", request: () => ({ path: SUBJECT }), isProcess: false },
  { loader: "thread group", request: () => ({ path: SUBJECT, thread: "yard" }), isProcess: false },
  { loader: "process", request: () => ({ path: SUBJECT, exec: true }), isProcess: true },
  { loader: "program", request: () => ({ path: join(files, "subject") }), isProcess: true },
  { loader: "python", request: () => ({ path: PYTHON_SUBJECT }), isProcess: true },
  {
    // Its files hold the path of what is to be run.
    loader: "from the configuration",
    config: () => ({ loaders: { ref: { suffixes: [".ref"], command: [join(files, "ref-loader")] } } }),
    request: () => ({ path: join(files, "subject.ref") }),
    isProcess: true,
  },
];

const PROCESSES = CASES.filter(({ isProcess }) => isProcess);

async function who(
  handle: Handle,
  service = "subject",
): Promise<{ pid: number; name: string; args: unknown }> {
  const { pid, name, args } = fields(await handle.rpc(`${service}.who`), {
    pid: "integer",
    name: "string",
    args: "string[]",
  });
  return { pid, name, args };
}

function brokerOf({ config }: LoaderCase): Promise<RealBroker> {
  return realBroker(config === undefined ? {} : { config: config() });
}

async function loaded(loader: LoaderCase, extra: Request = {}): Promise<RealBroker> {
  const started = await brokerOf(loader);
  await started.handle.rpc("module.load", { ...loader.request(), ...extra });
  return started;
}

/** Whether a process is there and has not merely not been waited for. */
function isAlive(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

const gone = (pid: number): Promise<void> =>
  vi.waitFor(() => expect(isAlive(pid)).toBe(false), { interval: 5, timeout: 30_000 });

describe.each(CASES)("a module of the loader $loader", (loader) => {
  test("is loaded, listed, pinged and removed", async () => {
    const { handle, log, broker } = await loaded(loader, { args: ["a", "b=1"] });
    const { modules } = fields(await handle.rpc("module.list"), { modules: "array" });
    expect(modules).toEqual([expect.objectContaining({ name: "subject", state: "R", args: ["a", "b=1"] })]);
    expect(await handle.rpc("subject.ping", { pad: "x" })).toEqual({ pad: "x" });
    expect(await who(handle)).toMatchObject({ name: "subject", args: ["a", "b=1"] });
    expect(log.includes("module-exec subject")).toBe(loader.isProcess);
    await handle.rpc("module.remove", { name: "subject" });
    expect(await handle.rpc("module.list")).toEqual({ modules: [] });
    await expect(handle.rpc("subject.ping")).rejects.toMatchObject({ errnum: ERRNO.ENOSYS });
    expect(await broker.close()).toEqual({ status: 0, notShutDown: [] });
  });

  test("counts its messages and keeps debug bits", async () => {
    const { handle } = await loaded(loader);
    await handle.rpc("subject.stats-clear");
    for (let n = 0; n < 3; n++) await handle.rpc("subject.echo", n);
    expect(await handle.rpc("subject.stats-get")).toMatchObject({ rx: { request: 4 }, tx: { response: 4 } });
    expect(await handle.rpc("subject.debug", { op: "setbit", flags: 6 })).toEqual({ flags: 6 });
    expect(await handle.rpc("subject.debug", { op: "clrbit", flags: 2 })).toEqual({ flags: 4 });
  });

  test("answers under a second name, and to its own name only", async () => {
    const { handle } = await loaded(loader);
    await handle.rpc("module.load", { ...loader.request(), name: "other" });
    expect([(await who(handle)).name, (await who(handle, "other")).name]).toEqual(["subject", "other"]);
    await handle.rpc("module.remove", { name: "subject" });
    expect((await who(handle, "other")).name).toBe("other");
  });

  test("adds services while it runs, which nobody else may then have", async () => {
    const { handle } = await loaded(loader);
    await handle.rpc("subject.serve", { name: "desk" });
    expect((await who(handle, "desk")).name).toBe("subject");
    await handle.rpc("module.load", { ...loader.request(), name: "other", onFailure: "log" });
    await expect(handle.rpc("other.serve", { name: "desk" })).rejects.toMatchObject({ errnum: ERRNO.EEXIST });
  });

  test("is reloaded with no request lost", async () => {
    const { handle } = await loaded(loader);
    const reloaded = handle.rpc("module.reload", { name: "subject", args: ["again"] });
    const answers = Array.from({ length: 50 }, (_, n) => handle.rpc("subject.echo", n));
    const duringReload = who(handle);
    expect(await Promise.all(answers)).toEqual(answers.map((_, n) => n));
    expect((await duringReload).args).toEqual(["again"]);
    await reloaded;
    expect((await who(handle)).args).toEqual(["again"]);
  });

  test("tells by an event which instance it is after a reload", async () => {
    const { handle } = await loaded(loader);
    const event = new Promise((resolve) => {
      void handle.subscribe("module.reloaded", ({ payload }) => resolve(payload));
    });
    const { uuid } = fields(await handle.rpc("module.reload", { name: "subject" }), { uuid: "string" });
    expect(await event).toEqual({ name: "subject", uuid, rank: 0 });
  });

  test("is traced from its welcome to its last word, by a trace that was there before it", async () => {
    const { handle } = await brokerOf(loader);
    const trace = handle.rpcStream("module.trace", { names: ["subject"] });
    const first = trace.next();
    await handle.rpc("module.load", loader.request());
    await handle.rpc("subject.echo", "x");
    await handle.rpc("module.remove", { name: "subject" });
    const lines: string[] = [];
    for (let result = await first; result.done !== true; result = await trace.next()) {
      const record = fields(result.value, { direction: "string", type: "string", topic: "string" });
      lines.push(`${record.direction} ${record.type} ${record.topic}`);
      if (lines.filter((line) => line === "tx request module.status").length === 3) break;
    }
    expect(lines[0]).toBe("rx control welcome");
    const wanted = [
      "rx control welcome",
      "tx request module.status",
      "rx request subject.echo",
      "tx response subject.echo",
      "rx request subject.shutdown",
      "tx request module.status",
      "tx request module.status",
    ];
    let at = 0;
    for (const line of lines) if (line === wanted[at]) at += 1;
    expect(wanted.slice(at)).toEqual([]);
  });

  test("is told apart by module.usage: a process has a number, memory and time of its own", async () => {
    const { handle } = await loaded(loader);
    const { pid } = await who(handle);
    const { modules } = fields(await handle.rpc("module.usage"), { modules: "array" });
    const usage = fields(modules[0], {
      pid: "integer?",
      rssBytes: "integer?",
      cpuSeconds: "number?",
      rx: "integer",
      tx: "integer",
    });
    expect(usage.pid).toBe(loader.isProcess ? pid : undefined);
    expect((usage.rssBytes ?? 0) > 1024 * 1024).toBe(loader.isProcess);
    expect((usage.cpuSeconds ?? 0) > 0).toBe(loader.isProcess);
    expect(Math.min(usage.rx, usage.tx)).toBeGreaterThanOrEqual(2);
  });

  test("takes and gives 10 MB", async () => {
    const { handle } = await loaded(loader);
    const bytes = new Uint8Array(10_000_000).map((_, at) => at % 251);
    expect(Buffer.compare(Buffer.from((await handle.rpc("subject.echo", bytes)) as Uint8Array), bytes)).toBe(
      0,
    );
    const text = "é".repeat(5_000_000);
    expect((await handle.rpc("subject.echo", text)) === text).toBe(true);
  });

  test("that throws before it runs gives its own number and text to whoever loads it", async () => {
    const { handle } = await brokerOf(loader);
    const load = handle.rpc("module.load", { ...loader.request(), args: ["fail-early"] });
    await expect(load).rejects.toMatchObject({ errnum: 19, message: "subject: no track" });
    expect(await handle.rpc("module.list")).toEqual({ modules: [] });
  });

  test("that exits before it runs fails the load with its status", async () => {
    const { handle } = await brokerOf(loader);
    const load = handle.rpc("module.load", { ...loader.request(), args: ["exit-early"] });
    await expect(load).rejects.toMatchObject({ errnum: ERRNO.ECONNRESET, message: "subject: exit status 3" });
  });

  test.each([
    ["throws in a handler", "throw", undefined, "derailed"],
    ["exits", "exit", { status: 5 }, "exit status 5"],
    ["exits as if all were well", "exit", { status: 0 }, "exit status 0"],
  ])(
    "that %s fails with that cause, and what others wait for fails with its name",
    async (_what, method, payload, cause) => {
      const { handle, logged } = await loaded(loader);
      const never = handle.rpc("subject.never");
      handle.notify(`subject.${method}`, payload);
      await expect(never).rejects.toMatchObject({ errnum: ERRNO.ECONNRESET });
      await expect(never).rejects.toThrow("module disconnect");
      await expect(never).rejects.toThrow("subject");
      expect(await logged(`subject module runtime failure: `)).toMatchObject({
        level: "crit",
        text: expect.stringContaining(cause) as string,
      });
      await expect(handle.rpc("subject.ping")).rejects.toMatchObject({ errnum: ERRNO.ENOSYS });
    },
  );

  test("that is busy for ever is cancelled all the same", async () => {
    const { handle } = await loaded(loader);
    const spinning = expect(handle.rpc("subject.spin")).rejects.toMatchObject({ errnum: ERRNO.ECONNRESET });
    await handle.rpc("module.remove", { name: "subject", cancel: true });
    await spinning;
    expect(await handle.rpc("module.list")).toEqual({ modules: [] });
  });
});

describe.each(PROCESSES)("a process of the loader $loader", (loader) => {
  test.each([
    ["SIGKILL", "killed by Killed"],
    ["SIGSEGV", "killed by Segmentation fault"],
    ["SIGABRT", "killed by Aborted"],
  ] as const)("that %s ends is logged as that, and others hear of it at once", async (signal, cause) => {
    const { handle, logged } = await loaded(loader);
    const { pid } = await who(handle);
    const never = handle.rpc("subject.never");
    never.catch(() => undefined);
    await handle.rpc("subject.ping");
    process.kill(pid, signal);
    await expect(never).rejects.toMatchObject({ errnum: ERRNO.ECONNRESET });
    await expect(never).rejects.toThrow(/subject.*module disconnect/);
    expect((await logged("runtime failure")).text).toBe(`subject module runtime failure: ${cause}`);
  });

  test("leads a group of its own, and what it leaves behind there is gone after its removal", async () => {
    const { handle } = await loaded(loader);
    const { pid } = await who(handle);
    const child = Number(await handle.rpc("subject.leave-child"));
    expect(isAlive(child)).toBe(true);
    await handle.rpc("module.remove", { name: "subject" });
    await Promise.all([gone(pid), gone(child)]);
  });

  test("takes what it left in its group along when it is killed", async () => {
    const { handle, logged } = await loaded(loader);
    const { pid } = await who(handle);
    const child = Number(await handle.rpc("subject.leave-child"));
    process.kill(pid, "SIGKILL");
    await logged("runtime failure");
    await gone(child);
  });

  test("that is blocked in a native call is cancelled all the same", async () => {
    const { handle } = await loaded(loader);
    const { pid } = await who(handle);
    const blocked = expect(handle.rpc("subject.block")).rejects.toMatchObject({ errnum: ERRNO.ECONNRESET });
    await handle.rpc("module.remove", { name: "subject", cancel: true });
    await blocked;
    await gone(pid);
  });

  test("knows where its instance is", async () => {
    const { handle, broker } = await loaded(loader);
    expect(await handle.rpc("subject.who")).toMatchObject({ uri: broker.uri });
  });

  test("is not left behind when the broker closes", async () => {
    const { handle, broker } = await loaded(loader);
    const { pid } = await who(handle);
    expect(await broker.close()).toEqual({ status: 1, notShutDown: ["subject"] });
    expect(isAlive(pid)).toBe(false);
  });
});

describe("the loader process", () => {
  const process_ = PROCESSES.find(({ loader }) => loader === "process");
  if (process_ === undefined) throw new Error("there is none");

  test("reports what nobody caught as the module's own error, with its stack", async () => {
    const { handle, logged } = await loaded(process_);
    handle.notify("subject.crash");
    expect((await logged("runtime failure")).text).toMatch(
      /runtime failure: Error: wreck\n +at .*subject\.mjs/,
    );
  });

  test("ends one that allocates over its memory-limit, and says so", async () => {
    const { handle, logged } = await loaded(process_, { memoryLimitBytes: 32 * 1024 * 1024 });
    handle.notify("subject.hog");
    expect((await logged("runtime failure")).text).toBe(
      "subject module runtime failure: killed by Aborted; most likely out of memory, its memory-limit is 32 MiB",
    );
    expect(await handle.rpc("module.list")).toEqual({ modules: [] });
  });

  test("lets programs that a module starts have nothing of its channel", async () => {
    const { handle } = await loaded(process_);
    const { listed, uri } = fields(await handle.rpc("subject.descriptors"), {
      listed: "string",
      uri: "json",
    });
    expect(uri).toBeNull();
    expect(listed).not.toMatch(/ 3 -> socket/);
  });

  test("is also chosen by its name or as exec, and runs TypeScript and CommonJS", async () => {
    const { handle, dir, log } = await realBroker();
    const typed = join(dir, "typed.ts");
    writeFileSync(
      typed,
      `import { BrokerModule, type Handle } from "sluice";
       export default class Typed extends BrokerModule {
         constructor(h: Handle, args: readonly string[]) { super(h, args); h.handle("pid", (): number => process.pid); }
       }`,
    );
    const common = join(dir, "common.cjs");
    writeFileSync(
      common,
      "exports.modMain = (h) => { h.handle('pid', () => process.pid); return h.run(); };",
    );
    await handle.rpc("module.load", { path: typed, loader: "process" });
    await handle.rpc("module.load", { path: common, loader: "exec" });
    const pids = [await handle.rpc("typed.pid"), await handle.rpc("common.pid"), process.pid];
    expect(new Set(pids).size).toBe(3);
    expect(log).toEqual(expect.arrayContaining(["module-exec typed", "module-exec common"]));
  });
});

test.each([false, true])("a version may follow the suffix of a script (exec: %s)", async (exec) => {
  const { handle, dir } = await realBroker();
  const source = "export function modMain(h) { h.handle('name', () => h.name); return h.run(); }\n";
  for (const file of ["a.mjs.1", "b.js.1.2", "c.ts.10"]) writeFileSync(join(dir, file), source);
  for (const [name, file] of Object.entries({ a: "a.mjs.1", b: "b.js.1.2", c: "c.ts.10" })) {
    await handle.rpc("module.load", { path: join(dir, file), exec });
    expect(await handle.rpc(`${name}.name`)).toBe(name);
  }
});

describe("a Node-API addon", () => {
  let addon: string;
  beforeAll(() => {
    addon = join(files, "addon.node");
    compile(addon);
    copyFileSync(addon, `${addon}.1.2`);
  });

  const compile = (to: string, ...flags: readonly string[]): void => {
    const source = join(import.meta.dirname, "fixtures/addon.c");
    const warnings = ["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra"];
    execFileSync("cc", [...warnings, "-fPIC", "-shared", ...flags, "-o", to, source]);
  };

  test("that was built anew is loaded beside the version that runs, in one process too", async () => {
    const { handle } = await realBroker();
    const path = join(files, "built.node");
    for (const version of ["first", "second"]) {
      compile(`${path}.draft`, `-DGREETING="${version}"`);
      renameSync(`${path}.draft`, path);
      await handle.rpc("module.load", { path, name: version, loader: "thread" });
    }
    expect(await handle.rpc("first.greet")).toBe("first");
    expect(await handle.rpc("second.greet")).toBe("second");
    await handle.rpc("module.reload", { name: "first" });
    expect(await handle.rpc("first.greet")).toBe("second");
    for (const name of ["first", "second"]) await handle.rpc("module.remove", { name });
  });

  test("runs in a process by default, with a version after its suffix too", async () => {
    const { handle, log } = await realBroker();
    await handle.rpc("module.load", { path: addon });
    await handle.rpc("module.load", { path: `${addon}.1.2`, name: "versioned" });
    expect(await handle.rpc("addon.greet")).toBe("from an addon");
    expect(await handle.rpc("versioned.greet")).toBe("from an addon");
    expect(log).toEqual(expect.arrayContaining(["module-exec addon", "module-exec versioned"]));
    await handle.rpc("module.remove", { name: "addon" });
    await handle.rpc("module.remove", { name: "versioned" });
  });

  test("that crashes takes nothing along", async () => {
    const { handle, logged } = await realBroker();
    await handle.rpc("module.load", { path: addon });
    await expect(handle.rpc("addon.crash")).rejects.toMatchObject({ errnum: ERRNO.ECONNRESET });
    const { text } = await logged("runtime failure");
    expect(text).toBe("addon module runtime failure: killed by Segmentation fault");
  });

  test("that blocks in a native call is cancelled all the same", async () => {
    const { handle } = await realBroker();
    await handle.rpc("module.load", { path: addon });
    const blocked = expect(handle.rpc("addon.block")).rejects.toMatchObject({ errnum: ERRNO.ECONNRESET });
    await handle.rpc("module.remove", { name: "addon", cancel: true });
    await blocked;
  });
});

describe("a WASI program", () => {
  test("runs in a process by default, until its end", async () => {
    const { handle, log, broker } = await realBroker();
    const path = join(files, "wasi.wasm");
    writeFileSync(path, wasiProgram("return"));
    await handle.rpc("module.load", { path });
    const { modules } = fields(await handle.rpc("module.list"), { modules: "array" });
    expect(modules).toEqual([expect.objectContaining({ name: "wasi", state: "R" })]);
    expect(log).toContain("module-exec wasi");
    await handle.rpc("module.remove", { name: "wasi" });
    expect(await broker.close()).toEqual({ status: 0, notShutDown: [] });
  });

  test("that waits for ever is cancelled", async () => {
    const { handle } = await realBroker();
    const path = join(files, "waits.wasm");
    writeFileSync(path, wasiProgram("return"));
    await handle.rpc("module.load", { path });
    await handle.rpc("module.remove", { name: "waits", cancel: true });
    expect(await handle.rpc("module.list")).toEqual({ modules: [] });
  });

  test("that traps, or is none, fails with the error of WebAssembly", async () => {
    const { handle, logged } = await realBroker();
    const [path, bad] = [join(files, "traps.wasm"), join(files, "bad.wasm")];
    writeFileSync(path, wasiProgram("trap"));
    writeFileSync(bad, "no wasm");
    await handle.rpc("module.load", { path });
    await expect(handle.rpc("traps.anything")).rejects.toMatchObject({ errnum: ERRNO.ECONNRESET });
    expect((await logged("runtime failure")).text).toContain(
      "traps module runtime failure: RuntimeError: unreachable",
    );
    await expect(handle.rpc("module.load", { path: bad })).rejects.toThrow("WebAssembly");
  });
});

describe("the loader program", () => {
  test("refuses a file that may not be executed, and says how to change that", async () => {
    const { handle, dir } = await realBroker();
    const path = join(dir, "plain");
    writeFileSync(path, "#!/bin/sh\n");
    await expect(handle.rpc("module.load", { path })).rejects.toMatchObject({
      errnum: ERRNO.EACCES,
      message: expect.stringContaining("chmod +x") as string,
    });
  });

  test("ends a program that speaks something else, and others are served", async () => {
    const { handle } = await realBroker();
    const path = executable("babble", "#!/bin/sh\nprintf 'hello, world' >&3\nexec sleep 1000\n");
    await expect(handle.rpc("module.load", { path })).rejects.toMatchObject({ errnum: ERRNO.EPROTO });
    expect(await handle.rpc("module.ping", 1)).toBe(1);
  });

  test("fails the load of one that ends without a word, by its exit status", async () => {
    const { handle } = await realBroker();
    const path = executable("mute", "#!/bin/sh\nexit 7\n");
    await expect(handle.rpc("module.load", { path })).rejects.toMatchObject({
      message: "mute: exit status 7",
    });
  });

  test("kills one that closes its channel and stays", async () => {
    const { handle } = await realBroker();
    const path = executable("lingerer", "#!/bin/sh\nexec 3>&-\nexec sleep 1000\n");
    await expect(handle.rpc("module.load", { path })).rejects.toMatchObject({ errnum: ERRNO.ECONNRESET });
  });
});
