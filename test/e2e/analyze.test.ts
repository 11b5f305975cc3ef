import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";

let sandbox: Sandbox;
beforeEach(() => {
  sandbox = new Sandbox();
});
afterEach(() => sandbox.remove());

const PLAN = `
[[tasks]]
name = "base"
command = "sleep 0.05"
[[tasks]]
name = "left"
command = "sleep 0.5"
after = ["base"]
[[tasks]]
name = "right"
command = "sleep 0.03"
after = ["base"]
[[tasks]]
name = "top"
command = "sleep 0.02"
after = ["left", "right"]
`;

/** Runs the plan above once, and leaves its record in `state`. */
async function recorded(...args: string[]) {
  sandbox.write("plan.toml", PLAN);
  const ran = await sandbox.run(["modprobe", "run", "--attr", "statedir=state", ...args, "plan.toml"]);
  expect(ran).toMatchObject({ status: 0, stdout: "", stderr: "" });
}

function analyze(...args: string[]) {
  return sandbox.run(["modprobe", "analyze", ...args, "--statedir", "state"]);
}

async function json(...args: string[]): Promise<unknown> {
  const { stdout, status, stderr } = await analyze(...args, "--json");
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return JSON.parse(stdout) as unknown;
}

const ONE_OF_ALL = { units: 4, command: "run", rank: 0, outcome: "ok", failed: 0, notRun: 0 };

describe("of a recorded run", () => {
  test("blame prints what each unit took, the slowest first", async () => {
    await recorded();
    const { stdout, status } = await analyze("blame");
    const lines = stdout.trimEnd().split("\n");
    expect(lines).toHaveLength(4);
    for (const line of lines) expect(line).toMatch(/^ *\d+(us|ms) (base|left|right|top)$/);
    expect(lines[0]).toMatch(/left$/);
    expect(status).toBe(0);
  });

  test("critical-chain goes back from the unit that ended last", async () => {
    await recorded();
    const { stdout } = await analyze("critical-chain");
    const [head, explained, blank, ...chain] = stdout.trimEnd().split("\n");
    expect(head).toMatch(
      /^run of rank 0, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC: 4 units in [\d.]+m?s, \d+ at a time$/,
    );
    expect(explained).toContain('"@"');
    expect(blank).toBe("");
    expect(chain.slice(0, 3)).toEqual([
      expect.stringMatching(/^top @[\d.]+m?s \+[\d.]+m?s/),
      expect.stringMatching(/^└─left @[\d.]+m?s \+[\d.]+m?s/),
      expect.stringMatching(/^ {2}└─base @[\d.]+[um]?s \+[\d.]+m?s/),
    ]);
    expect(chain.slice(3)).toEqual([
      "",
      "next to the chain:",
      expect.stringMatching(/^ {2}right @.*, slack [\d.]+m?s/),
    ]);
    expect(await json("critical-chain", "right")).toMatchObject({
      run: ONE_OF_ALL,
      chain: [
        { unit: "right", waitedFor: "dependency" },
        { unit: "base", waitedFor: "start" },
      ],
    });
  });

  test("where slots were few it says which unit had the slot", async () => {
    await recorded("-j", "1");
    const { stdout } = await analyze("critical-chain");
    expect(stdout).toMatch(
      /^top @\S+ \+\S+( .*)?\n└─right @\S+ \+\S+, waited \S+ for a slot.*\n {2}└─left .*\(had the slot\)\n/m,
    );
  });

  test("what-if with nothing different gives the recorded time within two per cent", async () => {
    await recorded("-j", "2");
    const same = (await json("what-if")) as { recorded: Times; predicted: Times };
    expect(same.recorded).toMatchObject({ units: 4, jobs: 2 });
    expect(Math.abs(same.predicted.durationMs / same.recorded.durationMs - 1)).toBeLessThan(0.02);
  });

  test("what-if says what would be different, and what chain would set the time then", async () => {
    await recorded();
    const faster = (await json("what-if", "--faster", "left=100", "--without", "top")) as Prediction;
    expect(faster.removed).toEqual([{ unit: "top", because: { kind: "asked" } }]);
    expect(faster.criticalChain.map(({ unit }) => unit)).toEqual(["right", "base"]);
    expect(faster.predicted.durationMs).toBeLessThan(faster.recorded.durationMs);
    const single = (await json("what-if", "-j", "1")) as Prediction;
    expect(single.predicted).toMatchObject({ units: 4, jobs: 1 });
    expect(single.predicted.durationMs).toBeGreaterThan(180);
    const { stdout } = await analyze("what-if", "--jobs", "1", "--without", "right");
    expect(stdout).toMatch(/^recorded: {2}\S+, 4 units, \d+ at a time$/m);
    expect(stdout).toMatch(/^predicted: \S+, 3 units, 1 at a time \([+-]\S+, [+-]\d+\.\d %\)$/m);
    expect(stdout).toMatch(/^left out: {2}right$/m);
  });

  test("plot writes what the file's name or an option asks for", async () => {
    await recorded();
    const { stdout: svg } = await analyze("plot");
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    expect(await analyze("plot", "-o", "boot.html")).toMatchObject({ status: 0, stdout: "" });
    expect(readFileSync(join(sandbox.dir, "boot.html"), "utf8")).toMatch(/^<!DOCTYPE html>/);
    const { stdout: trace } = await analyze("plot", "--trace");
    expect(JSON.parse(trace)).toMatchObject({ displayTimeUnit: "ms", traceEvents: expect.any(Array) as [] });
    expect(await json("plot")).toMatchObject({
      jobs: expect.any(Number) as number,
      units: [{ unit: "base" }, {}, {}, {}],
    });
    const { status, stderr } = await analyze("plot", "-o", "no/such/dir.svg");
    expect([status, stderr]).toEqual([1, "sluice-modprobe: no/such/dir.svg: No such file or directory\n"]);
  });

  test("units that are not in it are told of all at once, with what may have been meant", async () => {
    await recorded();
    const { status, stderr, stdout } = await analyze("what-if", "--without", "lefd", "--faster", "nothing=2");
    expect([status, stdout]).toEqual([1, ""]);
    expect(stderr.split("\n")).toEqual([
      "sluice-modprobe: no such unit in the recorded run: lefd; did you mean 'left'?",
      "sluice-modprobe: no such unit in the recorded run: nothing",
      "",
    ]);
    expect((await analyze("critical-chain", "bas")).stderr).toContain("did you mean 'base'?");
    expect((await analyze("what-if", "--faster", "left=0")).status).toBe(2);
    expect((await analyze("what-if", "--jobs", "0")).status).toBe(2);
  });

  test("a unit that did not run has no chain, and that says why", async () => {
    sandbox.write("plan.toml", PLAN.replace("sleep 0.5", "exit 4"));
    const ran = await sandbox.run(["modprobe", "run", "--attr", "statedir=state", "plan.toml"]);
    expect(ran.status).toBe(1);
    const { status, stderr } = await analyze("critical-chain", "top");
    expect([status, stderr]).toEqual([
      1,
      "sluice-modprobe: top did not run: not started, because left failed\n",
    ]);
    expect((await analyze("blame")).stdout).toMatch(/^ *\S+ left \(failed\)$/m);
    expect(await json()).toMatchObject({ run: { outcome: "failed", failed: 1, notRun: 1 } });
  });
});

