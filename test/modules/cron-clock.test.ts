import { describe, expect, test } from "vitest";
import { nextTime } from "../../src/modules/cron/schedule.js";

const ZONE = "Europe/Berlin";

function timesAfter(pattern: string, from: string, count: number): string[] {
  const times: string[] = [];
  for (let at = Date.parse(from); times.length < count;) {
    const next = nextTime(pattern, at, ZONE);
    if (next === undefined) break;
    times.push(new Date(next * 1000).toISOString().slice(0, 16));
    at = next * 1000;
  }
  return times;
}

describe("fault-G19: a crontab line on a day on which the clocks change", () => {
  // On 29 March 2026 2:00 becomes 3:00, which is 1:00 UTC.
  test("is due once at the end of the gap, whether it has one time of day or several", () => {
    expect(timesAfter("30 2 * * *", "2026-03-28T12:00Z", 2)).toEqual([
      "2026-03-29T01:00",
      "2026-03-30T00:30",
    ]);
    expect(timesAfter("30 2,14 * * *", "2026-03-28T14:00Z", 3)).toEqual([
      "2026-03-29T01:00",
      "2026-03-29T12:30",
      "2026-03-30T00:30",
    ]);
    expect(timesAfter("10,30,50 2 * * *", "2026-03-28T12:00Z", 2)).toEqual([
      "2026-03-29T01:00",
      "2026-03-30T00:10",
    ]);
  });

  // On 25 October 2026 3:00 becomes 2:00, which is 1:00 UTC.
  test("is due once at a time that comes twice", () => {
    expect(timesAfter("0,20,40 2 * * *", "2026-10-24T12:00Z", 4)).toEqual([
      "2026-10-25T00:00",
      "2026-10-25T00:20",
      "2026-10-25T00:40",
      "2026-10-26T01:00",
    ]);
  });

  test("is an interval with a step or a star: it skips the gap, and runs through the repeated hour", () => {
    expect(timesAfter("*/30 * * * *", "2026-03-29T00:15Z", 3)).toEqual([
      "2026-03-29T00:30",
      "2026-03-29T01:00",
      "2026-03-29T01:30",
    ]);
    expect(timesAfter("30 * * * *", "2026-10-25T00:00Z", 3)).toEqual([
      "2026-10-25T00:30",
      "2026-10-25T01:30",
      "2026-10-25T02:30",
    ]);
  });

  test("with both day fields is due on the days of either", () => {
    expect(timesAfter("0 12 13 * 5", "2026-11-01T00:00Z", 4)).toEqual([
      "2026-11-06T11:00",
      "2026-11-13T11:00",
      "2026-11-20T11:00",
      "2026-11-27T11:00",
    ]);
    expect(timesAfter("0 12 15 * 1", "2026-11-10T00:00Z", 2)).toEqual([
      "2026-11-15T11:00",
      "2026-11-16T11:00",
    ]);
  });
});
