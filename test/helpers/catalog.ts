import type { Origin } from "../../src/errors/index.js";
import type {
  Alternative,
  Catalog,
  Condition,
  ModuleUnit,
  RankSet,
  Runlevel,
  TaskUnit,
  Unit,
} from "../../src/units/index.js";

/** A unit as a test writes it: relations as lists of names, conditions as `key` or `!key`. */
export interface UnitLiteral {
  readonly name: string;
  readonly kind?: "module" | "task";
  readonly provides?: readonly string[];
  readonly priority?: number;
  readonly requires?: readonly string[];
  readonly needs?: readonly string[];
  readonly after?: readonly string[];
  readonly before?: readonly string[];
  /** `all`, one rank, `LOW-HIGH`, `>N` or `<N`. */
  readonly ranks?: string;
  readonly needsConfig?: readonly string[];
  readonly needsAttrs?: readonly string[];
  readonly needsEnv?: readonly string[];
  readonly disabled?: boolean;
  readonly args?: readonly string[];
  readonly runlevels?: readonly Runlevel[];
}

/** Service → unit, in the order set. */
export type AlternativeLiteral = readonly (readonly [service: string, unit: string])[];

/**
 * A catalog straight from literals, without files. Each unit stands on a line of its own of `units.toml`, its keys and
 * elements in columns of their own, so that origins differ.
 */
export function catalogOf(literals: readonly UnitLiteral[], alternatives: AlternativeLiteral = []): Catalog {
  const units = literals.map(unitOf);
  const providers = new Map<string, Unit[]>();
  for (const unit of units) {
    for (const service of new Set([unit.name, ...unit.provides])) {
      providers.set(service, [...(providers.get(service) ?? []), unit]);
    }
  }
  const byName = new Map(units.map((unit) => [unit.name, unit]));
  return {
    units,
    byName,
    providers,
    alternatives: alternatives.map(([service, unit], i) => alternativeOf(service, unit, i)),
    originOf: (unit, key, element) => {
      const line = byName.get(unit)?.order;
      return line === undefined ? undefined : place("units.toml", line + 1, columnOf(key, element));
    },
  };
}

function alternativeOf(service: string, unit: string, i: number): Alternative {
  return { service, unit, origin: place("alternatives.toml", i + 1, 1) };
}

/** Some column that is the same for the same key and element. */
function columnOf(key: string, element = ""): number {
  let sum = 1;
  for (const letter of `${key} ${element}`) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 997;
  return sum + 1;
}

export function place(file: string, line: number, column: number): Origin {
  return {
    label: `${file}:${line}:${column}`,
    location: { file, line, column, endLine: line, endColumn: column + 1 },
  };
}

function unitOf(literal: UnitLiteral, order: number): Unit {
  const common = {
    name: literal.name,
    provides: literal.provides ?? [],
    priority: literal.priority ?? 100,
    requires: literal.requires ?? [],
    needs: literal.needs ?? [],
    after: literal.after ?? [],
    before: literal.before ?? [],
    ranks: rankSetOf(literal.ranks ?? "all"),
    needsConfig: (literal.needsConfig ?? []).map(conditionOf),
    needsAttrs: (literal.needsAttrs ?? []).map(conditionOf),
    needsEnv: (literal.needsEnv ?? []).map(conditionOf),
    disabled: literal.disabled ?? false,
    timeoutMs: undefined,
    description: "",
    order,
  };
  if (literal.kind === "task") {
    const task: TaskUnit = {
      ...common,
      kind: "task",
      command: "true",
      runlevels: literal.runlevels ?? ["rc1"],
    };
    return task;
  }
  const module: ModuleUnit = {
    ...common,
    kind: "module",
    module: literal.name,
    args: literal.args ?? [],
    exec: false,
    loader: undefined,
    thread: "own",
    memoryLimitBytes: undefined,
    onFailure: "panic",
  };
  return module;
}

function conditionOf(text: string): Condition {
  return text.startsWith("!") ? { key: text.slice(1), negated: true } : { key: text, negated: false };
}

function rankSetOf(text: string): RankSet {
  if (text === "all") return { text, ranges: [[0, Infinity]] };
  if (text.startsWith(">")) return { text, ranges: [[Number(text.slice(1)) + 1, Infinity]] };
  if (text.startsWith("<")) return { text, ranges: [[0, Number(text.slice(1)) - 1]] };
  const [low, high = low] = text.split("-").map(Number);
  return { text, ranges: [[low ?? 0, high ?? 0]] };
}
