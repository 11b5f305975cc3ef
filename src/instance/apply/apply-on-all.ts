import { messageOf } from "../../errors/index.js";
import type { JsonValue } from "../../messages/index.js";
import type { ApplyStepEvent, ApplyTurn, RankOutcome, UnitFailure } from "./apply-session.js";

/** The steps on one rank. */
export interface RankProposal {
  readonly rank: number;
  readonly session: ApplyTurn;
  /** The payload of `module.apply-prepare`. */
  readonly steps: JsonValue;
}

/** How an apply has ended on all of its ranks. */
export interface ApplyEnd {
  readonly outcome: RankOutcome["outcome"];
  /** Whether it was refused before its first step. */
  readonly isRefused: boolean;
  readonly ranks: readonly (RankOutcome & { readonly rank: number })[];
}

/**
 * Carries proposals out in two steps. No rank starts unless the check of each rank succeeds. A failure on one rank
 * undoes all of them (docs/design/programs.md §3). A rank that is lost on the way is incomplete.
 * @param isRollback whether a failure on one rank undoes the others
 */
export async function applyOnAll(
  proposals: readonly RankProposal[],
  {
    isRollback,
    onStep,
  }: { readonly isRollback: boolean; readonly onStep?: (rank: number, event: ApplyStepEvent) => void },
): Promise<ApplyEnd> {
  const checked = await Promise.all(
    proposals.map(async ({ rank, session, steps }) => ({ rank, failures: await session.prepare(steps) })),
  );
  if (checked.some(({ failures }) => failures.length > 0)) {
    const ranks = checked.map(({ rank, failures }) => refused(rank, failures));
    return { outcome: "rolled-back", isRefused: true, ranks };
  }
  const ran = await Promise.all(
    proposals.map(async ({ rank, session }) => ({
      rank,
      session,
      outcome: await orLost(session.run((event) => onStep?.(rank, event))),
    })),
  );
  const isApplied = ran.every(({ outcome }) => outcome.outcome === "applied");
  const settled = await Promise.all(
    ran.map(async ({ rank, session, outcome }) => {
      if (outcome.outcome !== "applied" || proposals.length === 1) return { rank, ...outcome };
      if (isApplied || !isRollback) {
        return { rank, ...(await orLost(session.keep().then(() => outcome))) };
      }
      return { rank, ...(await orLost(session.undo())) };
    }),
  );
  const outcomes = settled.map(({ outcome }) => outcome);
  const isBack = outcomes.every((outcome) => outcome === "rolled-back");
  const isKept = outcomes.every((outcome) => outcome === "applied");
  const outcome = isKept ? "applied" : isBack ? "rolled-back" : "incomplete";
  return { outcome, isRefused: false, ranks: settled };
}

/** The outcome on a rank; after the loss of the rank, its state is not certain. */
async function orLost(work: Promise<RankOutcome>): Promise<RankOutcome> {
  try {
    return await work;
  } catch (error) {
    const failures = [{ unit: "", message: messageOf(error), lines: [] }];
    return { outcome: "incomplete", failures, leftOut: [], incomplete: [] };
  }
}

function refused(rank: number, failures: readonly UnitFailure[]): ApplyEnd["ranks"][number] {
  return { rank, outcome: "rolled-back", failures, leftOut: [], incomplete: [] };
}
