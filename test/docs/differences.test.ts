/** docs/differences-from-flux.md says that every row is held by a test that begins with its number. */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";

const CHECKOUT = resolve(import.meta.dirname, "../..");

function testFiles(): string[] {
  const entries = readdirSync(join(CHECKOUT, "test"), { recursive: true, encoding: "utf8" });
  return entries.filter((path) => path.endsWith(".test.ts")).map((path) => join(CHECKOUT, "test", path));
}

test("each row of the differences from flux-modprobe has a test of its number", () => {
  const page = readFileSync(join(CHECKOUT, "docs/differences-from-flux.md"), "utf8");
  const rows = [...page.matchAll(/^\| (\d+) \|/gm)].map((match) => Number(match[1]));
  expect(rows.length).toBeGreaterThan(27);
  expect(rows).toEqual(Array.from(rows, (_, index) => index + 1));
  const held = new Set<number>();
  for (const file of testFiles()) {
    for (const match of readFileSync(file, "utf8").matchAll(/\btest\(\s*["'`](?:fault-\w+, )?row (\d+): /g)) {
      held.add(Number(match[1]));
    }
  }
  expect([...held].sort((a, b) => a - b)).toEqual(rows);
});
