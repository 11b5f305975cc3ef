import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  Broker,
  composeUnits,
  connect,
  type InstanceOptions,
  isErrno,
  StartError,
} from "../../dist/index.js";
import { Stack } from "./support/stack.js";

const THREE = `
[[modules]]
name = "a"

[[modules]]
name = "b"
requires = ["a"]
after = ["a"]

[[modules]]
name = "c"
args = ["refuse"]
requires = ["b"]
after = ["b"]

[[tasks]]
name = "note"
command = "echo up > /dev/null"
requires = ["b"]
after = ["b"]
runlevels = ["rc1"]

[[tasks]]
name = "farewell"
command = "echo down"
before = ["b"]
runlevels = ["rc3"]
`;

async function failureOf(start: Promise<Broker>): Promise<StartError> {
  const result = await start.then(
    (broker) => broker.close(),
    (error: unknown) => error,
  );
  if (result instanceof StartError) return result;
  throw new Error("the start did not fail", { cause: result });
}

function brief(units: Broker["units"]): string[] {
  return units.map(({ unit, action, outcome }) => `${action} ${unit}: ${outcome}`);
}

describe("a whole instance in one process", () => {
  test("trap-H11: gives outcome, duration and error of each unit", async () => {
    const stack = new Stack(THREE);
    const broker = await stack.start();
    expect(brief(broker.units)).toEqual(["load a: done", "load b: done", "run note: done"]);
    for (const { durationMs, error } of broker.units) {
      expect(durationMs).toBeGreaterThan(0);
      expect(error).toBeUndefined();
    }
    expect(broker.plan?.explain("c")).toEqual({
      kind: "left-out",
      unit: "c",
      reason: { kind: "not-asked", requiredBy: [] },
    });
  });

  test("what is no catalog is a usage error that names composeUnits, from JavaScript too", async () => {
    const composed = composeUnits();
    for (const wrong of [["units.toml"], "units.toml", {}, null, composed, { ok: true, value: {} }, 3]) {
      const error = await failureOf(Broker.start({ units: wrong as never }));
      expect(error).toMatchObject({ code: "USAGE", units: [], diagnostics: [] });
      expect(error.message).toContain("composeUnits(");
    }
  });

  test("trap-H11: gives them in the error of a start that failed, and leaves nothing behind", async () => {
    const stack = new Stack(THREE);
    const error = await failureOf(stack.start({ roots: ["c", "note"], keepGoing: false }));
    expect(error).toMatchObject({ code: "RUN_FAILED", unit: "c", diagnostics: [] });
    const byUnit = new Map(error.units.map((unit) => [unit.unit, unit]));
    expect(byUnit.get("a")).toMatchObject({ action: "load", outcome: "done", error: undefined });
    expect(byUnit.get("c")).toMatchObject({ outcome: "failed" });
    expect(byUnit.get("c")?.durationMs).toBeGreaterThan(0);
    expect(String(byUnit.get("c")?.error)).toContain("no such device");
    expect(error.cause).toBe(byUnit.get("c")?.error);
    expect(readdirSync(stack.runtimeDir)).toEqual([]);
  });

  test("names the units that were skipped for the one that failed", async () => {
    const stack = new Stack(`
      modules = [{name = "a", args = ["refuse"]}, {name = "b", requires = ["a"], after = ["a"]}, {name = "c"}]
    `);
    const error = await failureOf(stack.start({ roots: ["b", "c"], keepGoing: true }));
    expect(brief(error.units).sort()).toEqual(["load a: failed", "load b: skipped", "load c: done"]);
    expect(error.units.find(({ unit }) => unit === "b")).toMatchObject({
      durationMs: undefined,
      error: { code: "RUN_FAILED" },
    });
  });

  test("runs what rc1 runs: the shipped modules, found without a path", async () => {
    const stack = new Stack("");
    const broker = await stack.start({ env: { ...stack.env, SLUICE_LIBEXECDIR: undefined } });
    const loaded = broker.units.filter(({ action }) => action === "load").map(({ unit }) => unit);
    expect(loaded).toEqual(expect.arrayContaining(["content", "heartbeat", "cron", "kvs", "resource"]));
    const handle = await connect(broker.uri);
    expect(await handle.rpc("kvs.commit", { ops: [{ key: "greeting", value: "hello" }] })).toBeDefined();
    await handle.close();
    const { status, units } = await broker.shutdown();
    expect({ status, failed: units.filter(({ outcome }) => outcome !== "done") }).toEqual({
      status: 0,
      failed: [],
    });
    expect(readdirSync(stack.runtimeDir)).toEqual([]);
  });

  test("reads the rc files of a site, in TypeScript and Python", async () => {
    const stack = new Stack(`modules = [{name = "a"}, {name = "b"}]`);
    stack.write(
      "modprobe/rc1.d/site.ts",
      `import { task } from "sluice/rc";
       export function setup(c) { c.loadModules(["a"]); }
       task("greet", { requires: ["a"], after: ["a"] }, async (c) => { c.print(JSON.stringify(await c.rpc("a.echo", { hi: 1 }))); });`,
    );
    stack.write(
      "modprobe/rc1.d/site.py",
      `from sluice.rc import task\ndef setup(context):\n    context.load_modules(["b"])\n@task("count")\ndef count(context):\n    pass\n`,
    );
    const broker = await stack.start();
    expect(brief(broker.units).sort()).toEqual([
      "load a: done",
      "load b: done",
      "run count: done",
      "run greet: done",
    ]);
  });

  test("starts with no module and reads no file without units", async () => {
    const stack = new Stack("not toml at all [");
    const broker = await Broker.start({ env: stack.env });
    onTestFinished(async () => {
      await broker.close();
    });
    expect(broker.units).toEqual([]);
    const handle = await broker.connect();
    expect(await handle.rpc("module.list")).toEqual({ modules: [] });
  });

  test("gives the configuration to modules and to the conditions of units", async () => {
    const stack = new Stack(`
      modules = [{name = "a", needs-config = ["site.a"]}, {name = "b", needs-config = ["site.b"]}]
    `);
    const broker = await stack.start({ roots: ["a", "b"], config: { site: { a: 1 } } });
    expect(brief(broker.units)).toEqual(["load a: done"]);
    const handle = await broker.connect();
    expect(handle.conf("site.a")).toBe(1);
  });

  test("runs tasks with the environment that it was given, and programs reach it", async () => {
    const stack = new Stack(`
      tasks = [{name = "see", command = "echo $COLOUR $SLUICE_URI > $OUT", runlevels = ["rc1"]}]
    `);
    const out = join(stack.dir, "out.txt");
    const broker = await stack.start({ env: { ...stack.env, COLOUR: "blue", OUT: out } });
    expect(readFileSync(out, "utf8")).toBe(`blue ${String(broker.uri)}\n`);
    expect(process.env["COLOUR"]).toBeUndefined();
  });
});

