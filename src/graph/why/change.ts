import {
  type Alternative,
  type Catalog,
  configGet,
  type ConfigTable,
  formatRankSet,
  mergeConfig,
  parseRankSet,
  type RankSet,
  type Unit,
} from "../../units/index.js";
import { catalogWith } from "../catalog-with.js";
import type { Facts } from "../types.js";

/** A change by the user that may bring a unit into a plan: one fact, one key of one unit, one root. */
export type Change =
  /** `U.disabled = false`. */
  | { readonly kind: "enable"; readonly unit: string }
  /** Sets the value that a condition needs, or unsets it. */
  | {
      readonly kind: "fact";
      readonly key: "needs-config" | "needs-attrs" | "needs-env";
      readonly name: string;
      readonly set: boolean;
    }
  /** The unit becomes a root. */
  | { readonly kind: "load"; readonly unit: string }
  /** `alternatives.S = "U"`. */
  | { readonly kind: "alternative"; readonly service: string; readonly unit: string }
  /** `U.ranks` with this rank added. */
  | { readonly kind: "ranks"; readonly unit: string; readonly ranks: string }
  /** The plan of another rank. */
  | { readonly kind: "rank"; readonly rank: number }
  /** `U."needs-" = […]`. */
  | { readonly kind: "drop-needs"; readonly unit: string; readonly needs: readonly string[] }
  /** `context.enable("U")`, which overrides `disabled`, `ranks` and all conditions. */
  | { readonly kind: "force"; readonly unit: string };

/** The inputs of the plan of a start. */
export interface StartInput {
  readonly catalog: Catalog;
  readonly facts: Facts;
  readonly roots: readonly string[];
  readonly enabled: readonly string[];
}

/** The inputs of the plan of a start after the change. A new value; a pure function. */
export function applyChange(input: StartInput, change: Change): StartInput {
  const { catalog, facts, roots, enabled } = input;
  switch (change.kind) {
    case "enable":
      return editUnit(input, change.unit, (unit) => ({ ...unit, disabled: false }));
    case "fact":
      return { ...input, facts: applyFact(facts, change) };
    case "load":
      return { ...input, roots: [...roots, change.unit] };
    case "alternative": {
      const { service, unit } = change;
      const chosen: Alternative = { service, unit, origin: { label: "the change", location: undefined } };
      const others = catalog.alternatives.filter((alternative) => alternative.service !== service);
      return { ...input, catalog: catalogWith(catalog, catalog.units, [...others, chosen]) };
    }
    case "ranks":
      return editUnit(input, change.unit, (unit) => ({ ...unit, ranks: rankSetFrom(change.ranks) }));
    case "rank":
      return { ...input, facts: { ...facts, rank: change.rank } };
    case "drop-needs": {
      const dropped = new Set(change.needs);
      return editUnit(input, change.unit, (unit) => ({
        ...unit,
        needs: unit.needs.filter((need) => !dropped.has(need)),
      }));
    }
    case "force":
      return { ...input, enabled: [...enabled, change.unit] };
  }
}

/** A rank added to a set, in the canonical text. */
export function withRank({ ranges }: RankSet, rank: number): string {
  const alone = [rank, rank] as const;
  const place = ranges.findIndex(([low]) => low > rank);
  const at = place < 0 ? ranges.length : place;
  return formatRankSet({ ranges: [...ranges.slice(0, at), alone, ...ranges.slice(at)] });
}

function editUnit(input: StartInput, name: string, edit: (unit: Unit) => Unit): StartInput {
  const units = input.catalog.units.map((unit) => (unit.name === name ? edit(unit) : unit));
  return { ...input, catalog: catalogWith(input.catalog, units) };
}

function rankSetFrom(text: string): RankSet {
  const parsed = parseRankSet(text);
  if (!parsed.ok) throw new TypeError(parsed.message);
  return parsed.value;
}

/** The value of a fact for which any value is enough. */
const SET = "1";

function applyFact(facts: Facts, { key, name, set }: Extract<Change, { kind: "fact" }>): Facts {
  switch (key) {
    case "needs-config":
      return { ...facts, config: set ? setConfig(facts.config, name) : unsetConfig(facts.config, name) };
    case "needs-attrs": {
      const others = Object.entries(facts.attrs).filter(([attr]) => attr !== name);
      return { ...facts, attrs: Object.fromEntries(set ? [...others, [name, SET]] : others) };
    }
    case "needs-env":
      return { ...facts, env: { ...facts.env, [name]: set ? SET : undefined } };
  }
}

/** Sets a dotted key. A table replaces a plain value on the way to it. */
function setConfig(config: ConfigTable, name: string): ConfigTable {
  const [first = name, ...deeper] = name.split(".").reverse();
  let table: ConfigTable = { [first]: true };
  for (const part of deeper) table = { [part]: table };
  return mergeConfig(config, table);
}

/** Removes a dotted key, but not the keys around it. */
function unsetConfig(config: ConfigTable, name: string): ConfigTable {
  const parts = name.split(".");
  const innermost = parts.length - 1;
  let inner: ConfigTable | undefined;
  for (let depth = innermost; depth >= 0; depth--) {
    const part = parts[depth] ?? "";
    const around = depth === 0 ? config : configGet(config, parts.slice(0, depth).join("."));
    const others = Object.entries(around ?? {}).filter(([key]) => key !== part);
    inner = Object.fromEntries(inner === undefined ? others : [...others, [part, inner]]);
  }
  return inner ?? config;
}
