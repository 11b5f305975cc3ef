import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
// Hosts of plug-ins run from files, so this is what was built.
import { loadPlugin, type Plugin, unloadPlugin } from "sluice";
import type { SchedPolicy } from "../../examples/plugins/policy.js";
import { ERRNO } from "../../src/errors/index.js";

const EXAMPLES = join(import.meta.dirname, "../../examples/plugins");
const MESSAGES = pathToFileURL(join(import.meta.dirname, "../../dist/messages/index.js")).href;

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "sluice-plugins-"));
  compile("as-submitted", join(EXAMPLES, "as-submitted.c"));
});
afterAll(() => rmSync(dir, { recursive: true }));

/** Processes that descend from this one and run a plug-in of the directory. */
function processes(): string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(dir);
    } catch (error) {
      // It has ended meanwhile.
      if (error instanceof Error) return false;
      throw error;
    }
  });
}
const loaded: object[] = [];
afterEach(async () => {
  await Promise.all(loaded.splice(0).map((plugin) => unloadPlugin(plugin)));
  expect(processes()).toEqual([]);
});

function compile(name: string, source: string): string {
  const addon = join(dir, `${name}.node`);
  execFileSync("cc", ["-std=c11", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-o", addon, source]);
  return addon;
}

function put(name: string, text: string): string {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
}

/** A plug-in that is gone when the test ends. */
async function load<F extends Readonly<Record<keyof F, (...args: never[]) => unknown>>>(
  ...[path, demand]: Parameters<typeof loadPlugin<F>>
): Promise<Plugin<F>> {
  const plugin = await loadPlugin<F>(path, demand);
  loaded.push(plugin);
  return plugin;
}

const PROGRAM = `#!${process.execPath}
  const fd = Number(/^fd:\\/\\/(\\d+)$/.exec(process.env.SLUICE_MODULE_URI)[1]);
  const socket = new (require("node:net").Socket)({ fd, readable: true, writable: true });
  import(${JSON.stringify(MESSAGES)}).then(async ({ socketChannel, runModuleMain }) => {
    const main = async (h) => {
      h.handle("title", () => ({ result: "a program" }));
      h.handle("select", ({ payload: { args: [queue, free] } }) => ({ result: queue.slice(0, free).map(({ id }) => id) }));
      await h.run();
    };
    await runModuleMain(socketChannel(socket), async () => main, { symbols: [] });
    socket.once("close", () => process.exit());
  });`;

const QUEUE = [
  { id: 1, cores: 3, urgency: 16 },
  { id: 2, cores: 1, urgency: 20 },
  { id: 3, cores: 2, urgency: 31 },
];

describe("a policy", () => {
  const local = (name: string): string => {
    copyFileSync(join(EXAMPLES, name), join(dir, name));
    return join(dir, name);
  };

  test.each([
    ["TypeScript", () => local("smallest-first.ts"), {}, "the smallest job first", [2, 3]],
    [
      "TypeScript, in a process",
      () => local("smallest-first.ts"),
      { exec: true },
      "the smallest job first",
      [2, 3],
    ],
    ["Python", () => local("most_urgent.py"), {}, "the most urgent job first", [3, 2]],
    ["C", () => join(dir, "as-submitted.node"), {}, "jobs as they were submitted", [1, 2]],
    [
      "C, in this process",
      () => join(dir, "as-submitted.node"),
      { inProcess: true },
      "jobs as they were submitted",
      [1, 2],
    ],
    [
      "a program",
      () => {
        const path = put("program", PROGRAM);
        chmodSync(path, 0o755);
        return path;
      },
      {},
      "a program",
      [1, 2, 3],
    ],
  ])("in %s has exactly the functions that are asked for", async (_what, path, how, title, started) => {
    const policy = await load<SchedPolicy>(path(), {
      kind: "sched-policy",
      symbols: ["title", "select"],
      ...how,
    });
    expect(Object.keys(policy)).toEqual(["title", "select"]);
    expect(await policy.title()).toBe(title);
    expect(await policy.select(QUEUE, 4)).toEqual(started);
    expect(await policy.select([], 4)).toEqual([]);
    const one = await load<Pick<SchedPolicy, "title">>(path(), { symbols: ["title"], ...how });
    expect(Object.keys(one)).toEqual(["title"]);
  });
});

/** `fail`, `late`, `echo`, and nothing else that may be asked for. */
const FAULTY: Readonly<Record<string, string>> = {
  "faulty.mjs": `export const pluginKind = "faulty";
    export const echo = (...args) => args;
    export function fail() { throw Object.assign(new Error("no such job"), { errno: 2 }); }
    export const late = async () => { throw new Error("boom"); };`,
  "faulty.py": `
PLUGIN_KIND = "faulty"
def echo(*args):
    return list(args)
def fail():
    raise OSError(2, "no such job")
async def late():
    raise ValueError("boom")
`,
};

interface Faulty {
  echo(...args: readonly unknown[]): unknown;
  fail(): void;
  late(): void;
}

describe.each([
  ["in this process", "faulty.mjs", {}],
  ["in a process", "faulty.mjs", { exec: true }],
  ["in Python", "faulty.py", {}],
])("a plug-in %s", (_what, file, how) => {
  const ask = (symbols: readonly string[], more: object = {}) =>
    loadPlugin<Record<string, () => unknown>>(put(file, FAULTY[file] ?? ""), { symbols, ...how, ...more });

  test("that throws is a rejection with its name, its function and its errno", async () => {
    const path = put(file, FAULTY[file] ?? "");
    const plugin = await load<Faulty>(path, { kind: "faulty", symbols: ["echo", "fail", "late"], ...how });
    await expect(plugin.fail()).rejects.toMatchObject({
      code: "PLUGIN_FAILED",
      message: expect.stringMatching(/^faulty\.fail: .*no such job/) as string,
      errnum: ERRNO.ENOENT,
    });
    await expect(plugin.late()).rejects.toMatchObject({
      code: "PLUGIN_FAILED",
      message: "faulty.late: boom",
    });
    expect(await plugin.echo(1, "two", { three: [null] })).toEqual([1, "two", { three: [null] }]);
  });

  test("is refused with all that it lacks, and with its kind if another is asked for", async () => {
    await expect(ask(["echo", "select", "init"])).rejects.toMatchObject({
      code: "LOAD_PLUGIN",
      errnum: ERRNO.EINVAL,
      message: expect.stringMatching(
        new RegExp(`${join(dir, file)}: has no function select, init$`),
      ) as string,
    });
    await expect(ask(["echo", "init"], { kind: "policy" })).rejects.toMatchObject({
      message: expect.stringMatching(
        /is of kind 'faulty', but 'policy' is required; has no function init$/,
      ) as string,
    });
  });

  test("answers no more once it is unloaded", async () => {
    const plugin = await ask(["echo"]);
    await unloadPlugin(plugin);
    await unloadPlugin(plugin);
    await expect(plugin["echo"]?.()).rejects.toMatchObject({
      code: "PLUGIN_FAILED",
      message: "faulty: is unloaded",
      errnum: ERRNO.ECANCELED,
    });
  });
});

describe("a plug-in in a process", () => {
  test("that crashes is an error with its name and the signal, and this process goes on", async () => {
    const source = readFileSync(join(EXAMPLES, "as-submitted.c"), "utf8").replace(
      'return text(env, "jobs as they were submitted");',
      "*(volatile int *)16 = 1; return text(env, NULL);",
    );
    const addon = compile("crashes", put("crashes.c", source));
    const plugin = await load<SchedPolicy>(addon, { symbols: ["title", "select"] });
    const gone = {
      code: "PLUGIN_FAILED",
      message: "crashes: killed by Segmentation fault",
      errnum: ERRNO.ECONNRESET,
    };
    await expect(plugin.title()).rejects.toMatchObject(gone);
    await expect(plugin.select([], 1)).rejects.toMatchObject(gone);
  });

  test("that does not run in time, or ends before it runs, is refused with its name", async () => {
    const hangs = put("hangs.py", "import time\ntime.sleep(1000)\n");
    await expect(loadPlugin(hangs, { symbols: ["a"], timeoutMs: 300 })).rejects.toMatchObject({
      code: "LOAD_PLUGIN",
      message: "hangs: does not run within 0.3 s",
      errnum: ERRNO.ETIMEDOUT,
    });
    const throws = put("throws.py", "raise ValueError('at import')\n");
    await expect(loadPlugin(throws, { symbols: ["a"] })).rejects.toMatchObject({
      code: "LOAD_PLUGIN",
      message: "throws: at import",
    });
    const program = put("ends", "#!/bin/sh\nexit 3\n");
    chmodSync(program, 0o755);
    await expect(loadPlugin(program, { symbols: ["a"] })).rejects.toMatchObject({
      code: "LOAD_PLUGIN",
      message: "ends: exit status 3",
    });
  });

  test("that is a program must report the functions that are asked for", async () => {
    const path = put("lacking", PROGRAM);
    chmodSync(path, 0o755);
    await expect(loadPlugin(path, { symbols: ["title", "init"] })).rejects.toMatchObject({
      code: "LOAD_PLUGIN",
      message: `lacking: ${path} has no function init`,
    });
  });

  test("cannot run in this process unless it is an addon", async () => {
    const path = put("here.py", "def a():\n    pass\n");
    await expect(loadPlugin(path, { symbols: ["a"], inProcess: true })).rejects.toMatchObject({
      code: "LOAD_PLUGIN",
      message: "here: cannot run in this process: its loader is python",
    });
  });
});

test("trap-G11: a plug-in in this process whose file has changed is refused, and a restart is asked for", async () => {
  const path = put("changing.mjs", "export const version = () => 1;");
  const first = await load<{ version(): number }>(path, { symbols: ["version"] });
  expect(await first.version()).toBe(1);
  put("changing.mjs", "export const version = () => 2;");
  await expect(loadPlugin(path, { symbols: ["version"] })).rejects.toMatchObject({
    code: "LOAD_PLUGIN",
    errnum: ERRNO.EBUSY,
    message: expect.stringContaining("restart the process to load the new file") as string,
  });
  const fresh = await load<{ version(): number }>(path, { symbols: ["version"], exec: true });
  expect(await fresh.version()).toBe(2);
  expect(await first.version()).toBe(1);
});

test("a kind that was declared types the functions of its plug-ins", async () => {
  const path = put("typed.mjs", "export const title = () => 'typed'; export const select = () => [];");
  const policy = await loadPlugin(path, { kind: "sched-policy", symbols: ["title"] });
  loaded.push(policy);
  const title: string = await policy.title();
  expect(title).toBe("typed");
  // @ts-expect-error -- it was not asked for
  expect(policy.select).toBeUndefined();
  // @ts-expect-error -- the kind has no such function
  await expect(loadPlugin(path, { kind: "sched-policy", symbols: ["nope"] })).rejects.toThrow(
    "no function nope",
  );
});

test("a plug-in that others may write to is refused", async () => {
  const path = put("open.mjs", "export const a = () => 1;");
  chmodSync(path, 0o666);
  await expect(loadPlugin(path, { symbols: ["a"] })).rejects.toMatchObject({ code: "UNIT_INSECURE" });
  const plugin = await load<{ a(): number }>(path, { symbols: ["a"], insecure: true });
  expect(await plugin.a()).toBe(1);
});
