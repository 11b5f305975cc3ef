/** The kept output of programs. */
import { expect, test } from "vitest";
import { ProgramLogs } from "../../../src/broker/log/program-logs.js";
import { systemClock } from "../../../src/broker/clock.js";

function written(logs: ProgramLogs, texts: readonly string[]): void {
  const log = logs.of("api");
  for (const text of texts) log.line({ stream: "stdout", text, bytes: text.length + 1 });
}

test("the last lines of a program are those of its newest start, at most five", () => {
  const logs = new ProgramLogs(systemClock, () => undefined);
  expect(logs.lastLines("api")).toEqual([]);
  written(logs, ["old 1", "old 2", "old 3"]);
  expect(logs.lastLines("api")).toEqual(["old 1", "old 2", "old 3"]);
  written(logs, ["new"]);
  expect(logs.lastLines("api")).toEqual(["new"]);
  written(logs, []);
  expect(logs.lastLines("api")).toEqual([]);
  written(logs, ["1", "2", "3", "4", "5", "6"]);
  expect(logs.lastLines("api")).toEqual(["2", "3", "4", "5", "6"]);
  expect(logs.lines(["api"])).toHaveLength(10);
});

test("the last lines of a start that has filled the memory are still its own", () => {
  const logs = new ProgramLogs(systemClock, () => undefined);
  written(logs, ["old"]);
  const long = "x".repeat(400_000);
  written(logs, [long, long, "end"]);
  expect(logs.lastLines("api").at(-1)).toBe("end");
  expect(logs.lastLines("api")).not.toContain("old");
});

test("a long line of a task is kept in parts that divide no character", () => {
  const logs = new ProgramLogs(systemClock, () => undefined);
  const text = `${"x".repeat(64 * 1024 - 1)}\u{1f6a2}${"y".repeat(64 * 1024)}`;
  logs.task("job", "stdout", text);
  logs.task("job", "stderr", "short");
  const lines = logs.lines(["job"]);
  expect(lines.map(({ part, hasMore }) => [part, hasMore])).toEqual([
    [1, true],
    [2, true],
    [3, false],
    [undefined, undefined],
  ]);
  expect(lines.slice(0, 3).every((line) => Buffer.from(line.text).toString() === line.text)).toBe(true);
  expect(
    lines
      .slice(0, 3)
      .map((line) => line.text)
      .join(""),
  ).toBe(text);
  expect(logs.sizes()).toMatchObject([{ unit: "job", kept: Buffer.byteLength(text) + 1 + 6 }]);
});
