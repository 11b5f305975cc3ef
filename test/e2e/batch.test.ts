import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Finished, Sandbox } from "../helpers/sluice.js";

const EXAMPLE = join(import.meta.dirname, "../../examples/batch");

let box: Sandbox;
let env: Record<string, string>;

beforeEach(() => {
  box = new Sandbox();
  env = {
    FLUX_MODPROBE_PATH_APPEND: `${join(EXAMPLE, "modprobe")}:${join(box.dir, "site")}`,
    SLUICE_EXEC_PATH: join(EXAMPLE, "bin"),
  };
  // Whatever the machine has: what is decided must not depend on it.
  site(["fifo", "simple", "backfill"].map((name) => `sched-${name}.args = ["cores=2"]\n`).join(""));
});
afterEach(() => {
  box.remove();
});

function site(text: string): void {
  box.write("site/modprobe.d/site.toml", text);
}

interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
}

/** Runs a script in an instance of the example; the first command that fails ends it. */
async function inInstance(script: string, options: StartOptions = {}): Promise<Finished> {
  const finished = await box.run(["start", ...(options.args ?? []), "bash", "-ec", script], {
    env: { ...env, ...options.env },
  });
  expect(box.survivors()).toEqual([]);
  expect(box.leftovers()).toEqual([]);
  return finished;
}

/** `submit` of a job that waits until something is written into a pipe, which waits for the job in its turn. */
const gated = (pipe: string, options = ""): string =>
  `mkfifo ${pipe}; sluice batch submit ${options} 'read -r _ <${pipe}' >/dev/null`;

/** A job as the last line, of `jobs --json`, has it. */
interface Listed {
  readonly id: number;
  readonly state: string;
  readonly started: number | null;
  readonly end: { readonly result: string; readonly status: number; readonly note: string };
}

function listed(stdout: string): Listed[] {
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Listed[];
}

/** Ids in the order in which the jobs were started. */
function orderOf(stdout: string): number[] {
  return listed(stdout)
    .sort((a, b) => (a.started ?? Infinity) - (b.started ?? Infinity))
    .map(({ id }) => id);
}

describe("the scheduler", () => {
  const dryRun = async (
    more: Readonly<Record<string, string>> = {},
    ...args: string[]
  ): Promise<string[]> => {
    const { stdout, status } = await box.run(["modprobe", "rc1", "--dry-run", ...args], {
      env: { ...env, ...more },
    });
    expect(status).toBe(0);
    return stdout.split("\n").flatMap((line) => /^load (sched-\w+)/.exec(line)?.[1] ?? []);
  };

  test("is one, chosen by priority, by an alternative, or by disabling the others", async () => {
    expect(await dryRun()).toEqual(["sched-simple"]);
    expect(await dryRun({ FLUX_MODPROBE_DISABLE: "sched-simple" })).toEqual(["sched-backfill"]);
    expect(await dryRun({ FLUX_MODPROBE_DISABLE: "sched-simple,sched-backfill" })).toEqual(["sched-fifo"]);
    expect(await dryRun({}, "--conf=modules.alternatives.sched=sched-backfill")).toEqual(["sched-backfill"]);
    site("sched-fifo.priority = 1000\n");
    expect(await dryRun()).toEqual(["sched-fifo"]);
    site('[alternatives]\nsched = "sched-backfill"\n');
    expect(await dryRun()).toEqual(["sched-backfill"]);
  });

  test("and all that belongs to it is on rank 0 only, and nothing is doubtful in the units", async () => {
    const { stdout } = await box.run(["modprobe", "rc1", "--dry-run", "--rank", "1", "--size", "2"], { env });
    expect(stdout).toContain("load resource\n");
    expect(stdout).not.toMatch(/job-|sched-/);
    const verified = await box.run(["modprobe", "verify", "--strict"], { env });
    expect(verified).toMatchObject({ status: 0, stdout: "" });
    site('job-exec.ranks = "all"\n');
    const everywhere = await box.run(["modprobe", "rc1", "--dry-run", "--rank", "1", "--size", "2"], { env });
    expect(everywhere.stdout).toMatch(/^load job-exec$/m);
  });
});

