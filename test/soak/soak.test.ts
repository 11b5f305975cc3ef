import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, onTestFinished, test } from "vitest";
import { brokenBounds, longPauses, type SoakSample } from "../../bench/soak/measures.mjs";

const RUN = join(import.meta.dirname, "../../bench/soak/run.mjs");

function start(...args: string[]) {
  const child = spawn(process.execPath, ["--expose-gc", RUN, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  const output = Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return {
    child,
    ended: output.then(([stdout, stderr]) => ({ status: child.exitCode, stdout, stderr })),
  };
}

interface SoakReport {
  readonly samples: readonly (SoakSample & {
    readonly cycles: number;
    readonly done: Readonly<Record<string, Readonly<Record<string, number>>>>;
  })[];
  readonly broken: readonly string[];
}

// One that stays behind is counted after any number of cycles. `npm run soak` makes 10,000, for what grows slowly.
test("200 cycles of modules of every loader leave nothing behind", { timeout: 400_000 }, async () => {
  const { status, stdout } = await start("--cycles=200", "--warm-up=150", "--json").ended;
  const report = JSON.parse(stdout) as SoakReport;
  expect([report.broken, status]).toEqual([[], 0]);
  expect(report.samples.map(({ cycles }) => cycles)).toEqual([20, 40, 60, 80, 100, 120, 140, 160, 180, 200]);
  const done = report.samples.at(-1)?.done ?? {};
  expect(Object.keys(done).sort()).toEqual(
    ["command", "configured", "process", "program", "python", "thread", "thread group"].sort(),
  );
  const kinds = new Set(Object.values(done).flatMap((counts) => Object.keys(counts)));
  expect([...kinds].sort()).toEqual(
    ["cancel", "failing load", "load, remove", "reload", "restart by policy"].sort(),
  );
});

test("300 starts and stops of a program that hides a child leave nothing", { timeout: 400_000 }, async () => {
  const { status, stdout } = await start("--loader=command", "--cycles=300", "--warm-up=100", "--json").ended;
  const { samples, broken } = JSON.parse(stdout) as SoakReport;
  expect([broken, status]).toEqual([[], 0]);
  const last = samples.at(-1);
  expect(last?.held).toMatchObject({ children: 0, processes: 0, pending: 0 });
  const counts = Object.values(last?.done["command"] ?? {});
  expect([counts.length, counts.reduce((sum, count) => sum + count, 0)]).toEqual([5, 300]);
});

test("Ctrl-C ends a soak in order, with status 130", async () => {
  const { child, ended } = start("--cycles=10000");
  await once(child.stdout, "data");
  child.kill("SIGINT");
  const { status, stderr } = await ended;
  expect([status, stderr]).toEqual([130, "soak: interrupted\n"]);
});

test("a broken bound is told, with status 1", async () => {
  // No process gives back nearly all the memory.
  const { status, stderr } = await start("--loader=command", "--warm-up=30", "--cycles=10", "--growth=-99")
    .ended;
  expect(status).toBe(1);
  expect(stderr).toMatch(/^soak: rssBytes grew from \d+ to \d+, by more than -99 %\nsoak: heapBytes grew/);
});

test.each([
  ["--cycles=many", "--cycles: 'many' is not a number from 10"],
  ["--cycles=1", "--cycles: '1' is not a number from 10"],
])("%s is refused with status 2", async (arg, message) => {
  const { status, stderr } = await start(arg).ended;
  expect([status, stderr]).toEqual([2, `soak: ${message}\n`]);
});

describe("bounds", () => {
  const sample = (descriptors: number, rssBytes: number): SoakSample => ({
    held: { descriptors },
    memory: { rssBytes },
  });

  test("of counts are broken by one more, and not by fewer", () => {
    expect(brokenBounds(sample(20, 100), sample(21, 100), 0.2)).toEqual(["descriptors grew from 20 to 21"]);
    expect(brokenBounds(sample(20, 100), sample(19, 100), 0.2)).toEqual([]);
  });

  test("of memory are broken by more than the share", () => {
    expect(brokenBounds(sample(20, 100), sample(20, 120), 0.2)).toEqual([]);
    expect(brokenBounds(sample(20, 100), sample(20, 121), 0.2)).toEqual([
      "rssBytes grew from 100 to 121, by more than 20 %",
    ]);
  });
});

test("events that are published while one of eight ranks is frozen stay within the memory for them", async () => {
  const { status, stdout, stderr } = await start("--frozen=12").ended;
  // A busy machine makes pauses of its own.
  const rest = stderr.replace(/^soak: rank \d received nothing for \d+ ms, more than 1000 ms\n/gm, "");
  expect(rest).toBe("");
  expect(stdout).toMatch(/^12 MB in .*\nMiB of each broker at most:( \d+){8}\n$/);
  expect(status).toBe(stderr === "" ? 0 : 1);
});

test("a rank that is not frozen may pause for a second, and not longer", () => {
  const pauses = [
    { rank: 0, longestMs: 1000 },
    { rank: 3, longestMs: 1000.6 },
    { rank: 7, longestMs: 35 },
  ];
  expect(longPauses(pauses, 1000)).toEqual(["rank 3 received nothing for 1001 ms, more than 1000 ms"]);
});
