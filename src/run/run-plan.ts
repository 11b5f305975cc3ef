import type { Plan } from "../graph/index.js";
import type { RunEvent } from "./events.js";
import { type RunOptions, type RunSettings, settle } from "./options.js";
import { PlanRun } from "./plan-run.js";

/**
 * Runs a plan (docs/design/planning.md §7): every step as soon as its last predecessor is done, at most `jobs` at a
 * time, of the ready ones that with the longest remaining path first. It begins with the first event asked for. A slow
 * reader holds nothing up; one that leaves the loop early cancels what runs, and gets control back when that has ended.
 *
 * Failures of steps are events, never exceptions. The stream always ends with `summary`.
 * @throws SluiceError `USAGE` at once if `jobs` is no positive integer; `INTERNAL` from the stream if the plan has a cycle
 */
export function runPlan(plan: Plan, options: RunOptions): AsyncIterableIterator<RunEvent> {
  return stream(plan, settle(options));
}

async function* stream(plan: Plan, settings: RunSettings): AsyncGenerator<RunEvent, undefined> {
  const run = new PlanRun(plan, settings);
  run.begin();
  try {
    for (;;) {
      const events = run.events.take();
      for (const event of events) yield event;
      // While the reader was busy with these, more may have come, the last one included.
      if (events.length > 0) continue;
      if (run.finished) return;
      await run.events.eventful();
    }
  } finally {
    if (!run.finished) run.interrupt("cancel");
    while (!run.finished) {
      run.events.take();
      await run.events.eventful();
    }
  }
}
