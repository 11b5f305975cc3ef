import type { Library, LibraryModule } from "sluice";
import { BACKFILL, FIFO, type Policy, PRIORITY } from "./batch/policy.js";
import { runScheduler } from "./batch/run-scheduler.js";

/** Each takes one argument: `cores=N`, of each host, in place of what it has. */
function scheduler(policy: Policy, description: string): LibraryModule {
  return {
    kind: "sched",
    kindVersion: "1.0",
    version: "1.0.0",
    description,
    main: (h, ...args) => runScheduler(h, args, policy),
  };
}

/** The schedulers of the batch system. One of them serves `sched`. */
export const sluiceLibrary: Library = {
  api: "1.0",
  host: ">=0.3 <2",
  modules: {
    "sched-simple": scheduler(PRIORITY, "jobs by urgency, then in the order of submission"),
    "sched-fifo": scheduler(FIFO, "jobs strictly in the order of submission"),
    "sched-backfill": scheduler(
      BACKFILL,
      "jobs by urgency; short and small ones pass one that has to wait, if that does not delay it",
    ),
  },
};