describe("four jobs on two cores, of which the first waits and the second wants both,", () => {
  const submitAll = (urgent: string): string => `${gated("gate", "-t 1h")}
    sluice batch submit -n 2 -t 1m true
    sluice batch submit -n 1 -t 1m true
    sluice batch submit -n 1 -t 2h ${urgent} true`;

  test("run in the order of submission with sched-fifo, whatever their urgency", async () => {
    site('sched-fifo.priority = 1000\nsched-fifo.args = ["cores=2"]\n');
    const { status, stdout } = await inInstance(
      `${submitAll("--urgency 31")}; echo >gate; sluice batch wait 1 2 3 4; sluice batch jobs -a --json`,
    );
    expect(status).toBe(0);
    expect(orderOf(stdout)).toEqual([1, 2, 3, 4]);
  });

  test("run by urgency with sched-simple: the urgent one passes the head, the short one does not", async () => {
    const { status, stdout } = await inInstance(
      `${submitAll("--urgency 31")}; sluice batch wait 4; echo >gate; sluice batch wait 1 2 3; sluice batch jobs -a --json`,
      { env: { FLUX_MODPROBE_DISABLE: "sched-fifo,sched-backfill" } },
    );
    expect(status).toBe(0);
    expect(orderOf(stdout)).toEqual([1, 4, 2, 3]);
  });

  test("let the short one pass with sched-backfill, but not the long one, which would delay the head", async () => {
    const { status, stdout } = await inInstance(
      `${submitAll("")}; sluice batch wait 3; echo >gate; sluice batch wait 1 2 4; sluice batch jobs -a --json`,
      { args: ["--conf=modules.alternatives.sched=sched-backfill"] },
    );
    expect(status).toBe(0);
    expect(orderOf(stdout)).toEqual([1, 3, 2, 4]);
  });
});

describe("jobs that wait and run", () => {
  test("are not lost when the scheduler is reloaded, or replaced, or job-manager is reloaded", async () => {
    const { status, stdout, stderr } = await inInstance(`
      mkfifo gate; sluice batch submit -n 2 'echo ran >>log; read -r _ <gate' >/dev/null
      for i in 2 3; do sluice batch submit "echo $i >>log" >/dev/null; done
      sluice module reload sched-simple
      sluice batch submit 'echo 4 >>log' >/dev/null
      sluice module remove sched-simple
      sluice batch submit 'echo 5 >>log' >/dev/null
      sluice modprobe load sched-fifo
      sluice batch wait 2 3 4 5 & waiting=$!
      sluice module reload job-manager
      sluice batch submit 'echo 6 >>log' >/dev/null
      echo >gate
      wait $waiting
      sluice batch wait 1 6
      sluice batch jobs -a --json`);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(listed(stdout).map(({ id, end }) => [id, end.result])).toEqual(
      [1, 2, 3, 4, 5, 6].map((id) => [id, "COMPLETED"]),
    );
    const log = readFileSync(join(box.dir, "log"), "utf8").trim().split("\n");
    // Two of one core each may run at the same time, but nothing runs twice, and nothing before the first.
    expect(log[0]).toBe("ran");
    expect(log.slice(1).sort()).toEqual(["2", "3", "4", "5", "6"]);
  });

  test("are there after a restart: what waited is run, what ran has failed and is not run again", async () => {
    const args = ["-S", `statedir=${join(box.dir, "state")}`];
    const first = await inInstance(
      `${gated("gate", "-n 2")}; sluice batch submit 'sluice getattr size >>log' >/dev/null; sluice batch jobs --json`,
      { args },
    );
    expect(listed(first.stdout).map(({ id }) => id)).toEqual([1, 2]);
    const second = await inInstance(
      "sluice batch submit true; sluice batch wait 2 3; sluice batch jobs -a --json",
      {
        args,
      },
    );
    expect(second.status).toBe(0);
    expect(listed(second.stdout).map(({ id, end }) => [id, end.result])).toEqual([
      [1, "FAILED"],
      [2, "COMPLETED"],
      [3, "COMPLETED"],
    ]);
    expect(readFileSync(join(box.dir, "log"), "utf8")).toBe("1\n");
  });
});

test("the status and the output of a job are told, and nothing that it leaves behind lives on", async () => {
  const { status, stdout, stderr } = await inInstance(`
    sluice batch submit 'echo out; echo err >&2; exit 3' >/dev/null
    sluice batch submit 'sleep 1000 & trap "" TERM; echo left' >/dev/null
    sluice batch wait 1 2 || echo "status $?"
    sluice batch output 1
    mkdir gone; cd gone; rmdir ../gone
    sluice rpc job-manager.submit '{"command":["true"],"cwd":"${box.dir}/gone"}' >/dev/null
    sluice batch wait 3 || echo "status $?"
    sluice batch jobs -a --json`);
  expect(status).toBe(0);
  expect(stdout.split("\n").slice(0, -2)).toEqual(["status 3", "out", "status 1"]);
  expect(listed(stdout).map(({ end }) => [end.result, end.status])).toEqual([
    ["FAILED", 3],
    ["COMPLETED", 0],
    ["FAILED", 1],
  ]);
  // The command is started by a shell, which complains of a directory that is gone.
  expect(stderr.split("\n").filter((line) => !line.startsWith("sh: 0: getcwd"))).toEqual([
    "sluice-batch: job 1: FAILED, status 3",
    "err",
    `sluice-batch: job 3: FAILED, status 1, cannot start: ${box.dir}/gone: No such directory`,
    "",
  ]);
});