interface Times {
  readonly durationMs: number;
}

interface Prediction {
  readonly recorded: Times;
  readonly predicted: Times;
  readonly removed: unknown[];
  readonly criticalChain: readonly { readonly unit: string }[];
}

describe("recorded runs", () => {
  test("are listed with the last one first, and chosen by number or file", async () => {
    await recorded();
    await recorded("-j", "1");
    const runs = (await json("--list")) as { number: number; command: string; file: string }[];
    expect(runs.map(({ number, command }) => [number, command])).toEqual([
      [1, "run"],
      [2, "run"],
    ]);
    const [last, before] = runs;
    for (const { file } of runs) expect(statSync(join(sandbox.dir, file)).mode & 0o777).toBe(0o600);
    expect(await json("critical-chain", "--run", "1")).toMatchObject({ run: { jobs: 1 } });
    const second = await json("critical-chain", "--run", "2");
    expect(second).not.toMatchObject({ run: { jobs: 1 } });
    expect(await json("critical-chain", "--run", before?.file ?? "")).toEqual(second);
    const { status, stderr } = await analyze("--run", "3");
    expect([status, stderr]).toEqual([
      1,
      "sluice-modprobe: no recorded run 3: the number of runs is 2 (1 is the last run)\n",
    ]);
    sandbox.write(
      "broken.jsonl",
      readFileSync(join(sandbox.dir, last?.file ?? ""), "utf8").replace('"end"', '"ent"'),
    );
    const broken = await analyze("--run", "broken.jsonl");
    expect(broken.status).toBe(1);
    expect(broken.stderr).toMatch(/^broken\.jsonl:\d+:1: is not a run event \[RUN_RECORD\]$/m);
  });

  test("a run without a place for them leaves none, and asking for one says what to do", async () => {
    sandbox.write("plan.toml", PLAN);
    expect((await sandbox.run(["modprobe", "run", "plan.toml"])).status).toBe(0);
    expect(readdirSync(sandbox.dir).sort()).toEqual(["plan.toml", expect.stringMatching(/^run-/)]);
    const none = await sandbox.run(["modprobe", "analyze"]);
    expect([none.status, none.stdout]).toEqual([1, ""]);
    expect(none.stderr).toMatch(
      /^sluice-modprobe: no recorded run: no instance runs, and --statedir is not set\n {2}hint: /,
    );
    const empty = await analyze("blame");
    expect(empty.status).toBe(1);
    expect(empty.stderr).toMatch(/^sluice-modprobe: no recorded run in state\/runs-0\n {2}hint: /);
  });

  test("a place that cannot be written to is told of, and the run succeeds", async () => {
    sandbox.write("plan.toml", PLAN);
    sandbox.write("state", "a file");
    const ran = await sandbox.run(["modprobe", "run", "--attr", "statedir=state", "plan.toml"]);
    expect(ran.status).toBe(0);
    expect(ran.stderr).toContain("sluice-modprobe: cannot record the run in state/runs-0: Not a directory\n");
  });

  test("an instance has those of its rc1 and of what is loaded later, and rc3 joins them in its statedir", async () => {
    const script = [
      ...[
        "sluice modprobe analyze --list --json",
        "sluice modprobe remove cron",
        "sluice modprobe load cron",
      ],
      ...["sluice modprobe analyze --list --json", "sluice modprobe analyze blame"],
    ].join("; ");
    const { stdout, status } = await sandbox.run(["start", "-S", "statedir=state", script]);
    expect(status).toBe(0);
    const [first = "", second = "", ...blames] = stdout.trimEnd().split("\n");
    const commands = (text: string) =>
      (JSON.parse(text) as { command: string }[]).map(({ command }) => command);
    expect(commands(first)).toEqual(["rc1"]);
    expect(commands(second)).toEqual(["load", "rc1"]);
    expect(blames).toEqual([expect.stringMatching(/^ *\S+ cron$/)]);
    const { stdout: after } = await analyze("--list", "--json");
    expect(commands(after)).toEqual(["rc3", "load", "rc1"]);
    expect(sandbox.leftovers()).toEqual([]);
  });
});

