import type { Origin } from "../../src/errors/index.js";
import {
  type Alternative,
  type Catalog,
  type Condition,
  makeModule,
  parseRankSet,
  type RankSet,
  type Runlevel,
  type Unit,
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
  readonly ranks?: string;
  readonly needsConfig?: readonly string[];
  readonly needsAttrs?: readonly string[];
  readonly needsEnv?: readonly string[];
  readonly disabled?: boolean;
  readonly args?: readonly string[];
  readonly groups?: readonly string[];
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
    const services = unit.provides.length === 0 ? [unit.name] : new Set([unit.name, ...unit.provides]);
    for (const service of services) {
      const known = providers.get(service);
      if (known === undefined) providers.set(service, [unit]);
      else known.push(unit);
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

/** Shared, as catalogs of 200,000 units are made of it. */
const NONE: readonly never[] = [];

/** What a module has where a literal says nothing. */
const A_MODULE = makeModule({ name: "", order: 0, settings: {} });

function unitOf(literal: UnitLiteral, order: number): Unit {
  const common = {
    name: literal.name,
    provides: literal.provides ?? NONE,
    priority: literal.priority ?? 100,
    requires: literal.requires ?? NONE,
    needs: literal.needs ?? NONE,
    after: literal.after ?? NONE,
    before: literal.before ?? NONE,
    ranks: rankSet(literal.ranks ?? "all"),
    needsConfig: literal.needsConfig?.map(conditionOf) ?? NONE,
    needsAttrs: literal.needsAttrs?.map(conditionOf) ?? NONE,
    needsEnv: literal.needsEnv?.map(conditionOf) ?? NONE,
    disabled: literal.disabled ?? false,
    timeoutMs: undefined,
    description: "",
    optional: false,
    secret: false,
    groups: literal.groups ?? NONE,
    order,
  };
  if (literal.kind === "task") {
    return { ...common, kind: "task", command: "true", runlevels: literal.runlevels ?? ["rc1"] };
  }
  return {
    ...A_MODULE,
    ...common,
    module: literal.name,
    args: literal.args ?? NONE,
  };
}

function conditionOf(text: string): Condition {
  return text.startsWith("!") ? { key: text.slice(1), negated: true } : { key: text, negated: false };
}

function rankSet(text: string): RankSet {
  const parsed = parseRankSet(text);
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.value;
}
