import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";

const RUN = join(import.meta.dirname, "../../bench/torture/run.mjs");
const FORGETFUL = join(import.meta.dirname, "fixtures/forgetful");

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "sluice-test-"));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

interface Violation {
  readonly kind: string;
  readonly text: string;
}

interface Report {
  readonly seed: string;
  readonly rounds: number;
  readonly starts: number;
  readonly answered: number;
  readonly losses: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly failures: readonly { readonly violations: readonly Violation[]; readonly again: string }[];
}

function start(...args: string[]) {
  const child = spawn(process.execPath, [RUN, ...args], {
    env: { ...process.env, TMPDIR: dir },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { child, ended: output.then(([stdout, stderr]) => ({ status: child.exitCode, stdout, stderr })) };
}

async function report(...args: string[]): Promise<Report & { readonly status: number | null }> {
  const { status, stdout } = await start("--json", ...args).ended;
  return { ...(JSON.parse(stdout) as Report), status };
}

/** What an end in whatever way leaves behind. */
function leftovers(): string[] {
  const processes = readdirSync("/proc").filter(
    (pid) => /^\d+$/.test(pid) && readCommandLine(pid).includes(dir),
  );
  return [...readdirSync(dir), ...processes];
}

function readCommandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    // It has ended meanwhile.
    return "";
  }
}

test(
  "nothing that was answered is lost, whatever is killed, changed, full or failing",
  { timeout: 900_000 },
  async () => {
    // All sorts but boots, each of which leads one round.
    const sorts = "broker,provider,rank,change,switch,freeze,collect,eio,disk";
    const result = await report("--seed=2026", "--rounds=9", `--only=${sorts}`);
    expect(result.failures).toEqual([]);
    expect([result.status, result.losses, result.rounds]).toEqual([0, 0, 9]);
    expect(result.answered).toBeGreaterThan(100);
    for (const what of ["eio", "full disk", "dump", "restore", "SIGSTOP"])
      expect(result.faults[what]).toBeGreaterThan(0);
    expect(leftovers()).toEqual([]);
  },
);

test(
  "a store that forgets is found out, with the put, its answer and the command to do it again",
  { timeout: 300_000 },
  async () => {
    const result = await report("--seed=1", "--rounds=1", "--only=broker", `--units=${FORGETFUL}`);
    expect(result.status).toBe(1);
    expect(result.losses).toBeGreaterThan(1);
    const [failure] = result.failures;
    expect(failure?.again).toBe(`npm run torture -- --seed=1 --only=broker --units=${FORGETFUL} --round=1`);
    const violations = failure?.violations ?? [];
    expect(violations.map(({ kind }) => kind)).toEqual(expect.arrayContaining(["backwards", "loss"]));
    expect(violations.find(({ kind }) => kind === "loss")?.text).toMatch(
      /^torture\.\S+: put \d+ of writer \d was sent at [\d.]+ s and answered at [\d.]+ s as version \d+; found: no such key$/,
    );
    expect(leftovers()).toEqual([]);
  },
);

test(
  "Ctrl-C ends it in order, with status 130, and leaves nothing behind",
  { timeout: 180_000 },
  async () => {
    const { child, ended } = start("--seed=1", "--only=broker");
    // The seed comes first, and then a round is under way.
    const [head] = (await once(child.stdout, "data")) as [Buffer];
    expect(head.toString()).toMatch(/^seed 1; /);
    child.kill("SIGINT");
    const { status, stderr } = await ended;
    expect([status, stderr]).toEqual([130, "torture: interrupted\n"]);
    expect(leftovers()).toEqual([]);
  },
);

test.each([
  ["--minutes=soon", "--minutes: 'soon' is not a number from 0.01"],
  ["--rounds=0", "--rounds: '0' is not a number from 1"],
])("%s is refused with status 2", async (arg, message) => {
  const { status, stderr } = await start(arg).ended;
  expect([status, stderr]).toEqual([2, `torture: ${message}\n`]);
});

test("a sort that there is not is refused with those that there are", async () => {
  const { status, stderr } = await start("--only=broker,fire").ended;
  expect(status).toBe(2);
  expect(stderr).toMatch(/^torture: --only: no sort 'fire'; there are broker, provider, rank,/);
});
