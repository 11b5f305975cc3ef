/** How regular expressions of units are applied to output. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { LineMatcher } from "../../../src/loaders/command/line-matcher.js";

test("an expression that takes too long is stopped, and one that is interrupted is not taken for such", async () => {
  expect(new LineMatcher("^(a+)+$").test([`${"a".repeat(40)}b`])).toBe("too slow");
  const matcher = new LineMatcher("x*end$");
  const lines = Array.from({ length: 20 }, () => "x".repeat(1000));
  // This process is stopped in the middle of one of the matches.
  const script = "sleep 0.2; kill -STOP $0; sleep 0.5; kill -CONT $0";
  const stopper = spawn("sh", ["-c", script, String(process.pid)], { stdio: "ignore" });
  const ended = once(stopper, "close");
  const outcomes = new Set<string>();
  let longestMs = 0;
  for (const beginMs = performance.now(); performance.now() - beginMs < 1500;) {
    const atMs = performance.now();
    outcomes.add(matcher.test(lines));
    longestMs = Math.max(longestMs, performance.now() - atMs);
  }
  await ended;
  expect([...outcomes]).toEqual(["none"]);
  expect(longestMs).toBeGreaterThan(400);
});
