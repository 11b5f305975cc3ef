import { keyText, valueText } from "./catalog-toml.js";

/** An edit of a list of a unit. */
export interface UnitUpdate {
  readonly unit: string;
  readonly key: string;
  /** `+` adds to the list, `-` removes from it. */
  readonly edit: "+" | "-";
  readonly values: readonly string[];
  /** Lines with the reason. */
  readonly comments: readonly string[];
  /** Whether the user decides: its lines are then comments. */
  readonly isProposed?: boolean | undefined;
}

/**
 * Edits of units as the lines of a unit file that comes after the files that define them. The edits of one unit stand
 * together.
 */
export function updatesToToml(updates: readonly UnitUpdate[]): string[] {
  return [...grouped(updates)].flatMap(([, group]) => {
    const [first] = group;
    if (first === undefined) return [];
    const mark = first.isProposed === true ? "# " : "";
    return ["", `${mark}[${keyText(first.unit)}]`, ...[...byKey(group)].flatMap((one) => lines(one, mark))];
  });
}

function lines([key, updates]: readonly [string, readonly UnitUpdate[]], mark: string): string[] {
  const values = [...new Set(updates.flatMap((update) => update.values))];
  const comments = updates.flatMap((update) => update.comments);
  return [
    ...comments.map((text) => `# ${text.replaceAll(/[\r\n]+/g, " ")}`),
    `${mark}${valueText(key)} = [${values.map(valueText).join(", ")}]`,
  ];
}

function grouped(updates: readonly UnitUpdate[]): Map<string, UnitUpdate[]> {
  return groupBy(updates, ({ unit, isProposed }) => `${unit} ${isProposed === true ? "proposed" : ""}`);
}

function byKey(updates: readonly UnitUpdate[]): Map<string, UnitUpdate[]> {
  return groupBy(updates, ({ key, edit }) => `${key}${edit}`);
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}
