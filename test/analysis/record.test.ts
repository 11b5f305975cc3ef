import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  readRecord,
  recordedDurations,
  recordFromText,
  recordToText,
  RecordStore,
  type RunRecord,
} from "../../src/analysis/index.js";
import { planOf } from "../run/support/plan-of.js";
import { randomRun } from "../run/support/random-run.js";
import { recordRun } from "./support/record-of.js";

const plan = planOf({ a: {}, b: { after: ["a"], requires: ["a"] } });
const durationMs = new Map([
  ["a", 20],
  ["b", 30],
]);

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sluice-records-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** The same run, begun at another time. */
function at(record: RunRecord, epochMs: number): RunRecord {
  const [first, ...rest] = record.events;
  if (first?.type !== "plan") throw new Error("no plan event");
  return { ...record, events: [{ ...first, epochMs }, ...rest] };
}

describe("as text", () => {
  test("any run reads back as it was", async () => {
    await fc.assert(
      fc.asyncProperty(randomRun, fc.nat(), async ({ plan: random, durationMs: times, jobs }, which) => {
        const unit = random.steps[which % random.steps.length]?.unit.name ?? "";
        const failures = new Map([[unit, new Error("a\nb ✗")]]);
        const record = await recordRun(random, { durationMs: times, jobs, failures, keepGoing: true });
        const read = recordFromText(recordToText(record), "run.jsonl");
        expect(read).toMatchObject({ ok: true, value: record });
      }),
      { numRuns: 50 },
    );
  });

  test("what is wrong is told with its line", async () => {
    const lines = recordToText(await recordRun(plan, { durationMs })).split("\n");
    const cases: [edit: (lines: string[]) => void, line: number][] = [
      [(all) => all.splice(0, all.length, ""), 1],
      [(all) => (all[0] = "{}"), 1],
      [(all) => (all[0] = (all[0] ?? "").replace('"version":1', '"version":2')), 1],
      [(all) => (all[0] = (all[0] ?? "").replace('"after":[0]', '"after":[9]')), 1],
      [(all) => (all[0] = (all[0] ?? "").replace('"after":[]', '"after":[1]')), 1],
      [(all) => (all[2] = '{"type":"start"}'), 3],
      [(all) => (all[2] = "garbage"), 3],
      [(all) => (all[3] = (all[3] ?? "").replace('"unit":"a"', '"unit":"nobody"')), 4],
      [(all) => all.splice(-2, 1), 6],
    ];
    for (const [edit, line] of cases) {
      const broken = [...lines];
      edit(broken);
      const read = recordFromText(broken.join("\n"), "run.jsonl");
      expect(read).toMatchObject({
        ok: false,
        diagnostics: [{ code: "RUN_RECORD", location: { file: "run.jsonl", line } }],
      });
    }
  });

  test("a message as long as a log is cut", async () => {
    const failures = new Map([["a", new Error("x".repeat(1_000_000))]]);
    const text = recordToText(await recordRun(plan, { durationMs, failures }));
    expect(text.length).toBeLessThan(5000);
    expect(recordFromText(text, "run.jsonl").ok).toBe(true);
  });

  test("the durations for the next run are of what was done", async () => {
    const failures = new Map([["b", new Error("broken")]]);
    const record = await recordRun(plan, { durationMs, failures });
    expect(recordedDurations(record)).toEqual(new Map([["a", 20]]));
  });
});

describe("on disk", () => {
  test("the last 10 are kept, the last one is number 1, and nobody else may read them", async () => {
    const record = await recordRun(plan, { durationMs });
    const store = new RecordStore(directory, 3);
    for (let n = 1; n <= 12; n++) store.save(at(record, n * 1000));
    const runs = store.list();
    expect(runs.map(({ number, epochMs }) => [number, epochMs])).toEqual(
      Array.from({ length: 10 }, (_, index) => [index + 1, (12 - index) * 1000]),
    );
    expect(readdirSync(directory)).toEqual(["runs-3"]);
    expect(statSync(store.directory).mode & 0o777).toBe(0o700);
    for (const { file } of runs) expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readRecord(runs[0]?.file ?? "")).toMatchObject({ ok: true, value: at(record, 12_000) });
  });

  test("what a writer that died left behind is no run, and goes when it is old", async () => {
    const store = new RecordStore(directory, 0);
    mkdirSync(store.directory);
    const [old, fresh] = [".000000000000001-1-rc1.jsonl", ".000000000000002-1-rc1.jsonl"];
    for (const name of [old, fresh]) writeFileSync(join(store.directory, name), "half");
    utimesSync(join(store.directory, old), 0, 0);
    expect(store.list()).toEqual([]);
    store.save(await recordRun(plan, { durationMs }));
    expect(readdirSync(store.directory).filter((name) => name.startsWith("."))).toEqual([fresh]);
    expect(store.list()).toHaveLength(1);
  });

  test("a place that cannot be written to is a RUN_RECORD, and nothing half is left", async () => {
    const record = await recordRun(plan, { durationMs });
    const file = join(directory, "no-directory");
    writeFileSync(file, "");
    expect(() => new RecordStore(file, 0).save(record)).toThrow(
      expect.objectContaining({ code: "RUN_RECORD" }),
    );
    expect(readFileSync(file, "utf8")).toBe("");
    expect(() => readRecord(join(directory, "missing"))).toThrow(
      expect.objectContaining({ code: "RUN_RECORD" }),
    );
  });
});
