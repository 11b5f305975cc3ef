import type { UnitJson } from "../../units/index.js";
import type { LockedClass, PlanLock } from "./lock.js";

/** One difference between two plans. */
export type LockChange =
  | {
      readonly kind: "provider";
      readonly services: readonly string[];
      readonly from: string;
      readonly to: string;
    }
  | { readonly kind: "in"; readonly unit: string }
  | { readonly kind: "out"; readonly unit: string; readonly reason: string | null }
  | { readonly kind: "order"; readonly unit: string; readonly before: string }
  | {
      readonly kind: "key";
      readonly unit: string;
      readonly key: string;
      readonly from: string;
      readonly to: string;
    };

/** The difference, and its ranks; null for keys of units, which are the same on all ranks. */
export interface LockDifference {
  readonly ranks: string | null;
  readonly change: LockChange;
  /** The classes of ranks on the two sides where it was found first; null for keys of units. */
  readonly classes: { readonly before: string; readonly after: string } | null;
}

/**
 * The differences between two plans, in terms of units: providers, membership, order, and the keys that control how a unit
 * is run. A unit that is added or removed because of another pick is one difference, which is that of the pick.
 */
export function diffLocks(before: PlanLock, after: PlanLock): LockDifference[] {
  const found = new Map<string, Found>();
  for (const [ranks, old, fresh] of facingClasses(before, after)) {
    for (const change of diffClasses(old, fresh)) {
      const key = JSON.stringify(change);
      const known = found.get(key);
      const classes = { before: old.ranks, after: fresh.ranks };
      if (known === undefined) found.set(key, { change, ranks: new Set([ranks]), classes });
      else known.ranks.add(ranks);
    }
  }
  return [
    ...Array.from(found.values(), ({ ranks, ...rest }) => ({ ...rest, ranks: [...ranks].join(",") })),
    ...diffUnits(before.units, after.units).map((change) => ({ ranks: null, change, classes: null })),
  ];
}

interface Found {
  readonly change: LockChange;
  readonly ranks: Set<string>;
  readonly classes: LockDifference["classes"];
}

/** A difference in one line for people. */
export function differenceText({ ranks, change }: Pick<LockDifference, "ranks" | "change">): string {
  const where = ranks === null ? "" : `ranks ${ranks}: `;
  switch (change.kind) {
    case "provider":
      return `${where}${change.services.join(", ")}: ${change.to} instead of ${change.from}`;
    case "in":
      return `${where}${change.unit} is added`;
    case "out":
      return `${where}${change.unit} is removed${change.reason === null ? "" : `: ${change.reason}`}`;
    case "order":
      return `${where}${change.unit} now comes before ${change.before}`;
    case "key":
      return `${change.unit}.${change.key}: ${change.to} instead of ${change.from}`;
  }
}

/** Pairs of classes with the same ranks on both sides. Two plans of one rank each always form a pair. */
function facingClasses(before: PlanLock, after: PlanLock): [string, LockedClass, LockedClass][] {
  const [first] = before.classes;
  const [second] = after.classes;
  if (before.rank !== null && after.rank !== null && first !== undefined && second !== undefined) {
    const ranks = first.ranks === second.ranks ? first.ranks : `${first.ranks} → ${second.ranks}`;
    return [[ranks, first, second]];
  }
  const facing: [string, LockedClass, LockedClass][] = [];
  for (const old of before.classes) {
    const same = after.classes.find(({ ranks }) => ranks === old.ranks);
    if (same !== undefined) facing.push([old.ranks, old, same]);
    else for (const fresh of after.classes) if (overlap(old, fresh)) facing.push([old.ranks, old, fresh]);
  }
  return facing;
}

function overlap(a: LockedClass, b: LockedClass): boolean {
  const ranges = rangesOf(b.ranks);
  return rangesOf(a.ranks).some(([low, high]) => ranges.some(([other, end]) => low <= end && other <= high));
}

/** The ranges of an idset that `rankClasses` wrote. */
function rangesOf(ranks: string): [number, number][] {
  if (ranks === "all") return [[0, Infinity]];
  return ranks.split(",").map((part) => {
    const [low = 0, high = low] = part.split("-").map(Number);
    return [low, high];
  });
}

function diffClasses(old: LockedClass, fresh: LockedClass): LockChange[] {
  const providers = diffPicks(old, fresh);
  const told = new Set(providers.flatMap(({ from, to }) => [from, to]));
  const before = new Set(old.steps.map(unitOf));
  const after = new Set(fresh.steps.map(unitOf));
  const comesIn = [...after].filter((unit) => !before.has(unit) && !told.has(unit));
  const goesOut = [...before].filter((unit) => !after.has(unit) && !told.has(unit));
  return [
    ...providers,
    ...comesIn.map((unit): LockChange => ({ kind: "in", unit })),
    ...goesOut.map((unit): LockChange => ({ kind: "out", unit, reason: fresh.leftOut[unit] ?? null })),
    ...diffOrder(
      [...before].filter((unit) => after.has(unit)),
      [...after].filter((unit) => before.has(unit)),
    ),
  ];
}

type ProviderChange = Extract<LockChange, { kind: "provider" }>;

/** Services that change between the same two providers share a line. */
function diffPicks(old: LockedClass, fresh: LockedClass): ProviderChange[] {
  const groups = new Map<string, { services: string[]; from: string; to: string }>();
  for (const [service, from] of Object.entries(old.picks)) {
    const to = fresh.picks[service];
    // A service that no unit requests any longer has no provider to report.
    if (to === undefined || to === from) continue;
    const key = `${from} ${to}`;
    const group = groups.get(key) ?? { services: [], from, to };
    group.services.push(service);
    groups.set(key, group);
  }
  return Array.from(groups.values(), (group) => ({ kind: "provider", ...group }));
}

/** The first place where the order of the same units differs. */
function diffOrder(before: readonly string[], after: readonly string[]): LockChange[] {
  const place = after.findIndex((unit, i) => unit !== before[i]);
  const [unit, overtaken] = [after[place], before[place]];
  return unit === undefined || overtaken === undefined ? [] : [{ kind: "order", unit, before: overtaken }];
}

function diffUnits(
  before: Readonly<Record<string, UnitJson>>,
  after: Readonly<Record<string, UnitJson>>,
): LockChange[] {
  return Object.entries(before).flatMap(([unit, old]) => {
    const fresh = after[unit];
    if (fresh === undefined) return [];
    return [...new Set([...Object.keys(old), ...Object.keys(fresh)])]
      .map((key) => ({ key, from: JSON.stringify(old[key] ?? []), to: JSON.stringify(fresh[key] ?? []) }))
      .filter(({ from, to }) => from !== to)
      .map((change): LockChange => ({ kind: "key", unit, ...change }));
  });
}

function unitOf(step: string): string {
  return step.slice(step.indexOf(" ") + 1);
}
