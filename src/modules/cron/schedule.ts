import { Cron } from "croner";
import { messageOf, requestError } from "../../errors/index.js";
import type { Fields } from "../../messages/index.js";
import { startInterval } from "../../processes/index.js";
import type { EventListeners } from "./event-listeners.js";

/** The times at which the command of an entry is due. */
export type Schedule =
  | { readonly kind: "interval"; readonly seconds: number }
  | { readonly kind: "event"; readonly topic: string }
  | { readonly kind: "crontab"; readonly pattern: string };

/** A crontab line suits a longer interval. */
const INTERVAL_MAX_S = 2_147_483;
const INTERVAL_MIN_S = 0.01;

/** Fields of a `create` request for the schedule. */
export const SCHEDULE_FIELDS = { interval: "number?", event: "string?", crontab: "string?" } as const;

/**
 * The schedule in the payload of a `create` request.
 * @throws `EINVAL` unless there is exactly one of `interval` (s), `event` and `crontab`, and it is valid
 */
export function parseSchedule({ interval, event, crontab }: Fields<typeof SCHEDULE_FIELDS>): Schedule {
  if ([interval, event, crontab].filter((value) => value !== undefined).length !== 1) {
    throw requestError("EINVAL", "an entry has exactly one of interval, event and crontab");
  }
  if (interval !== undefined) {
    if (interval >= INTERVAL_MIN_S && interval <= INTERVAL_MAX_S)
      return { kind: "interval", seconds: interval };
    throw requestError("EINVAL", `interval must be from ${INTERVAL_MIN_S} to ${INTERVAL_MAX_S} seconds`);
  }
  if (event !== undefined) {
    if (event !== "") return { kind: "event", topic: event };
    throw requestError("EINVAL", "the topic of an event must not be empty");
  }
  const pattern = crontab ?? "";
  makeCron(pattern).stop();
  return { kind: "crontab", pattern };
}

/**
 * Calls `due` at each time of the schedule, until the caller calls the function to which the promise resolves.
 * @throws the error of a failed subscription to an event
 */
export async function arm(
  schedule: Schedule,
  events: EventListeners,
  due: () => void,
): Promise<() => Promise<void>> {
  switch (schedule.kind) {
    case "interval": {
      const timer = startInterval(schedule.seconds * 1000, due);
      return () => {
        timer.cancel();
        return Promise.resolve();
      };
    }
    case "event":
      return await events.on(schedule.topic, due);
    case "crontab": {
      const cron = makeCron(schedule.pattern, due);
      return () => {
        cron.stop();
        return Promise.resolve();
      };
    }
  }
}

/**
 * The next time of a crontab line, in seconds since 1970; undefined if there is none.
 * @param after a time in milliseconds since 1970
 * @param timezone default: that of this process
 */
export function nextTime(pattern: string, after: number, timezone?: string): number | undefined {
  const next = makeCron(pattern, undefined, timezone).nextRun(new Date(after));
  return next === null ? undefined : next.getTime() / 1000;
}

/** Five fields, or six with seconds first. Without a function to call, it only checks the pattern. */
function makeCron(pattern: string, due?: () => void, timezone?: string): Cron {
  // croner also takes a point in time, which would be due only once, or never.
  if (/^\d{4}-/.test(pattern)) throw requestError("EINVAL", `invalid crontab line '${pattern}'`);
  try {
    return new Cron(
      pattern,
      {
        mode: "5-or-6-parts",
        // Lists and ranges of times are times of day too: each is due once, for any change of the clocks.
        fixedTimeRule: "no-wildcard",
        paused: due === undefined,
        ...(timezone !== undefined && { timezone }),
      },
      due,
    );
  } catch (error) {
    throw requestError("EINVAL", `invalid crontab line '${pattern}': ${messageOf(error)}`, error);
  }
}
