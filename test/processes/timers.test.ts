import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { sleep, startInterval, startTimer } from "../../src/processes/index.js";

const DAY_MS = 86_400_000;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("fault-C14: a timer", () => {
  test.each([1, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 100 * DAY_MS])("of %d ms is due then, once", (delayMs) => {
    const due = vi.fn<() => void>();
    startTimer(delayMs, due);
    vi.advanceTimersByTime(delayMs - 1);
    expect(due).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(due).toHaveBeenCalledOnce();
    vi.advanceTimersByTime(100 * DAY_MS);
    expect(due).toHaveBeenCalledOnce();
  });

  test("without an end is never due, and nothing waits for it", () => {
    startTimer(Infinity, () => {
      throw new Error("due");
    });
    expect(vi.getTimerCount()).toBe(0);
  });

  test("can be taken back and restarted in each of its parts", () => {
    const due = vi.fn<() => void>();
    const timer = startTimer(60 * DAY_MS, due);
    vi.advanceTimersByTime(59 * DAY_MS);
    timer.restart();
    vi.advanceTimersByTime(59 * DAY_MS);
    expect(due).not.toHaveBeenCalled();
    timer.cancel();
    vi.advanceTimersByTime(60 * DAY_MS);
    expect(due).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });

  test.each([1000, 60 * DAY_MS])("comes again every %d ms, until it is cancelled", (periodMs) => {
    const due = vi.fn<() => void>();
    const interval = startInterval(periodMs, due);
    vi.advanceTimersByTime(3 * periodMs);
    expect(due).toHaveBeenCalledTimes(3);
    interval.cancel();
    vi.advanceTimersByTime(3 * periodMs);
    expect(due).toHaveBeenCalledTimes(3);
  });
});

describe("sleeping", () => {
  test("ends when the time has come", async () => {
    const woken = vi.fn<() => void>();
    const slept = sleep(40 * DAY_MS).then(woken);
    await vi.advanceTimersByTimeAsync(40 * DAY_MS - 1);
    expect(woken).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    await slept;
  });

  test("is given up by a signal, with its reason, and leaves nothing", async () => {
    const reason = new Error("enough");
    const controller = new AbortController();
    const slept = sleep(1000, controller.signal);
    controller.abort(reason);
    await expect(slept).rejects.toBe(reason);
    expect(vi.getTimerCount()).toBe(0);
    await expect(sleep(1000, controller.signal)).rejects.toBe(reason);
  });
});
