import { type Blame, type ChainLink, type Prediction, type Removed, timespan } from "../../analysis/index.js";

/** Deeper links of a chain have the same indentation, so that a chain of thousands stays readable. */
const DEEPEST = 24;

const ENDED: Readonly<Record<Blame["ended"], string>> = {
  end: "",
  fail: " (failed)",
  timeout: " (timed out)",
  cancel: " (cancelled)",
};

/** In the form of systemd-analyze: the time, and the unit. */
export function blameLines(blames: readonly Blame[]): string[] {
  const times = blames.map(({ durationNs }) => timespan(durationNs));
  const width = times.reduce((most, time) => Math.max(most, time.length), 8);
  return blames.map(
    ({ unit, ended }, index) => `${(times[index] ?? "").padStart(width)} ${unit}${ENDED[ended]}`,
  );
}

/** A chain as a tree of one branch. */
export function chainLines(chain: readonly ChainLink[]): string[] {
  return chain.map((link, depth) => {
    const indent = depth === 0 ? "" : `${"  ".repeat(Math.min(depth, DEEPEST) - 1)}└─`;
    const isHolder = depth > 0 && chain[depth - 1]?.waitedFor === "slot";
    return `${indent}${linkText(link)}${isHolder ? " (had the slot)" : ""}`;
  });
}

/** `kvs @812ms +23ms`, and further details. */
export function linkText({ unit, startNs, durationNs, slackNs, slotWaitNs, lagNs }: ChainLink): string {
  const parts = [
    `${unit} @${timespan(startNs)} +${timespan(durationNs)}`,
    ...(slackNs > 0 ? [`slack ${timespan(slackNs)}`] : []),
    ...(slotWaitNs > 0 ? [`waited ${timespan(slotWaitNs)} for a slot`] : []),
    // Every start takes up to a millisecond.
    ...(lagNs >= 1e6 ? [`started ${timespan(lagNs)} late`] : []),
  ];
  return parts.join(", ");
}

/** The recorded and the predicted run. */
export function predictionLines({ recorded, predicted, removed }: Prediction): string[] {
  const gainNs = predicted.durationNs - recorded.durationNs;
  const percent = recorded.durationNs === 0 ? 0 : (100 * gainNs) / recorded.durationNs;
  const sign = gainNs < 0 ? "-" : "+";
  const change = `${sign}${timespan(Math.abs(gainNs))}, ${sign}${Math.abs(percent).toFixed(1)} %`;
  const head = (timeline: Prediction["recorded"]): string =>
    `${timespan(timeline.durationNs)}, ${timeline.times.length} units, ${timeline.jobs} at a time`;
  return [
    `recorded:  ${head(recorded)}`,
    `predicted: ${head(predicted)} (${change})`,
    ...removed.map((one) => `left out:  ${removedText(one)}`),
  ];
}

function removedText({ unit, because }: Removed): string {
  switch (because.kind) {
    case "asked":
      return unit;
    case "need":
      return `${unit}, which needs ${because.unit}`;
    case "unused":
      return `${unit}, which no other unit requires`;
  }
}
