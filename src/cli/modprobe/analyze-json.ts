import type { Blame, ChainLink, Gantt, Headline, Prediction } from "../../analysis/index.js";

/** The description of a run, for JSON. Times are milliseconds, as in the events of a run. */
export function headlineJson({ durationNs, unitCount, ...rest }: Headline): object {
  return { ...rest, units: unitCount, durationMs: durationNs / 1e6 };
}

/** One unit and its duration. */
export function blameJson({ unit, action, startNs, durationNs, ended }: Blame): object {
  return { unit, action, startMs: startNs / 1e6, durationMs: durationNs / 1e6, ended };
}

/** One link of a chain. */
export function linkJson({
  unit,
  startNs,
  durationNs,
  slackNs,
  waitedFor,
  slotWaitNs,
  lagNs,
}: ChainLink): object {
  return {
    ...{ unit, startMs: startNs / 1e6, durationMs: durationNs / 1e6, slackMs: slackNs / 1e6 },
    ...{ waitedFor, slotWaitMs: slotWaitNs / 1e6, lagMs: lagNs / 1e6 },
  };
}

/** The data of the picture. */
export function ganttJson({ durationNs, jobs, bars, load }: Gantt): object {
  return {
    ...{ durationMs: durationNs / 1e6, jobs },
    units: bars.map(({ readyNs, startNs, endNs, slackNs, ...bar }) => ({
      ...{ ...bar, readyMs: readyNs / 1e6, startMs: startNs / 1e6 },
      ...{ durationMs: (endNs - startNs) / 1e6, slackMs: slackNs / 1e6 },
    })),
    load: load.map(({ atNs, running }) => ({ atMs: atNs / 1e6, running })),
  };
}

/** The recorded and the predicted run. */
export function predictionJson(
  { recorded, predicted, removed }: Prediction,
  chain: readonly ChainLink[],
): object {
  const side = ({ durationNs, jobs, times }: Prediction["recorded"]): object => {
    return { durationMs: durationNs / 1e6, units: times.length, jobs };
  };
  return {
    ...{ recorded: side(recorded), predicted: side(predicted) },
    ...{ removed, criticalChain: chain.map(linkJson) },
  };
}
