import type { Handle } from "sluice";
import { BACKFILL } from "./batch/policy.js";
import { runScheduler } from "./batch/run-scheduler.js";

/** Jobs by urgency; short and small ones pass a job that has to wait, if that does not delay it. Arguments: `cores=N`, of each host, in place of what it has. */
export function modMain(h: Handle, ...args: string[]): Promise<void> {
  return runScheduler(h, args, BACKFILL);
}
