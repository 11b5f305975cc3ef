import { describe, expect, onTestFinished, test } from "vitest";
import { TimeExtender } from "../../../src/broker/life/time-extender.js";

/** An extender that asks each millisecond, how often it has asked, and a promise for the next time. */
function start(limitMs: number) {
  const asked: number[] = [];
  const waiting: (() => void)[] = [];
  const extend = (timeMs: number): void => {
    asked.push(timeMs);
    waiting.splice(0).forEach((resolve) => resolve());
  };
  const extender = new TimeExtender({ everyMs: 1, extend });
  onTestFinished(() => extender.end());
  extender.begin(limitMs);
  return { extender, asked, next: () => new Promise<void>((resolve) => waiting.push(resolve)) };
}

/** So many periods of an extender that goes on. */
async function periods(count: number): Promise<void> {
  const clock = start(1_000_000);
  while (clock.asked.length < count) await clock.next();
}

describe("a service manager is asked for more time", () => {
  test("as long as the limit of the instance lasts, each time for several periods", async () => {
    const { asked, next } = start(1_000_000);
    await next();
    await next();
    expect(asked.slice(0, 2)).toEqual([3, 3]);
  });

  test("after progress alone where there is no limit", async () => {
    const { extender, asked, next } = start(Infinity);
    await next();
    await periods(20);
    expect(asked).toHaveLength(1);
    const again = next();
    extender.progress();
    await again;
    await periods(20);
    expect(asked).toHaveLength(2);
  });

  test("no more once the limit is over, or what took long is done", async () => {
    const over = start(0);
    const done = start(1_000_000);
    done.extender.end();
    await periods(20);
    expect([over.asked, done.asked]).toEqual([[], []]);
  });
});
