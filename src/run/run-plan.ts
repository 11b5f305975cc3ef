import type { Plan } from "../graph/index.js";
import type { RunEvent } from "./events.js";
import { type RunOptions, type RunSettings, settle } from "./options.js";
import { PlanRun } from "./plan-run.js";

/**
 * Runs a plan (docs/design/planning.md §7). A step is ready when its last predecessor has ended. At most
 * `jobs` steps run at a time. The ready step with the longest remaining path starts first. The run begins
 * when the caller reads its first event. A slow reader does not delay the run. If the reader leaves the
 * loop early, the run cancels the running steps. The loop ends after these steps.
 *
 * Failures of steps are events, never exceptions. The stream always ends with `summary`.
 * @throws SluiceError `USAGE` at once if `jobs` is not a positive integer; `INTERNAL` from the stream if the
 *   plan has a cycle
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
      // While the reader was busy with these events, more may have come, including the last one.
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
