import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type * as BrokerFolder from "../../src/broker/index.js";
import type { Result } from "../../src/errors/index.js";
import { dryRunLines, type Plan, plan } from "../../src/graph/index.js";
import { fields, type Handle, type JsonValue } from "../../src/messages/index.js";
import type * as RcFolder from "../../src/rc/index.js";
import { collect, runPlan } from "../../src/run/index.js";
import { codeFragment, composeUnits, type Runlevel } from "../../src/units/index.js";
import { withDirectory } from "./instance.js";

// Hosts of rc files and threads of modules start from what was built.
const root = new URL("../../", import.meta.url);
const load = async (path: string): Promise<unknown> => (await import(new URL(path, root).href)) as unknown;
const { Broker } = (await load("dist/broker/index.js")) as typeof BrokerFolder;
const { RcSession, InstanceStepExecutor } = (await load("dist/rc/index.js")) as typeof RcFolder;

/** An instance that goes through the shipped rc files. */
class Life {
  readonly broker: BrokerFolder.Broker;
  readonly h: Handle;
  /** Lines of the log from `warning` on. */
  readonly warnings: readonly string[];
  readonly #disable: string;

  private constructor(broker: BrokerFolder.Broker, h: Handle, warnings: readonly string[], disable: string) {
    this.broker = broker;
    this.h = h;
    this.warnings = warnings;
    this.#disable = disable;
  }

  static async begin(attributes: Readonly<Record<string, string>>, disable = ""): Promise<Life> {
    const warnings: string[] = [];
    const broker = await Broker.start({
      modulePath: fileURLToPath(new URL("dist/modules", root)),
      attributes,
      onLog: ({ level, text }) => {
        if (level !== "info" && level !== "debug") warnings.push(text);
      },
    });
    return new Life(broker, await broker.connect(), warnings, disable);
  }

  /** Plans a phase, runs it, and gives what it did, as `--dry-run` has it. */
  async go(runlevel: Runlevel): Promise<readonly string[]> {
    const { attrs } = fields(await this.h.rpc("attr.list"), { attrs: "object" });
    const facts = { rank: 0, size: 1, config: {}, attrs: attrs as Readonly<Record<string, string>>, env: {} };
    const output: string[] = [];
    const onOutput = ({ text }: RcFolder.OutputLine): unknown => output.push(text);
    const session = new RcSession({
      env: this.broker.programEnvironment(),
      facts,
      handle: this.h,
      onOutput,
      onPrint: (text) => output.push(text),
    });
    try {
      const made = await this.#plan(runlevel, session, facts);
      const report = await collect(
        runPlan(made, { executor: new InstanceStepExecutor({ handle: this.h, session, onOutput }) }),
      );
      expect(report.failed).toEqual([]);
      expect(report.ok).toBe(true);
      expect(output).toEqual([]);
      return dryRunLines(made);
    } finally {
      await session.close();
    }
  }

  async attribute(name: string): Promise<JsonValue> {
    return fields(await this.h.rpc("attr.get", { name }), { value: "json" }).value;
  }

  /** Modules that were not removed are cut off. */
  async end(): Promise<readonly string[]> {
    await this.h.close();
    return (await this.broker.close()).notShutDown;
  }