test("what took longest the last time goes first the next time", async () => {
  const task = (name: string, seconds: number) =>
    `[[tasks]]\nname = "${name}"\ncommand = "sleep ${seconds}"\n`;
  sandbox.write("plan.toml", task("quick", 0.01) + task("slow", 0.3));
  const starts = async (): Promise<string[]> => {
    const args = ["modprobe", "run", "--attr", "statedir=state", "-j", "1", "--json", "plan.toml"];
    const { stdout } = await sandbox.run(args);
    const events = stdout.trimEnd().split("\n");
    return events
      .map((line) => JSON.parse(line) as { type: string; unit: string })
      .flatMap(({ type, unit }) => (type === "start" ? [unit] : []));
  };
  expect(await starts()).toEqual(["quick", "slow"]);
  expect(await starts()).toEqual(["slow", "quick"]);
});

describe("--json of a run", () => {
  test("prints each event as one object a line, and what tasks print among them", async () => {
    sandbox.write(
      "plan.toml",
      `[[tasks]]\nname = "talks"\ncommand = "echo out; echo err >&2"\n[[tasks]]\nname = "fails"\ncommand = "exit 9"\nafter = ["talks"]\n`,
    );
    const { stdout, stderr, status } = await sandbox.run(["modprobe", "run", "--json", "plan.toml"]);
    const events = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string });
    const ofType = (type: string) => events.filter((event) => event.type === type);
    expect(events[0]).toMatchObject({ type: "plan", atMs: 0, stepCount: 2 });
    expect(ofType("output")).toHaveLength(2);
    expect(ofType("output")).toEqual(
      expect.arrayContaining([
        { type: "output", unit: "talks", stream: "stdout", text: "out" },
        { type: "output", unit: "talks", stream: "stderr", text: "err" },
      ]),
    );
    expect(ofType("fail")).toMatchObject([
      { unit: "fails", code: "RUN_FAILED", message: "exited with exit status 9" },
    ]);
    expect(events.at(-1)).toMatchObject({ type: "summary", outcome: "failed", done: 1, failed: 1 });
    expect([status, stderr]).toEqual([1, "sluice-modprobe: fails: exited with exit status 9\n"]);
  });

  test("is refused where there is no run to tell of", async () => {
    sandbox.write("plan.toml", PLAN);
    for (const option of ["--dry-run", "--show-deps"]) {
      expect((await sandbox.run(["modprobe", "run", "--json", option, "plan.toml"])).status).toBe(2);
    }
    expect((await sandbox.run(["modprobe", "run", "--quiet", "-v", "plan.toml"])).status).toBe(2);
  });
});

