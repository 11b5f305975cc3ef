/** A log file that is moved away when it is full (docs/design/programs.md §1). */
import { fork } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openLogFile } from "../../dist/broker/index.js";

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "sluice-log-test-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const line = (number: number) => ({
  time: number,
  level: "info" as const,
  name: "m",
  text: `line ${number}`,
});

const fail = (error: Error): never => {
  throw error;
};

/** The texts of all files of a log, from the oldest line to the newest. */
function textsIn(path: string, keep: number): string[] {
  const files = Array.from({ length: keep }, (_, at) => `${path}.${keep - at}`).filter((file) =>
    existsSync(file),
  );
  return [...files, path].flatMap((file) =>
    readFileSync(file, "utf8")
      .trimEnd()
      .split("\n")
      .map((text) => (JSON.parse(text) as { readonly text: string }).text),
  );
}

test.each([0, 1, 3])(
  "with %i older files no line is lost at a rotation: kept and dropped are what was written",
  (keep) => {
    const dir = directory();
    const path = join(dir, "site.log");
    const file = openLogFile({ path, rank: 0, rotation: { maxBytes: 2000, keep }, onError: fail });
    for (let number = 1; number <= 1000; number++) file.write(line(number));
    file.close();
    const texts = textsIn(path, keep);
    const first = 1000 - texts.length + 1;
    expect(texts).toEqual(texts.map((_, at) => `line ${first + at}`));
    const names = ["site.log", "site.log.1", "site.log.2", "site.log.3"].slice(0, keep + 1);
    expect(readdirSync(dir).sort()).toEqual(names);
    const sizes = names.map((name) => statSync(join(dir, name)).size);
    // The last line of a file may go a little beyond.
    for (const size of sizes) expect(size).toBeLessThan(2000 + 200);
    const kept = sizes.reduce((sum, size) => sum + size, 0);
    expect(kept + file.sizes.droppedBytes).toBe(file.sizes.writtenBytes);
    for (const name of names) expect(statSync(join(dir, name)).mode & 0o777).toBe(0o600);
  },
);

test("what was there before counts, and is kept as the first of the older files", () => {
  const path = join(directory(), "site.log");
  const rotation = { maxBytes: 500, keep: 2 };
  const before = openLogFile({ path, rank: 0, onError: fail });
  for (let number = 1; number <= 20; number++) before.write(line(number));
  before.close();
  const file = openLogFile({ path, rank: 0, rotation, onError: fail });
  file.write(line(21));
  file.close();
  expect(textsIn(path, 2)).toEqual(Array.from({ length: 21 }, (_, at) => `line ${at + 1}`));
  expect(readFileSync(path, "utf8")).toContain("line 21");
  expect(readFileSync(path, "utf8")).not.toContain("line 20");
});

test("a file that was moved away is gone on with until it is reopened; then a new one has the path", () => {
  const path = join(directory(), "site.log");
  const file = openLogFile({ path, rank: 0, onError: fail });
  file.write(line(1));
  renameSync(path, `${path}.old`);
  file.write(line(2));
  expect(existsSync(path)).toBe(false);
  file.reopen();
  file.write(line(3));
  file.close();
  expect(readFileSync(`${path}.old`, "utf8").match(/line \d/g)).toEqual(["line 1", "line 2"]);
  expect(readFileSync(path, "utf8").match(/line \d/g)).toEqual(["line 3"]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("three ranks that share a file lose no line while it is moved away again and again", async () => {
  const dir = directory();
  const path = join(dir, "site.log");
  const keep = 400;
  const child = new URL("fixtures/log-writer.mjs", import.meta.url);
  const ended = [0, 1, 2].map(
    (rank) =>
      new Promise<number | null>((resolve) =>
        fork(child, [path, String(rank), "1000", "2000", String(keep)]).once("exit", resolve),
      ),
  );
  expect(await Promise.all(ended)).toEqual([0, 0, 0]);
  const texts = textsIn(path, keep);
  for (const rank of [0, 1, 2]) {
    const own = texts.filter((text) => text.startsWith(`rank ${rank} `));
    expect(own.sort()).toEqual(
      Array.from({ length: 1000 }, (_, at) => `rank ${rank} line ${String(at + 1)}`).sort(),
    );
  }
  expect(readdirSync(dir).length).toBeGreaterThan(10);
  expect(existsSync(`${path}.lock`)).toBe(false);
});
