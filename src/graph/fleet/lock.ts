import { compareText } from "../../errors/index.js";
import { type RankSet, type Unit, type UnitJson, unitToJson } from "../../units/index.js";
import type { Plan, Reason, Step } from "../types.js";

/** The plan of the ranks of one class. */
export interface LockedClass {
  /** An idset, or `all`. */
  readonly ranks: string;
  /** `load NAME`, `run NAME`, in canonical order. */
  readonly steps: readonly string[];
  /** Requested service → the planned unit that serves it. */
  readonly picks: Readonly<Record<string, string>>;
  /** Left-out unit → the reason. */
  readonly leftOut: Readonly<Record<string, string>>;
}

/** Plans of a start as plain data. They depend on nothing but the plan: they have no places in files and no times. */
export interface PlanLock {
  readonly format: "sluice-plan";
  readonly version: 1;
  readonly size: number;
  /** The only rank that the plan is for, or null for all. */
  readonly rank: number | null;
  /** Planned unit → the keys that affect its action and its order. */
  readonly units: Readonly<Record<string, UnitJson>>;
  /** The classes, in the order of their lowest ranks. Ranks with the same plan are one class. */
  readonly classes: readonly LockedClass[];
}

/** The plan of some ranks. */
export interface RankedPlan {
  readonly ranks: RankSet;
  readonly plan: Plan;
}

/**
 * The canonical form of plans: the same bytes on every machine for the same units and facts. The order of keys, the
 * comments and the layout of files have no effect.
 * @param plans plans of one size, for disjoint sets of ranks
 * @param rank the only rank of the plans, if there is only one
 */
export function lockOf(plans: readonly RankedPlan[], size: number, rank: number | null): PlanLock {
  const units = new Map<string, UnitJson>();
  for (const { plan } of plans) {
    for (const { unit } of plan.steps) if (!units.has(unit.name)) units.set(unit.name, lockedUnit(unit));
  }
  const classes = plans.map(({ ranks, plan }) => lockedClass(ranks.text, plan));
  return { format: "sluice-plan", version: 1, size, rank, units: sortedRecord(units), classes };
}

/** The text of a lock, one value a line, so that line-based tools show small differences. */
export function lockText(lock: object): string {
  return `${JSON.stringify(lock, undefined, 2)}\n`;
}

/** Requirements, needs and provided services show in membership and picks. */
const UNLOCKED = new Set([
  "name",
  "description",
  "priority",
  "provides",
  "requires",
  "needs",
  "disabled",
  "ranks",
]);

function lockedUnit(unit: Unit): UnitJson {
  const values = Object.entries(unitToJson(unit)).filter(
    ([key, value]) =>
      !UNLOCKED.has(key) &&
      !key.startsWith("needs-") &&
      key !== "runlevels" &&
      // Older locks do not have this key either.
      !((key === "optional" || key === "secret") && value === false) &&
      value !== null &&
      (typeof value !== "object" || Object.keys(value).length > 0),
  );
  return Object.fromEntries(
    values
      .map(
        ([key, value]) =>
          [key, isOrder(key) && Array.isArray(value) ? sortedNames(value) : sorted(value)] as const,
      )
      .sort(([a], [b]) => compareText(a, b)),
  );
}

function isOrder(key: string): boolean {
  return key === "after" || key === "before";
}

/** The order of names in a table has no meaning. */
function sorted(value: UnitJson[string]): UnitJson[string] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => compareText(a, b)));
}

function sortedNames(names: readonly string[]): readonly string[] {
  return [...new Set(names)].sort(compareText);
}

function lockedClass(ranks: string, plan: Plan): LockedClass {
  const planned = new Set(plan.steps.map(({ unit }) => unit.name));
  const picks = Array.from(plan.picks, ([service, unit]) => [service, unit.name] as const).filter(
    ([, unit]) => planned.has(unit),
  );
  const leftOut = Array.from(plan.leftOut, ([unit, reason]) => [unit, lockedReason(reason)] as const);
  return {
    ranks,
    steps: plan.steps.map(stepText),
    picks: sortedRecord(new Map(picks)),
    leftOut: sortedRecord(new Map(leftOut)),
  };
}

function stepText({ action, unit }: Step): string {
  return `${action} ${unit.name}`;
}

/** A reason without places in files, and without values that differ between ranks of one class. */
function lockedReason(reason: Reason): string {
  switch (reason.kind) {
    case "disabled":
      return "disabled";
    case "rank":
      return `not for this rank, but for ${reason.ranks}`;
    case "condition":
      return `condition ${reason.key} ${reason.condition}`;
    case "need":
      return `needs ${reason.need}`;
    case "set-aside":
      return `set aside for ${reason.service}: ${reason.missing} was missing`;
    case "other-provider":
      return `${reason.picked} was picked for ${reason.service}`;
    case "not-asked":
      return "not asked for";
  }
}

function sortedRecord<T>(entries: ReadonlyMap<string, T>): Record<string, T> {
  return Object.fromEntries([...entries].sort(([a], [b]) => compareText(a, b)));
}
