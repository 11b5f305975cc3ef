import { type LoadedModule, plan, type PlanRequest } from "../../src/graph/index.js";
import type { Unit } from "../../src/units/index.js";
import { type AlternativeLiteral, catalogOf, type UnitLiteral } from "../helpers/catalog.js";
import { runs } from "../helpers/property-runs.js";
import { FACTS } from "./arbitrary.js";

export const RUNS = runs(400);

/** Loaded modules by name; `!` behind a name marks it explicit. */
export function running(...names: string[]): LoadedModule[] {
  return names.map((name) => ({ name: name.replace("!", ""), services: [], explicit: name.endsWith("!") }));
}

export interface RequestContext {
  readonly loaded?: readonly LoadedModule[];
  readonly alternatives?: AlternativeLiteral;
  /** Of the instance. */
  readonly size?: number;
}

/** The result of a request at rank 0. */
export function request(units: readonly UnitLiteral[], asked: PlanRequest, context: RequestContext = {}) {
  const catalog = catalogOf(units, context.alternatives);
  return plan(catalog, {
    request: asked,
    facts: { ...FACTS, size: context.size ?? FACTS.size },
    loaded: context.loaded,
  });
}

/** Those that are modules. */
export function moduleNames(units: readonly UnitLiteral[]): string[] {
  return units.filter(({ kind }) => kind !== "task").map(({ name }) => name);
}

/** Whether a unit is named so or provides it. */
export const provides = (unit: Unit, service: string): boolean =>
  unit.name === service || unit.provides.includes(service);
