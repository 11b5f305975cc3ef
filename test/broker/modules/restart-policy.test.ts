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

test("trap-B11 begins anew with the first delay for a module that was ready for the time that counts", () => {
  const policy = new RestartPolicy({ delayMs: 10, longestMs: 1000, tries: 100, withinMs: MINUTE_MS });
  const delays = [policy.failed(0), policy.failed(1), policy.failed(2)];
  policy.ready(3);
  delays.push(policy.failed(3 + MINUTE_MS - 1));
  policy.ready(2 * MINUTE_MS);
  delays.push(policy.failed(3 * MINUTE_MS));
  expect(delays).toEqual([10, 20, 40, 80, 10]);
});

test("takes its figures from the unit: a delay of none, a longest one, and tries without an end", () => {
  const atOnce = new RestartPolicy({ delayMs: 0, tries: Number.MAX_SAFE_INTEGER });
  expect(Array.from({ length: 100 }, (_, n) => atOnce.failed(n)).every((delay) => delay === 0)).toBe(true);
  const short = new RestartPolicy({ delayMs: 300, longestMs: 500, tries: 3 });
  expect([0, 1, 2, 3].map((n) => short.failed(n))).toEqual([300, 500, 500, undefined]);
});
