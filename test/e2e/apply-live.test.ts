/** `sluice modprobe apply` in whole instances (docs/design/programs.md §3). */
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  catalogOfText,
  mixed,
  planOfCatalog,
  type Stack,
  stacks,
  textOfStack,
} from "../graph/apply/stacks.js";
import { type Finished, type RunningCommand, Sandbox } from "../helpers/sluice.js";

const SCHEMA = new URL("../../schema/apply.schema.json", import.meta.url);
const isReport = new Ajv2020({ allowUnionTypes: true }).compile(
  JSON.parse(readFileSync(SCHEMA, "utf8")) as object,
);

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  box.remove();
});

const program = (name: string, more = "", command = '"exec sleep 1000"'): string =>
  `[[modules]]\nname = "${name}"\ncommand = ${command}\non-failure = "log"\n${more}\n`;

/** Its load fails: it ends before it is ready. */
const broken = (name: string, more = ""): string =>
  program(name, `ready = { after = "60s" }\n${more}`, '"echo cannot start; exit 3"');

interface Report {
  readonly outcome: string | null;
  readonly changes: readonly { readonly action: string; readonly unit: string }[];
  readonly ranks: readonly Report[];
}

/** The report on standard output, which must be of its schema. */
function reportIn({ stdout }: Finished): Report {
  const report = JSON.parse(stdout) as Report;
  expect([isReport(report), isReport.errors]).toEqual([true, null]);
  return report;
}

const actions = ({ changes }: Report): string[] => changes.map(({ action, unit }) => `${action} ${unit}`);

async function namesIn(): Promise<string[]> {
  const { stdout } = await box.run(["module", "list", "--json"]);
  return (JSON.parse(stdout) as { readonly name: string }[]).map(({ name }) => name).sort();
}

async function startStack(text: string): Promise<void> {
  const { status, stderr } = await box.run(["start", "-f", box.write("stack.toml", text), "--detach"]);
  expect([status, stderr.includes("rc1 failed")]).toEqual([0, false]);
}

async function expectStopped(): Promise<void> {
  expect((await box.run(["stop"])).status).toBe(0);
  expect([box.leftovers(), box.survivors()]).toEqual([[], []]);
}

test("an instance of files is brought to what they say, from any directory, and JSON has its schema", async () => {
  await startStack(program("db") + program("api", 'follows = ["db"]'));
  const apply = (...words: string[]): Promise<Finished> =>
    box.run(["modprobe", "apply", ...words], { cwd: "/" });
  const nothing = await apply("--detailed-exitcode");
  expect(nothing).toMatchObject({ status: 0, stdout: "2 modules stay as they are\n", stderr: "" });
  const changed = program("db", 'args = ["1"]') + program("api", 'follows = ["db"]') + program("web");
  box.write("stack.toml", changed);
  const dry = await apply("--dry-run", "--json", "--detailed-exitcode");
  expect(dry.status).toBe(2);
  expect([reportIn(dry).outcome, actions(reportIn(dry))]).toEqual([
    null,
    ["load web", "reload db", "restart api"],
  ]);
  expect(reportIn(await apply("--json")).outcome).toBe("applied");
  expect(await namesIn()).toEqual(["api", "db", "web"]);
  const bad = await apply("--json", "-D", "web");
  expect([bad.status, actions(reportIn(bad))]).toEqual([0, ["remove web"]]);
  box.write("stack.toml", changed + broken("worse", 'after = ["db"]'));
  const back = await apply("--json");
  expect(back.status).toBe(1);
  expect(reportIn(back)).toMatchObject({
    outcome: "rolled-back",
    failures: [{ unit: "worse", message: expect.stringContaining("cannot start") as string }],
  });
  expect(await namesIn()).toEqual(["api", "db"]);
  const left = await apply("--json", "--no-rollback");
  expect([left.status, reportIn(left).outcome]).toEqual([3, "incomplete"]);
  await expectStopped();
});

test("an apply of another order alone changes no module, and the shutdown uses that order", async () => {
  const order = box.write("order", "");
  const ending = (name: string, more = ""): string =>
    program(
      name,
      `ready = { log = "^up$" }\n${more}`,
      `"trap 'echo ${name} >> ${order}; exit 0' TERM; echo up; while :; do sleep 0.02; done"`,
    );
  await startStack(ending("a") + ending("b", 'after = ["a"]'));
  box.write("stack.toml", ending("a", 'after = ["b"]') + ending("b"));
  const applied = await box.run(["modprobe", "apply", "--detailed-exitcode", "--settle", "1h"]);
  expect(applied).toMatchObject({ status: 0, stdout: "2 modules stay as they are\n", stderr: "" });
  await expectStopped();
  expect(readFileSync(order, "utf8")).toBe("a\nb\n");
});

