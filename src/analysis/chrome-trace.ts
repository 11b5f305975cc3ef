import type { Gantt, GanttBar } from "./gantt.js";

/** One entry of a trace in Chrome's Trace Event Format. Times are microseconds. */
type TraceEvent = Readonly<{ name: string; pid: number; tid: number }> &
  (
    | Readonly<{ ph: "M"; args: Readonly<Record<string, string | number>> }>
    | Readonly<{
        ph: "X";
        cat: string;
        ts: number;
        dur: number;
        cname?: string;
        args: Readonly<Record<string, unknown>>;
      }>
    | Readonly<{ ph: "C"; ts: number; args: Readonly<Record<string, number>> }>
  );

/** A trace in the format of chrome://tracing and Perfetto. */
export interface ChromeTrace {
  readonly traceEvents: readonly TraceEvent[];
  readonly displayTimeUnit: "ms";
  readonly otherData: Readonly<Record<string, string>>;
}

const PID = 1;

/**
 * A run as a trace. It has a complete event for each unit, on the track of the unit's slot, and a counter of running
 * units. The events of one track never overlap, as the format requires.
 * @param title names the process
 */
export function ganttToTrace(gantt: Gantt, title: string): ChromeTrace {
  const slots = slotsOf(gantt.bars);
  const slotCount = slots.reduce((most, slot) => Math.max(most, slot), 0);
  const named = (name: string, tid: number, args: Record<string, string | number>): TraceEvent => {
    return { name, ph: "M", pid: PID, tid, args };
  };
  return {
    traceEvents: [
      named("process_name", 0, { name: title }),
      ...Array.from({ length: slotCount }, (_, index) => [
        named("thread_name", index + 1, { name: `slot ${index + 1}` }),
        named("thread_sort_index", index + 1, { sort_index: index + 1 }),
      ]).flat(),
      ...gantt.bars.map((bar, place) => unitEvent(bar, slots[place] ?? 1)),
      ...gantt.load.map(({ atNs, running }): TraceEvent => ({
        name: "running",
        ph: "C",
        pid: PID,
        tid: 0,
        ts: atNs / 1000,
        args: { units: running },
      })),
    ],
    displayTimeUnit: "ms",
    otherData: { title },
  };
}

function unitEvent(bar: GanttBar, slot: number): TraceEvent {
  const { unit, action, ended, readyNs, startNs, endNs, slackNs, critical, waitedFor } = bar;
  return {
    name: unit,
    cat: action,
    ph: "X",
    pid: PID,
    tid: slot,
    ts: startNs / 1000,
    dur: (endNs - startNs) / 1000,
    // A colour of the viewer's own palette.
    ...(ended === "end" ? {} : { cname: "terrible" }),
    args: {
      ended,
      critical,
      slackMs: slackNs / 1e6,
      waitedMs: (startNs - readyNs) / 1e6,
      waitedFor: waitedFor === null ? null : `${waitedFor.kind} ${waitedFor.unit}`,
    },
  };
}

/** The lowest free slot, from 1 on, at the start of each bar. Bars are in the order of their starts. */
function slotsOf(bars: readonly GanttBar[]): number[] {
  const freeFromNs: number[] = [];
  return bars.map(({ startNs, endNs }) => {
    const free = freeFromNs.findIndex((fromNs) => fromNs <= startNs);
    const slot = free < 0 ? freeFromNs.length : free;
    freeFromNs[slot] = endNs;
    return slot + 1;
  });
}
