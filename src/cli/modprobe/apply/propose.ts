import { applyLines, applyToJson, staysLines } from "../../../graph/index.js";
import { applyPayload, compareWith, recordedIn } from "../../../instance/apply/index.js";
import type { JsonValue } from "../../../messages/index.js";
import { INSECURE } from "../../../units/index.js";
import type { PlanningContext } from "../../facts.js";
import { ExitError } from "../../terminal/output.js";
import { phaseFiles, withPlan } from "../read-and-plan.js";
import type { ShuffleOption } from "../../instance/shuffle-option.js";
import { type UnitOptions, valueOf } from "../units.js";

/** The steps on one rank, and their description. */
export interface Proposal {
  readonly lines: readonly string[];
  /** The number of modules that do not change, and the names of those that the apply does not touch. */
  readonly rest: readonly string[];
  readonly report: object;
  readonly changes: number;
  readonly steps: JsonValue;
}

/** The options of the apply. */
export interface ProposalOptions extends UnitOptions, ShuffleOption {
  readonly units: readonly string[];
  readonly rollback: boolean;
  readonly settleMs: number;
  readonly held: boolean;
}

/**
 * Composes and plans again, and compares with the modules that a rank runs.
 * @throws ExitError after it has printed all problems, or without an instance
 */
export async function propose(
  context: PlanningContext,
  { units, rollback, settleMs, held, shuffle, ...options }: ProposalOptions,
): Promise<Proposal> {
  const { handle, guard } = context;
  if (handle === undefined) {
    throw new ExitError(
      1,
      "no instance: SLUICE_URI is not set; run the command under 'sluice start', or give --uri",
    );
  }
  const insecure = guard === INSECURE;
  const recorded = await recordedIn(handle);
  const kept = recorded.filter(({ byName }) => byName).map(({ name }) => name);
  const phase = {
    files: await phaseFiles("rc1", context, options),
    runlevel: "rc1",
    loaded: [],
    kept,
  } as const;
  const only = units.length === 0 ? undefined : units;
  return withPlan(phase, context, { ...options, planOnly: true }, async (plan) => {
    const apply = valueOf(await compareWith(plan, handle, { only, insecure }));
    const mode = { rollback, settleMs, held, insecure, isPartial: only !== undefined, shuffle };
    return {
      lines: applyLines(apply),
      rest: staysLines(apply),
      report: applyToJson(apply),
      changes: apply.changes.length,
      steps: applyPayload(apply, recorded, mode),
    };
  });
}