describe("--timing", () => {
  const TIMING = {
    name: expect.any(String) as string,
    starttime: expect.any(Number) as number,
    duration: expect.any(Number) as number,
  };

  test("stores when each unit started and what it took, in a file and in the KVS", async () => {
    const before = Date.now() / 1000;
    const script = "sluice modprobe rc1 --timing=again.json; sluice kvs get modprobe.stats; cat again.json";
    const { stdout, status } = await sandbox.run(["start", script]);
    expect(status).toBe(0);
    const [kvs = "", file = ""] = stdout.trimEnd().split("\n");
    const timings = JSON.parse(file) as { name: string; starttime: number; duration: number }[];
    expect(JSON.parse(kvs)).toEqual(timings);
    // All modules run already; the tasks of rc1 run once more.
    expect(timings.length).toBeGreaterThan(0);
    for (const timing of timings) {
      expect(timing).toEqual(TIMING);
      expect(timing.starttime).toBeGreaterThanOrEqual(before);
      expect(timing.starttime + timing.duration).toBeLessThanOrEqual(Date.now() / 1000);
    }
  });

  test("works of a run that failed too", async () => {
    const bad =
      '[[tasks]]\nname = "bad"\ncommand = "exit 1"\n[[tasks]]\nname = "never"\ncommand = "true"\nafter = ["bad"]\n';
    sandbox.write("lib/modprobe/rc1.toml", bad);
    const env = { SLUICE_LIBEXECDIR: join(sandbox.dir, "lib"), SLUICE_DATADIR: join(sandbox.dir, "lib") };
    const rc1 = (file: string) =>
      sandbox.run(
        ["start", "-S", "broker.rc1_path=", "-S", "broker.rc3_path=", `sluice modprobe rc1 --timing=${file}`],
        { env },
      );
    expect((await rc1("t.json")).status).toBe(1);
    expect(JSON.parse(readFileSync(join(sandbox.dir, "t.json"), "utf8"))).toEqual([
      { ...TIMING, name: "bad" },
    ]);
    const refused = await rc1("no/t.json");
    expect([refused.status, refused.stderr]).toEqual([
      1,
      expect.stringContaining(
        "sluice-modprobe: cannot write the timing: no/t.json: No such file or directory\n",
      ),
    ]);
  });
});

test("analyze finds the runs of every rank, asked from any, and after the instance has gone", async () => {
  const state = join(sandbox.dir, "state");
  const asks = [0, 1].flatMap((from) =>
    [0, 1].map((of) => `sluice exec -r ${from} sluice modprobe analyze --rank ${of} --json`),
  );
  const inside = await sandbox.run(["start", "-s", "2", "-S", `statedir=${state}`, asks.join("\n")]);
  expect(inside.status).toBe(0);
  const after = await sandbox.run(["modprobe", "analyze", "--rank", "1", "--statedir", state, "--json"]);
  const heads = [...inside.stdout.trimEnd().split("\n"), after.stdout].map(
    (line) => (JSON.parse(line) as { readonly run: { readonly command: string; readonly rank: number } }).run,
  );
  const ranks = [0, 1, 0, 1].map((rank) => ({ command: "rc1", rank }));
  expect(heads).toMatchObject([...ranks, { command: "rc3", rank: 1 }]);
});

test("load of what is loaded says so, unless quiet, as events with --json, and is not recorded", async () => {
  const script =
    "for o in '' -q --json; do echo; sluice modprobe load $o heartbeat; done; sluice modprobe analyze --list";
  const { status, stdout, stderr } = await sandbox.run(["start", `exec 2>&1; ${script}`]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const [plain, quiet, asJson = ""] = stdout.split(/^\n/m).filter((_, i) => i > 0);
  const said = "All modules and their dependencies are already loaded\n";
  expect([plain, quiet]).toEqual([said, ""]);
  const events = asJson.split("\n").flatMap((line) => /^\{"type":"(\w+)"/.exec(line)?.[1] ?? []);
  expect(events).toEqual(["plan", "summary"]);
  expect(asJson).not.toMatch(/^ *\d+ load/m);
});
