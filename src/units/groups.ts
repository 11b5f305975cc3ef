import { isName } from "./names.js";
import type { Catalog, Unit } from "./types.js";

/** Stands before the name of a group, in a list of names of units. No name of a unit starts with it. */
const MARK = "@";

/** `web` → `@web`. */
export function groupReference(group: string): string {
  return `${MARK}${group}`;
}

/** `@web` → `web`; undefined for a name of a unit or service. */
export function groupNamed(name: string): string | undefined {
  return name.startsWith(MARK) ? name.slice(MARK.length) : undefined;
}

/** Whether a text may stand for the units of a group. */
export function isGroupReference(text: string): boolean {
  return isName(groupNamed(text) ?? "");
}

/** The units of a group, in load order; empty for an unknown group. */
export function unitsOfGroup({ units }: Catalog, group: string): Unit[] {
  return units.filter(({ groups }) => groups.includes(group));
}

/** The names of all groups, sorted. */
export function groupNames({ units }: Catalog): string[] {
  return [...new Set(units.flatMap(({ groups }) => groups))].sort();
}

/**
 * Names, with the units of each group in place of `@GROUP` (docs/design/planning.md §6). An unknown group
 * keeps its place.
 * @param isMeant whether a unit of a group is meant; default: each of them
 */
export function withGroups(
  catalog: Catalog,
  names: readonly string[],
  isMeant: (unit: Unit) => boolean = () => true,
): readonly string[] {
  if (!names.some((name) => groupNamed(name) !== undefined)) return names;
  const all = names.flatMap((name) => {
    const group = groupNamed(name);
    const units = group === undefined ? [] : unitsOfGroup(catalog, group);
    return units.length === 0 ? [name] : units.filter(isMeant).map((unit) => unit.name);
  });
  return [...new Set(all)];
}
