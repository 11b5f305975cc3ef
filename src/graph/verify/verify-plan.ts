import type { Diagnostic } from "../../errors/index.js";
import type { Catalog, Unit } from "../../units/index.js";
import { indexOf, type CatalogIndex, serviceName, unitAt, unitsNamed } from "../catalog-index.js";
import { reachedFrom } from "../reached.js";
import type { Plan } from "../types.js";

/** How many chains it checks, because each check walks over the plan. */
const WALKS = 500;

/**
 * Warnings GRAPH_ORDER_BROKEN: the order of two planned units depends on a third. The plan leaves out that
 * third unit. The two therefore have no order.
 */
export function orderWarnings(plan: Plan): Diagnostic[] {
  const found: Diagnostic[] = [];
  const steps = new Map(plan.steps.map(({ unit }, step) => [unit.name, step]));
  const index = indexOf(plan.catalog);
  const neighbours = absentNeighbours(plan, index);
  let walks = 0;
  for (const [absent, { earlier, later }] of neighbours) {
    if (earlier.size === 0 || later.size === 0) continue;
    for (const before of earlier) {
      if (walks++ >= WALKS) return found;
      const reached = reachedFrom(plan, steps.get(before) ?? 0);
      for (const after of later) {
        if (after === before || reached[steps.get(after) ?? 0] === 1) continue;
        // The opposite order would cause a cycle as soon as the unit is in the plan.
        found.push(brokenChain(plan.catalog, before, absent, after));
      }
    }
  }
  return found;
}

interface Neighbours {
  readonly earlier: Set<string>;
  readonly later: Set<string>;
}

/** For each unit that is left out, the planned units that would come right before it and right after it. */
function absentNeighbours({ steps, leftOut }: Plan, index: CatalogIndex): Map<string, Neighbours> {
  const neighbours = new Map<string, Neighbours>();
  const of = (name: string): Neighbours => {
    const known = neighbours.get(name) ?? { earlier: new Set<string>(), later: new Set<string>() };
    neighbours.set(name, known);
    return known;
  };
  const planned = new Set(steps.map(({ unit }) => unit.name));
  for (const [id, unit] of index.units.entries()) {
    for (const [rows, isAfter] of [
      [index.after, true],
      [index.before, false],
    ] as const) {
      for (const service of rows.row(id)) {
        for (const provider of index.providers.row(service)) {
          const other = unitAt(index, provider).name;
          const [earlier, later] = isAfter ? [other, unit.name] : [unit.name, other];
          if (leftOut.has(later) && planned.has(earlier)) of(later).earlier.add(earlier);
          if (leftOut.has(earlier) && planned.has(later)) of(earlier).later.add(later);
        }
      }
    }
  }
  return neighbours;
}

function brokenChain(catalog: Catalog, before: string, absent: string, after: string): Diagnostic {
  const key = catalog.byName.get(after)?.after.includes(absent) === true ? "after" : "name";
  return {
    code: "GRAPH_ORDER_BROKEN",
    severity: "warning",
    message: `nothing orders ${after} after ${before}: ${absent}, which is between them, is left out`,
    location: catalog.originOf(after, key, key === "after" ? absent : undefined)?.location,
    related: [{ message: `${absent} is defined here`, location: catalog.originOf(absent, "name")?.location }],
    hint: `if the order matters, add: ${after}."after+" = ["${before}"]`,
  };
}

/**
 * Warnings UNIT_UNREACHED: a unit that no request needs, neither directly nor through any provider of a requested
 * service.
 * @param roots names of units and services that any phase requests
 */
export function unreachedWarnings(catalog: Catalog, roots: readonly string[]): Diagnostic[] {
  const index = indexOf(catalog);
  const reached = new Set(roots.flatMap((name) => [...unitsNamed(index, name), ...providersOf(index, name)]));
  // The user may request a group at any time.
  for (const [id, { groups }] of index.units.entries()) if (groups.length > 0) reached.add(id);
  for (const unit of reached) {
    for (const service of index.requires.row(unit)) {
      for (const provider of index.providers.row(service)) reached.add(provider);
    }
  }
  return index.units.flatMap((unit: Unit, id) => (reached.has(id) ? [] : [unreached(catalog, unit)]));
}

function providersOf(index: CatalogIndex, name: string): number[] {
  const service = index.serviceIds.get(name);
  if (service === undefined || serviceName(index, service) !== name) return [];
  return [...index.providers.row(service)];
}

function unreached(catalog: Catalog, { name }: Unit): Diagnostic {
  return {
    code: "UNIT_UNREACHED",
    severity: "warning",
    message: `${name} is in no plan: no rc file loads it, and no loaded unit requires it`,
    location: catalog.originOf(name, "name")?.location,
    related: [],
    hint: `load = ["${name}"] in a file of rc1.d, or in requires of another unit`,
  };
}
