import type { ApplyCause, ApplyChange, ApplyPlan } from "./apply-types.js";
import { shownArgs } from "../../units/index.js";
import { reasonText } from "../reason-text.js";

/** The changes as data (docs/apply.md). */
export function applyToJson({ changes, stays, unknown, renamings }: ApplyPlan): {
  readonly changes: readonly object[];
  readonly stays: readonly string[];
  readonly unknown: readonly string[];
  readonly renamings: readonly object[];
} {
  return {
    changes: changes.map(changeToJson),
    stays,
    unknown,
    renamings: renamings.map((each) => ({ ...each })),
  };
}

function changeToJson(change: ApplyChange): object {
  const causes = change.causes.map(causeToJson);
  if (change.action === "remove") return { action: change.action, unit: change.name, causes };
  const { action, unit } = change;
  return { action, unit: unit.name, args: shownArgs(unit), causes };
}

function causeToJson(cause: ApplyCause): object {
  switch (cause.kind) {
    case "failed":
    case "file":
    case "follows":
    case "variables":
      return cause;
    case "new":
      return { kind: cause.kind, origin: cause.origin ?? null };
    case "keys":
      return {
        kind: cause.kind,
        keys: cause.keys.map(({ key, from, to, origin }) => ({
          ...{ key, from: from ?? null, to: to ?? null, origin: origin ?? null },
        })),
      };
    case "left-out":
      return { kind: cause.kind, reason: cause.reason === undefined ? null : reasonText(cause.reason) };
  }
}
