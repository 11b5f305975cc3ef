import { criticalChain } from "./critical-chain.js";
import type { StepEnd } from "./moves.js";
import type { StepAction } from "../run/index.js";
import type { StepTime, Timeline } from "./timeline.js";

/** One unit of a Gantt chart. Times are nanoseconds since the start of the run. */
export interface GanttBar {
  readonly unit: string;
  readonly action: StepAction;
  readonly ended: StepEnd;
  readonly readyNs: number;
  readonly startNs: number;
  readonly endNs: number;
  readonly slackNs: number;
  /** Whether the unit is on the critical chain. */
  readonly critical: boolean;
  /** The last reason why the unit waited. */
  readonly waitedFor: { readonly kind: "dependency" | "slot"; readonly unit: string } | null;
}

/** How many units ran from one moment on. */
export interface Load {
  readonly atNs: number;
  readonly running: number;
}

/** A run as a Gantt chart. */
export interface Gantt {
  readonly durationNs: number;
  readonly jobs: number;
  /** The bars in the order of their starts. */
  readonly bars: readonly GanttBar[];
  /** The indices of the critical bars, in the order in which their units ran. */
  readonly chain: readonly number[];
  readonly load: readonly Load[];
}

/** Turns a run into the data of a Gantt chart. */
export function ganttOf(timeline: Timeline): Gantt {
  const { plan, jobs, durationNs, times } = timeline;
  const critical = new Set((criticalChain(timeline) ?? []).map(({ unit }) => unit));
  const nameOf = (step: number): string => plan.steps[step]?.unit ?? "";
  const bars = times.map((time): GanttBar => {
    const { step, readyNs, startNs, endNs, slackNs, ended, wait } = time;
    const unit = nameOf(step);
    return {
      ...{ unit, action: plan.steps[step]?.action ?? "run", ended, readyNs, startNs, endNs, slackNs },
      critical: critical.has(unit),
      waitedFor: wait.kind === "none" ? null : { kind: wait.kind, unit: nameOf(wait.step) },
    };
  });
  const chain = [...bars.keys()].filter((place) => bars[place]?.critical === true);
  return { durationNs, jobs, bars, chain, load: loadOf(times) };
}

function loadOf(times: readonly StepTime[]): Load[] {
  const changes = times
    .flatMap(({ startNs, endNs }) => [
      { atNs: startNs, by: 1 },
      { atNs: endNs, by: -1 },
    ])
    // The end of a unit comes before a start at the same time. The sum therefore never exceeds the number of
    // slots.
    .sort((a, b) => a.atNs - b.atNs || a.by - b.by);
  const load: Load[] = [];
  let running = 0;
  for (const { atNs, by } of changes) {
    running += by;
    if (load.at(-1)?.atNs === atNs) load.pop();
    load.push({ atNs, running });
  }
  return load;
}
