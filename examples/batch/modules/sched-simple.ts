import type { Handle } from "sluice";
import { PRIORITY } from "./batch/policy.js";
import { runScheduler } from "./batch/run-scheduler.js";

/** Jobs by urgency, then in the order of their submission. Arguments: `cores=N`, of each host, in place of what it has. */
export function modMain(h: Handle, ...args: string[]): Promise<void> {
  return runScheduler(h, args, PRIORITY);
}