describe("libraries in the units of a start", () => {
  const library = (host: string): string => `
    export const sluiceLibrary = {
      api: "1.0", host: "${host}",
      modules: { saw: { main: (handle) => handle.run() } },
    };
  `;

  test("are refused before any module is started, with what speaks against each", async () => {
    const stack = new Stack(
      `modules = [{name = "a"}, {name = "saw", module = "LIB#saw", requires = ["a"], after = ["a"]}]`,
    );
    const file = stack.write("tools.mjs", library(">=99.0.0"));
    stack.write(
      "modprobe/modprobe.d/units.toml",
      `modules = [{name = "a"}, {name = "saw", module = "${file}#saw", requires = ["a"]}]`,
    );
    const error = await failureOf(stack.start({ roots: ["saw"] }));
    expect(error).toMatchObject({ code: "LOAD_LIBRARY", units: [] });
    expect(error.message).toContain(file);
    expect(error.message).toContain(">=99.0.0");
    expect(readdirSync(stack.runtimeDir)).toEqual([]);
  });

  test("are left out if their unit is optional", async () => {
    const stack = new Stack("");
    const file = stack.write("tools.mjs", library(">=99.0.0"));
    stack.write(
      "modprobe/modprobe.d/units.toml",
      `modules = [{name = "a", requires = ["saw"]}, {name = "saw", module = "${file}#saw", optional = true}]`,
    );
    const log: string[] = [];
    const broker = await stack.start({ roots: ["a"], onLog: ({ text }) => log.push(text) });
    expect(brief(broker.units)).toEqual(["load a: done"]);
    expect(log.join("\n")).toContain("optional, left out");
  });
});