  async #plan(runlevel: Runlevel, session: RcFolder.RcSession, facts: RcFolder.RcFacts): Promise<Plan> {
    const { tasks, effects, file } = ok(
      await session.read(fileURLToPath(new URL(`etc/modprobe/${runlevel}.ts`, root))),
    );
    const edits = effects.filter((effect) => effect.kind === "alternative" || effect.kind === "setopt");
    const rc = [ok(codeFragment({ file, tasks, edits }))];
    const catalog = ok(
      await composeUnits({ searchPath: [], env: { FLUX_MODPROBE_DISABLE: this.#disable }, rc }),
    );
    session.useCatalog(catalog);
    const roots = tasks.map(({ name }) => name);
    if (runlevel === "rc1") {
      for (const effect of effects) if (effect.kind === "load") roots.push(...effect.names);
      return ok(plan(catalog, { roots, facts: { ...facts, size: 1 } }));
    }
    const { modules } = fields(await this.h.rpc("module.list"), { modules: "array" });
    const loaded = modules.map((item) => {
      const { name, services } = fields(item, { name: "string", services: "string[]" });
      return { name, services, explicit: false };
    });
    const request = { kind: "stop", roots, remove: "all" } as const;
    return ok(plan(catalog, { request, loaded, facts: { ...facts, size: 1 } }));
  }
}

function ok<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(JSON.stringify(result.diagnostics));
  return result.value;
}

const WARNING = "the last shutdown was not clean";

test("an instance that was shut down in order starts without a warning, one that was not with one", async () => {
  await withDirectory(async (statedir) => {
    for (const [before, finish] of [
      ["none", true],
      ["clean", false],
      ["unclean", true],
    ] as const) {
      const life = await Life.begin({ statedir });
      await life.go("rc1");
      expect(await life.attribute("broker.last-shutdown")).toBe(before);
      expect(life.warnings.filter((text) => text === WARNING)).toHaveLength(before === "unclean" ? 1 : 0);
      if (finish) await life.go("rc3");
      expect(await life.end()).toHaveLength(finish ? 0 : 7);
    }
  });
});

test("rc1 loads a module after what it uses, rc3 takes all away in the reverse order", async () => {
  await withDirectory(async (statedir) => {
    const life = await Life.begin({ statedir });
    const up = await life.go("rc1");
    expect(up).toEqual([
      "load heartbeat",
      "load content",
      "load cron sync=heartbeat.pulse",
      "load content-sqlite",
      "load kvs",
      "load kvs-watch",
      "load resource",
      "run post-start-event",
      "run check-clean-shutdown",
    ]);
    const down = await life.go("rc3");
    const at = (line: string): number => down.indexOf(line);
    expect(down).toHaveLength(10);
    expect(at("run post-finish-event")).toBeLessThan(at("remove kvs"));
    expect(at("remove kvs")).toBeLessThan(at("run content-flush"));
    expect(at("run content-flush")).toBeLessThan(at("remove content-sqlite"));
    expect(at("remove content-sqlite")).toBeLessThan(at("remove content"));
    expect(await life.end()).toEqual([]);
  });
});

test("without a backing the instance runs in memory, and what needs the backing is left out", async () => {
  const life = await Life.begin({}, "content-backing");
  expect((await life.go("rc1")).filter((line) => line.startsWith("run"))).toEqual([]);
  await life.h.rpc("kvs.commit", { ops: [{ key: "a", value: 1 }] });
  expect(await life.h.rpc("kvs.get", { key: "a" })).toEqual({ value: 1, version: 1 });
  expect((await life.go("rc3")).filter((line) => line.startsWith("run"))).toEqual([
    "run content-settle",
    "run post-finish-event",
    "run content-flush",
  ]);
  expect(await life.end()).toEqual([]);
});

test("without a KVS nothing is noted in it", async () => {
  const life = await Life.begin({}, "kvs kvs-watch");
  expect((await life.go("rc1")).filter((line) => line.startsWith("run"))).toEqual([]);
  expect((await life.go("rc3")).filter((line) => line.startsWith("run"))).toEqual([
    "run content-settle",
    "run content-flush",
  ]);
  expect(await life.end()).toEqual([]);
});

test("attributes choose the backing, and name the directory of crontabs that become entries of cron", async () => {
  await withDirectory(async (directory) => {
    await mkdir(join(directory, "no-file"));
    await writeFile(
      join(directory, "site"),
      "# comment\n\n 0 4 * * 1  echo weekly  # not a comment\n@hourly true\n",
    );
    const life = await Life.begin({ "cron.directory": directory, "content.backing-module": "content-files" });
    const up = await life.go("rc1");
    expect(up).toContain("run cron-load");
    expect(up).toContain("load content-files");
    expect(up).not.toContain("load content-sqlite");
    expect(await life.h.rpc("cron.list")).toMatchObject({
      entries: [
        { name: "site:3", crontab: "0 4 * * 1", command: "echo weekly  # not a comment" },
        { name: "site:4", crontab: "@hourly", command: "true" },
      ],
    });
    expect(await life.go("rc3")).toContain("remove content-files");
    expect(await life.end()).toEqual([]);
  });
});
