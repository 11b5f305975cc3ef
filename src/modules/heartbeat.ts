import { messageOf } from "../errors/index.js";
import { followEvents, type Handle } from "../messages/index.js";
import { startInterval } from "../processes/index.js";
import { keyValues, numberWithin } from "./arguments/key-values.js";

const DEFAULT_INTERVAL_S = "2";
const INTERVAL_BOUNDS_S = [0.01, 86_400] as const;

/**
 * The pulse of the instance: rank 0 publishes the event `NAME.pulse` at a steady interval. So all modules do their
 * occasional work at one moment, and leave the machine alone in between. Other ranks count the heartbeats that they
 * receive.
 *
 * Arguments: `interval=SECONDS`, 2 if absent. Answers `status`: `{intervalMs, count}`.
 */
export async function modMain(h: Handle, ...args: string[]): Promise<void> {
  const { interval = DEFAULT_INTERVAL_S } = keyValues(args, ["interval"]);
  const intervalMs = numberWithin("interval", interval, INTERVAL_BOUNDS_S) * 1000;
  const topic = `${h.name}.pulse`;
  let count = 0;
  h.handle("status", () => ({ intervalMs, count }), { allowGuest: true });

  if (h.rank > 0) {
    await followEvents(h, topic, () => count++);
    await h.run();
    return;
  }
  const timer = startInterval(intervalMs, () => {
    count++;
    h.publish(topic, { count }).catch((error: unknown) => {
      h.log("err", `cannot publish ${topic}: ${messageOf(error)}`);
    });
  });
  try {
    await h.run();
  } finally {
    timer.cancel();
  }
}