describe("bad input to a start", () => {
  test("is refused with all problems and their places", async () => {
    const stack = new Stack(`modules = [{name = "a", colour = 1}, {name = "b", requires = "a"}]`);
    const error = await failureOf(stack.start());
    expect(error.diagnostics.map(({ code }) => code)).toEqual(["UNIT_UNKNOWN_KEY", "UNIT_WRONG_TYPE"]);
    expect(error.code).toBe("UNIT_UNKNOWN_KEY");
    expect(error.diagnostics[0]?.location).toMatchObject({ line: 1 });
    expect(existsSync(stack.runtimeDir) && readdirSync(stack.runtimeDir)).toEqual([]);
  });

  test.each<[string, InstanceOptions, string]>([
    ["an unknown root", { roots: ["aa"] }, "GRAPH_UNKNOWN_NAME"],
    ["a configuration with a wrong table", { config: { loaders: 3 } }, "BROKER_CONFIG"],
    ["an attribute that only the broker sets", { attributes: { rank: "3" } }, "BROKER_REQUEST"],
  ])("such as %s", async (_, options, code) => {
    const stack = new Stack(`modules = [{name = "a"}]`);
    const error = await failureOf(stack.start(options));
    expect(error.code).toBe(code);
    expect(readdirSync(stack.runtimeDir)).toEqual([]);
  });

  test("in an rc file of the site fails the start with its place", async () => {
    const stack = new Stack(`modules = [{name = "a"}]`);
    const file = stack.write("modprobe/rc1.d/site.toml", `load = ["b"]\n[[tasks]]\nname = 3\n`);
    const error = await failureOf(stack.start());
    expect(error.diagnostics[0]?.location).toMatchObject({ file, line: 3 });
    expect(readdirSync(stack.runtimeDir)).toEqual([]);
  });
});

describe("a limit of a start", () => {
  const HANGS = `modules = [{name = "a"}, {name = "b", args = ["hang"], requires = ["a"], after = ["a"]}]`;

  test("takes everything down before the promise rejects, after a time-out", async () => {
    const stack = new Stack(HANGS);
    const error = await failureOf(stack.start({ roots: ["b"], timeoutMs: 300 }));
    expect(isErrno(error, "ETIMEDOUT")).toBe(true);
    expect(readdirSync(stack.runtimeDir)).toEqual([]);
  });

  test("takes everything down before the promise rejects, after an abort", async () => {
    const stack = new Stack(HANGS);
    const controller = new AbortController();
    const starting = stack.start({
      roots: ["b"],
      signal: controller.signal,
      onEvent: (event) => {
        if (event.type === "start" && event.unit === "b") controller.abort("enough");
      },
    });
    const error = await failureOf(starting);
    expect(isErrno(error, "ECANCELED")).toBe(true);
    expect(readdirSync(stack.runtimeDir)).toEqual([]);
  });

  test("that is reached before the start begins nothing", async () => {
    const stack = new Stack(HANGS);
    const error = await failureOf(stack.start({ roots: ["b"], signal: AbortSignal.abort() }));
    expect(isErrno(error, "ECANCELED")).toBe(true);
  });
});
