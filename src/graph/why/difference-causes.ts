import { accountFor } from "./account.js";
import type { Account, AccountInput, Cause, Statement } from "./account-types.js";
import type { LockChange } from "../fleet/lock-diff.js";

/**
 * Explains why two plans differ, down to a statement in a file: the causes of a unit's absence from one side, else
 * the causes of its presence on the other. For a service with another provider, why its first provider does not serve
 * it any more; for order and keys, the statements that set them.
 * @param before the plan that the change starts from, without other ranks; undefined if only its lock is known
 * @param after the other one, likewise
 * @returns empty if neither plan is known, or no file states it, for example when a value returns to its default
 */
export function causesOfDifference(
  change: LockChange,
  before: AccountInput | undefined,
  after: AccountInput | undefined,
): readonly Cause[] {
  switch (change.kind) {
    case "in":
      return causesOfAbsence(before, change.unit) ?? causesOfPresence(after, change.unit) ?? [];
    case "out":
      return (
        causesOfAbsence(after, change.unit) ??
        causeOfMissing(after, change.unit) ??
        causesOfPresence(before, change.unit) ??
        []
      );
    case "provider":
      return (
        causesOfAbsence(after, change.from) ??
        causeOfMissing(after, change.from) ??
        causesOfAbsence(before, change.to) ??
        causesOfPresence(after, change.to) ??
        []
      );
    case "key":
      return causesOfKey(after, change, change.to) ?? causesOfKey(before, change, change.from) ?? [];
    case "order":
      return (
        causesOfOrder(after, change.unit, change.before) ??
        causesOfOrder(before, change.before, change.unit) ??
        []
      );
  }
}

type Causes = readonly Cause[] | undefined;

function causesOfAbsence(input: AccountInput | undefined, unit: string): Causes {
  const account = accountOn(input, unit);
  return account?.status === "left-out" ? account.causes : undefined;
}

function causesOfPresence(input: AccountInput | undefined, unit: string): Causes {
  const account = accountOn(input, unit);
  return account?.status === "planned" ? account.causes : undefined;
}

function causeOfMissing(input: AccountInput | undefined, unit: string): Causes {
  if (input === undefined || input.plan.catalog.byName.has(unit)) return undefined;
  return [cause(unit, "no file defines the unit", [])];
}

function causesOfKey(
  input: AccountInput | undefined,
  { unit, key }: Extract<LockChange, { kind: "key" }>,
  value: string,
): Causes {
  const origin = input?.plan.catalog.originOf(unit, key);
  if (origin === undefined) return undefined;
  return [cause(unit, `${key} is set`, [{ text: `${key} = ${value}`, unit, origin }])];
}

/** The direct cause of an order between two units; undefined if the order comes from a third unit, or from their names. */
function causesOfOrder(input: AccountInput | undefined, unit: string, other: string): Causes {
  const relations = accountOn(input, unit)?.before.filter(({ units }) => units.includes(other)) ?? [];
  if (relations.length === 0) return undefined;
  const statements = relations.map(({ statement }) => statement);
  return [cause(unit, `comes before ${other}`, statements)];
}

function accountOn(input: AccountInput | undefined, unit: string): Account | undefined {
  return input?.plan.catalog.byName.has(unit) ? accountFor({ ...input, budget: 0 }, unit) : undefined;
}

function cause(unit: string, text: string, statements: readonly Statement[]): Cause {
  return { unit, text, reason: undefined, statements };
}
