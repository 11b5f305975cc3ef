import { expect, test } from "vitest";
import { RestartPolicy } from "../../../src/broker/modules/restart-policy.js";

const MINUTE_MS = 60_000;

/** The delays after failures so many milliseconds apart. */
function delaysOf(apartMs: number, failures: number): (number | undefined)[] {
  const policy = new RestartPolicy();
  return Array.from({ length: failures }, (_, n) => policy.failed(n * apartMs));
}

test("doubles from one second, and gives up after five restarts in ten minutes", () => {
  expect(delaysOf(0, 7)).toEqual([1000, 2000, 4000, 8000, 16_000, undefined, undefined]);
});

test("never waits longer than sixty seconds when failures are too rare to give up", () => {
  expect(delaysOf(3 * MINUTE_MS, 9)).toEqual([
    1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000,
  ]);
});

test("begins anew for a module that has run well for ten minutes", () => {
  expect(delaysOf(10 * MINUTE_MS, 3)).toEqual([1000, 1000, 1000]);
});