test("a module that module load has started out of a file is compared with what the file says", async () => {
  await startStack(`load = ["db"]\n${program("db")}${program("api")}`);
  expect((await box.run(["module", "load", "api"])).status).toBe(0);
  const same = await box.run(["modprobe", "apply", "--detailed-exitcode"]);
  expect([same.status, same.stdout]).toEqual([0, "2 modules stay as they are\n"]);
  box.write("stack.toml", `load = ["db"]\n${program("db")}${program("api", "", '"exec sleep 2000"')}`);
  expect(actions(reportIn(await box.run(["modprobe", "apply", "--json"])))).toEqual(["reload api"]);
  await expectStopped();
});

test("trap-E14 module reload says where the files say something else than what runs", async () => {
  await startStack(program("db") + program("api") + program("old"));
  const reload = async (name: string): Promise<[number | null, string]> => {
    const { status, stderr } = await box.run(["module", "reload", name]);
    return [status, stderr];
  };
  expect(await reload("api")).toEqual([0, ""]);
  box.write("stack.toml", program("db") + program("api", 'args = ["1"]'));
  expect(await reload("db")).toEqual([0, ""]);
  expect(await reload("api")).toEqual([
    0,
    "sluice-module: api: the files have changed (args: (not set) → 1); run 'sluice modprobe apply api' to apply the change\n",
  ]);
  expect(await reload("old")).toEqual([
    0,
    "sluice-module: old: the files have changed (no file defines the unit now); run 'sluice modprobe apply old' to apply the change\n",
  ]);
  expect((await box.run(["modprobe", "apply"])).status).toBe(0);
  expect(await reload("api")).toEqual([0, ""]);
  box.write("stack.toml", "[[modules]]\nname = 7\n");
  expect(await reload("api")).toEqual([
    0,
    "sluice-module: api: Sluice cannot compare the module with the files, which have errors; 'sluice modprobe verify' lists the errors\n",
  ]);
  await expectStopped();
});

test("trap-E6 an apply from inside a module that it removes ends completely, and its output is in the log", async () => {
  const inside = `"while [ ! -e go ]; do sleep 0.02; done; sluice modprobe apply; echo not reached"`;
  const api = (seconds: number): string => program("api", `args = ["${seconds}"]`);
  await startStack(program("ops", "", inside) + api(1) + program("kept"));
  const pids = await box.run(["rpc", "kept.status"]);
  box.write("stack.toml", api(2) + program("kept") + program("next", 'after = ["api"]'));
  box.write("go", "");
  await expect
    .poll(async () => (await box.run(["dmesg"])).stdout, { timeout: 30_000 })
    .toContain("apply: applied");
  expect(await namesIn()).toEqual(["api", "kept", "next"]);
  expect((await box.run(["modprobe", "apply", "--detailed-exitcode"])).status).toBe(0);
  expect((await box.run(["rpc", "kept.status"])).stdout).toBe(pids.stdout);
  const { stdout } = await box.run(["logs", "ops"]);
  expect(stdout).toMatch(/ops \| - remove +ops/);
  expect(stdout).not.toContain("not reached");
  await expectStopped();
});

describe("kill -9 of its client at a random step", () => {
  /** Stacks, each of which has about half of the one before. */
  function chain(length: number, seed: number): Stack[] {
    const steps = fc.sample(fc.tuple(stacks(), fc.array(fc.boolean(), { minLength: 6 })), {
      numRuns: length,
      seed,
    });
    let last: Stack = { units: [], roots: [] };
    return steps.map(([stack, same]) => (last = mixed(last, stack, same)));
  }

  /** A stack as the file of an instance. */
  const fileOf = (stack: Stack): string => `load = ${JSON.stringify(stack.roots)}\n${textOfStack(stack)}`;

  /** Kills the client once the log has so many steps more, or lets it end. */
  async function applyAndKill(log: RunningCommand, steps: number): Promise<boolean> {
    const count = (): number =>
      log.output().match(/apply: (?:load|reload|restart|remove|change) u\d/g)?.length ?? 0;
    const before = count();
    const client = box.start(["modprobe", "apply"]);
    let isOver = false;
    void client.finished.then(() => (isOver = true));
    const isDue = (): boolean =>
      isOver || (steps === 0 ? client.output().includes("stay") : count() - before >= steps);
    await expect.poll(isDue, { timeout: 30_000, interval: 1 }).toBe(true);
    client.kill("SIGKILL");
    return (await client.finished).signal === "SIGKILL";
  }

  test("and apply again: what runs is the new plan, and nothing else is left", async () => {
    const [first, ...others] = chain(9, 20261130);
    if (first === undefined) throw new Error("no stacks");
    await startStack(fileOf(first));
    const log = box.start(["dmesg", "-f"]);
    let killed = 0;
    for (const [round, next] of others.entries()) {
      box.write("stack.toml", fileOf(next));
      if (await applyAndKill(log, round % 4)) killed++;
      const again = await box.run(["modprobe", "apply", "--json"]);
      expect([round, again.status, reportIn(again).outcome]).toEqual([round, 0, "applied"]);
      const nothing = await box.run(["modprobe", "apply", "--json", "--detailed-exitcode"]);
      expect([round, nothing.status]).toEqual([round, 0]);
      const { steps } = planOfCatalog(catalogOfText(textOfStack(next)), next.roots);
      expect([round, await namesIn()]).toEqual([round, steps.map(({ unit }) => unit.name).sort()]);
    }
    expect(killed).toBeGreaterThan(3);
    log.kill("SIGTERM");
    await log.finished;
    await expectStopped();
  });
});