test("a job ends when it is cancelled or its time is over, and what can never run is refused", async () => {
  const { status, stdout, stderr } = await inInstance(`
    sluice batch submit -t 100ms 'sleep 1000' >/dev/null
    sluice batch wait 1 || echo "status $?"
    sluice batch submit -n 2 'sleep 1000' >/dev/null
    sluice batch submit 'echo never' >/dev/null
    sluice batch cancel 3 2
    sluice batch wait 2 3 || echo "status $?"
    sluice batch cancel 2 9 || echo "status $?"
    sluice batch submit -n 3 true || echo "status $?"
    sluice batch jobs -a --json`);
  expect(status).toBe(0);
  expect(stdout.split("\n").slice(0, -2)).toEqual(["status 143", "status 143", "status 1", "status 1"]);
  expect(listed(stdout).map(({ end }) => [end.result, end.status])).toEqual([
    ["TIMEOUT", 143],
    ["CANCELED", 143],
    ["CANCELED", 1],
  ]);
  expect(stderr.split("\n")).toEqual([
    "sluice-batch: job 1: TIMEOUT, status 143, its duration was over",
    "sluice-batch: job 2: CANCELED, status 143",
    "sluice-batch: job 3: CANCELED, status 1, cancelled before it ran",
    "sluice-batch: job 2 has ended",
    "sluice-batch: no job 9",
    "sluice-batch: unsatisfiable request: 3 cores, and no host has more than 2",
    "",
  ]);
});

test("what a job runs dies with a broker that is killed", async () => {
  const command = box.start(
    [
      "start",
      "bash",
      "-c",
      "sluice batch submit 'sleep 1000 & sleep 1000'; sluice getattr broker.pid; exec sleep 1000",
    ],
    { env },
  );
  await expect.poll(() => command.output(), { timeout: 30_000 }).toMatch(/^1\n\d+\n$/);
  await expect.poll(() => sleeping(), { timeout: 30_000 }).toBe(2);
  process.kill(Number(command.output().split("\n")[1]), "SIGKILL");
  await command.finished;
  await expect.poll(() => box.survivors(), { timeout: 30_000 }).toEqual([]);
});

/** How many of the job's two processes run. */
function sleeping(): number {
  return box.survivors().filter((pid) => {
    try {
      return (
        readFileSync(`/proc/${pid}/environ`, "latin1").includes("SLUICE_JOB_ID=1") &&
        readFileSync(`/proc/${pid}/cmdline`, "latin1").startsWith("sleep")
      );
    } catch (error) {
      // It has ended meanwhile.
      return !(error instanceof Error);
    }
  }).length;
}

describe("a command that others have added", () => {
  test("is found in SLUICE_EXEC_PATH, gets its arguments, and gives its status", async () => {
    box.write("bin/sluice-say.mjs", 'console.log(process.argv.slice(2).join("|")); process.exitCode = 7;\n');
    const found = await box.run(["say", "a b", "--help"], {
      env: { SLUICE_EXEC_PATH: join(box.dir, "bin") },
    });
    expect(found).toMatchObject({ status: 7, stdout: "a b|--help\n" });
    const missing = await box.run(["say", "x"]);
    expect([missing.status, missing.stderr]).toEqual([2, expect.stringContaining("unknown command 'say'")]);
  });

  test("says how it is used, and what is wrong with how it was", async () => {
    expect(await box.run(["batch", "--help"], { env })).toMatchObject({
      status: 0,
      stdout: expect.stringContaining("Example:") as string,
    });
    const wrong = [
      [],
      ["jump"],
      ["submit"],
      ["submit", "-n", "x", "true"],
      ["submit", "-t", "5", "true"],
      ["wait"],
    ];
    for (const words of wrong) {
      expect((await box.run(["batch", ...words], { env })).status).toBe(2);
    }
    expect(await box.run(["batch", "jobs"], { env })).toMatchObject({
      status: 1,
      stderr: "sluice-batch: no instance: SLUICE_URI is not set; run the command under 'sluice start'\n",
    });
  });
});
