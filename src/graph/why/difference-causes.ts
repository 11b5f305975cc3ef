import { accountFor } from "./account.js";
import type { AccountInput, Cause } from "./account-types.js";
import type { LockChange } from "../fleet/lock-diff.js";

/**
 * Why two plans differ: what is behind a unit's being out on the one side where it is, down to what a file states. For a
 * service that changes hands, why its first provider does not serve it any more.
 * @param before the plan that the change starts from, alone of its side
 * @param after the other one
 * @returns empty for changes of order and of keys, which say it all themselves
 */
export function causesOfDifference(
  change: LockChange,
  before: AccountInput,
  after: AccountInput,
): readonly Cause[] {
  switch (change.kind) {
    case "in":
      return causesOfAbsence(before, change.unit);
    case "out":
      return causesOfAbsence(after, change.unit);
    case "provider":
      return causesOfAbsence(after, change.from);
    case "order":
    case "key":
      return [];
  }
}

/** Empty for a unit that is in after all, or that this side does not know. */
function causesOfAbsence(input: AccountInput, unit: string): readonly Cause[] {
  const account = accountFor({ ...input, budget: 0 }, unit);
  return account?.status === "left-out" ? account.causes : [];
}