describe("on several ranks", () => {
  const onRank = (name: string, rank: string, more = ""): string =>
    program(name, `ranks = "${rank}"\n${more}`);

  /** Runs a script in an instance of three ranks with these units. */
  async function withRanks(text: string, script: string): Promise<Finished> {
    box.write("site/modprobe.d/site.toml", text);
    box.write("site/rc1.d/site.toml", 'load = ["all", "one", "two"]\n');
    box.write("etc/modprobe/modprobe.toml", "");
    const env = {
      FLUX_MODPROBE_PATH: `${box.dir}/site`,
      SLUICE_DATADIR: `${box.dir}/etc/modprobe`,
      SLUICE_LIBEXECDIR: `${box.dir}/etc/modprobe`,
    };
    return box.run(["start", "-s", "3", "--", "bash", "-c", script], { env });
  }

  const LIST = `for r in 0 1 2; do sluice module list -r $r --json | node -e '
    console.log(JSON.parse(require("fs").readFileSync(0, "utf8")).map((m) => m.name + m.args.join("")).sort().join(" "))'; done`;
  const UNITS = program("all") + onRank("one", "1") + onRank("two", ">0");

  test("each rank is brought to its own plan", async () => {
    const changed = program("all", 'args = ["1"]') + onRank("one", "1", 'args = ["1"]') + onRank("two", ">0");
    box.write("changed.toml", changed);
    const { status, stdout, stderr } = await withRanks(
      UNITS,
      `sluice modprobe apply -r all --detailed-exitcode > /dev/null && echo same
       cp ${box.dir}/changed.toml ${box.dir}/site/modprobe.d/site.toml
       sluice modprobe apply -r all --json > ${box.dir}/report; echo $?; ${LIST}
       sluice modprobe apply -r 1-2 --detailed-exitcode; echo $?`,
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout.split("\n")).toEqual([
      ...["same", "0", "all1", "all1 one1 two", "all1 two"],
      ...["rank 1: 3 modules stay as they are", "rank 2: 2 modules stay as they are", "0", ""],
    ]);
    const report = reportIn({
      status,
      stdout: readFileSync(`${box.dir}/report`, "utf8"),
      stderr,
      signal: null,
    });
    expect(report.ranks.map(actions)).toEqual([["reload all"], ["reload all", "reload one"], ["reload all"]]);
  });

  test("a failure on one rank has all of them undone; what one cannot check starts on none", async () => {
    const failing =
      program("all", 'args = ["1"]') +
      broken("one", 'ranks = "1"\nafter = ["all"]') +
      onRank("two", ">0", 'args = ["1"]');
    const impossible =
      program("all", 'args = ["1"]') +
      onRank("one", "1").replace('"exec sleep 1000"', '["no-such"]') +
      onRank("two", ">0");
    box.write("failing.toml", failing);
    box.write("impossible.toml", impossible);
    const { status, stdout, stderr } = await withRanks(
      UNITS,
      `cp ${box.dir}/failing.toml ${box.dir}/site/modprobe.d/site.toml
       sluice modprobe apply -r all > /dev/null; echo $?; ${LIST}
       cp ${box.dir}/impossible.toml ${box.dir}/site/modprobe.d/site.toml
       sluice modprobe apply -r all > /dev/null; echo $?; ${LIST}`,
    );
    expect(status).toBe(0);
    expect(stdout.split("\n")).toEqual([
      ...["1", "all", "all one two", "all two"],
      ...["1", "all", "all one two", "all two", ""],
    ]);
    expect(stderr.split("\n").filter((line) => line.startsWith("sluice-modprobe: "))).toEqual([
      expect.stringMatching(/^sluice-modprobe: rolled back: rank 1: one: exit status 3 before it was ready/),
      "sluice-modprobe: apply refused without a change: rank 1: one: no-such: command not found",
    ]);
  });
});
