import type { Condition, ModuleUnit, TaskUnit, Unit } from "./types.js";

/** A value of {@link UnitJson}. */
export type UnitJsonValue = string | number | boolean | null | readonly string[];

/** A unit as plain data: every key that its kind has, spelled as in unit files. */
export type UnitJson = Readonly<Record<string, UnitJsonValue>>;

/**
 * A unit as `modprobe show` prints it (docs/design/cli.md §2): first `name`, `module` and `ranks`, then the other keys
 * in the order of docs/design/planning.md §1. Conditions, ranks and quantities are the texts of unit files; what has no
 * value is null.
 */
export function unitToJson(unit: Unit): UnitJson {
  switch (unit.kind) {
    case "module":
      return moduleToJson(unit);
    case "task":
      return taskToJson(unit);
  }
}

function moduleToJson(unit: ModuleUnit): UnitJson {
  const { name, module, args, exec, loader, thread, onFailure } = unit;
  return {
    name,
    module,
    ...commonToJson(unit),
    args,
    exec,
    loader: loader ?? null,
    thread,
    "memory-limit": unit.memoryLimitText ?? quantityText(unit.memoryLimitBytes, "B"),
    "on-failure": onFailure,
  };
}

function taskToJson(unit: TaskUnit): UnitJson {
  const { name, command, runlevels } = unit;
  return { name, ...commonToJson(unit), command: command ?? null, runlevels };
}

function commonToJson(unit: Unit): UnitJson {
  const { provides, priority, requires, needs, after, before, disabled, description } = unit;
  return {
    ranks: unit.ranks.text,
    provides,
    priority,
    requires,
    needs,
    after,
    before,
    "needs-config": unit.needsConfig.map(conditionText),
    "needs-attrs": unit.needsAttrs.map(conditionText),
    "needs-env": unit.needsEnv.map(conditionText),
    disabled,
    timeout: unit.timeoutText ?? quantityText(unit.timeoutMs, "ms"),
    description,
  };
}

function conditionText({ key, negated }: Condition): string {
  return negated ? `!${key}` : key;
}

/** Of a unit that was made without text. */
function quantityText(value: number | undefined, unit: string): string | null {
  if (value === undefined) return null;
  return value === Infinity ? "infinity" : `${value}${unit}`;
}
