/** Keys whose values are lists, and which `KEY+` and `KEY-` edit (docs/design/planning.md §2). */
export const LIST_KEYS = [
  "provides",
  "requires",
  "needs",
  "after",
  "before",
  "needs-config",
  "needs-attrs",
  "needs-env",
  "args",
  "runlevels",
] as const;

/** One of {@link LIST_KEYS}. */
export type ListKey = (typeof LIST_KEYS)[number];

/** Keys that modules and tasks have, in the order of docs/design/planning.md §1. */
export const COMMON_KEYS = [
  "provides",
  "priority",
  "requires",
  "needs",
  "after",
  "before",
  "ranks",
  "needs-config",
  "needs-attrs",
  "needs-env",
  "disabled",
  "timeout",
  "description",
] as const;

/** Keys that only modules have. */
export const MODULE_KEYS = [
  "module",
  "args",
  "exec",
  "loader",
  "thread",
  "memory-limit",
  "on-failure",
] as const;

/** Keys that only tasks have. */
export const TASK_KEYS = ["command", "runlevels"] as const;

/** A key of a unit other than its name, as unit files spell it. */
export type UnitKey =
  (typeof COMMON_KEYS)[number] | (typeof MODULE_KEYS)[number] | (typeof TASK_KEYS)[number];

const listKeys: ReadonlySet<string> = new Set(LIST_KEYS);
const moduleKeys: ReadonlySet<string> = new Set(MODULE_KEYS);
const taskKeys: ReadonlySet<string> = new Set(TASK_KEYS);

/** Whether a unit of this kind has the key. */
export function isKeyOf(kind: "module" | "task", key: string): boolean {
  return !(kind === "module" ? taskKeys : moduleKeys).has(key);
}

/** `requires+` → append to `requires`; undefined if the key edits no list. */
export function listEditOf(key: string): { readonly key: ListKey; readonly op: "+" | "-" } | undefined {
  const op = key.at(-1);
  if (op !== "+" && op !== "-") return undefined;
  const base = key.slice(0, -1);
  return isListKey(base) ? { key: base, op } : undefined;
}

function isListKey(key: string): key is ListKey {
  return listKeys.has(key);
}

const unitKeys: ReadonlySet<string> = new Set([...COMMON_KEYS, ...MODULE_KEYS, ...TASK_KEYS]);

/** Whether a text is a key of units. */
export function isUnitKey(key: string): key is UnitKey {
  return unitKeys.has(key);
}
