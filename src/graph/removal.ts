import { type Diagnostic, fail, type Result, succeed } from "../errors/index.js";
import { type Catalog, groupNamed, unitsOfGroup } from "../units/index.js";
import { type CatalogIndex, indexOf, unitAt, unitId } from "./catalog-index.js";
import { RowList } from "./csr.js";
import { knownModule, loadedCatalog } from "./loaded.js";
import { pickProviders } from "./pick.js";
import { dropUnsupported, STAYED } from "./drop-unsupported.js";
import { unknownNameErrors } from "./request-names.js";
import { catalogChoices, indexAlternatives, type Situation } from "./situation.js";
import type { LoadedModule, PlanRequest } from "./types.js";

/** The modules of an explicit removal. */
export interface Removal {
  /** Contains only the loaded modules. */
  readonly index: CatalogIndex;
  /** Units of that index, ascending. */
  readonly going: Uint32Array;
}

/**
 * `remove M…` (docs/design/planning.md §6). A module stays if explicit modules other than M reach it over `requires`.
 * M goes, and with it every loaded module that does not stay. Loaded modules that the catalog lacks stay unless
 * named, because their users are unknown.
 *
 * @returns errors GRAPH_NOT_LOADED, GRAPH_IN_USE, and GRAPH_UNKNOWN_NAME for an unknown group
 */
export function planRemoval(
  catalog: Catalog,
  loaded: readonly LoadedModule[],
  request: Extract<PlanRequest, { kind: "remove" }>,
): Result<Removal> {
  const index = indexOf(loadedCatalog(catalog, loaded));
  const isKnown = (unit: number): boolean => knownModule(catalog, unitAt(index, unit).name) !== undefined;
  const named = new Set<number>();
  const missing: Diagnostic[] = [];
  if (request.modules === "all") {
    for (let unit = 0; unit < index.unitCount; unit++) if (isKnown(unit)) named.add(unit);
  } else {
    for (const name of new Set(request.modules)) {
      const units =
        groupNamed(name) === undefined ? providerNamed(index, name) : running(index, catalog, name);
      if (!units.ok) missing.push(...units.diagnostics);
      else for (const unit of units.value) named.add(unit);
    }
  }
  if (missing.length > 0) return fail(missing);

  const explicit = new Set(loaded.filter((module) => module.explicit).map(({ name }) => name));
  const held = Uint8Array.from(index.units, (unit, id) =>
    Number(!named.has(id) && (explicit.has(unit.name) || !isKnown(id))),
  );
  const staying = whatStays(index, named, held);
  if (request.recursive) removeUsers(index, named, held, staying);
  else {
    const inUse = stillInUse(index, named, staying);
    if (inUse.length > 0) return fail(inUse);
  }
  const going = Uint32Array.from(index.units.keys()).filter((unit) => staying[unit] === 0);
  return succeed({ index, going });
}

function providerNamed(index: CatalogIndex, name: string): Result<readonly number[]> {
  const unit = loadedProvider(index, name);
  return unit < 0 ? notLoaded(`module ${name} is not loaded`) : succeed([unit]);
}

/** The running modules of `@GROUP`. */
function running(index: CatalogIndex, catalog: Catalog, name: string): Result<readonly number[]> {
  const group = groupNamed(name) ?? "";
  const units = unitsOfGroup(catalog, group);
  if (units.length === 0) return fail(unknownNameErrors(catalog, [{ name, origin: undefined }]));
  const modules = units.filter(({ kind }) => kind === "module").map((unit) => unitId(index, unit.name));
  const loaded = modules.filter((unit) => unit >= 0);
  return loaded.length === 0 ? notLoaded(`no module of group ${group} is loaded`) : succeed(loaded);
}

function notLoaded(message: string): Result<never> {
  return fail([{ code: "GRAPH_NOT_LOADED", severity: "error", message, related: [] }]);
}

/** The unit of that name, else the running provider that would be picked; -1 without either. */
function loadedProvider(index: CatalogIndex, name: string): number {
  const unit = unitId(index, name);
  if (unit >= 0) return unit;
  const service = index.serviceIds.get(name);
  if (service === undefined) return -1;
  const everything = new Uint8Array(index.unitCount).fill(1);
  return pickProviders(runningSituation(index), everything)[service] ?? -1;
}

/** A catalog of the running modules, without any condition against them. */
function runningSituation(index: CatalogIndex): Situation {
  return {
    index,
    blocked: new Uint8Array(index.unitCount),
    exempt: new Uint8Array(index.unitCount),
    loaded: new Uint8Array(index.unitCount),
    served: new Uint8Array(index.serviceCount),
    servedBy: new Map(),
    lastResort: new Uint8Array(index.unitCount),
    alternatives: indexAlternatives(index, catalogChoices(index)),
    followsLoaded: true,
    roots: { units: [], services: [] },
  };
}

/**
 * All units that the held units reach over `requires`, through any loaded provider. The way leads through no named
 * unit.
 */
function whatStays(index: CatalogIndex, named: ReadonlySet<number>, held: Uint8Array): Uint8Array {
  const staying = held.slice();
  const reached = [...held.keys()].filter((unit) => held[unit] === 1);
  // The walk visits a service with many requirers once.
  const walked = new Uint8Array(index.serviceCount);
  for (const unit of reached) {
    for (const service of index.requires.row(unit)) {
      if (walked[service] === 1) continue;
      walked[service] = 1;
      for (const provider of index.providers.row(service)) {
        if (staying[provider] === 1 || named.has(provider)) continue;
        staying[provider] = 1;
        reached.push(provider);
      }
    }
  }
  return staying;
}

/** `M still in use by A, B` for each named M that alone has a service which a staying module requires. */
function stillInUse(index: CatalogIndex, named: ReadonlySet<number>, staying: Uint8Array): Diagnostic[] {
  const requirers = index.requires.reversed(index.serviceCount);
  const served = new Uint8Array(index.serviceCount);
  for (let unit = 0; unit < index.unitCount; unit++) {
    if (staying[unit] === 1) for (const service of index.provides.row(unit)) served[service] = 1;
  }
  const errors: Diagnostic[] = [];
  for (const unit of named) {
    const users = new Set<number>();
    for (const service of index.provides.row(unit)) {
      if (served[service] === 1) continue;
      for (const user of requirers.row(service)) if (staying[user] === 1) users.add(user);
    }
    if (users.size === 0) continue;
    const names = [...users].sort((a, b) => a - b).map((user) => unitAt(index, user).name);
    errors.push({
      code: "GRAPH_IN_USE",
      severity: "error",
      message: `${unitAt(index, unit).name} still in use by ${names.join(", ")}`,
      related: [],
      hint: "--recursive also removes these units",
    });
  }
  return errors;
}

/**
 * Removes from `staying` the users of the named modules, the users of those users, and the units that no
 * other unit then requests. Services are nodes too, behind the units: a unit requests a service, which
 * requests each of its providers. So the number of edges is a sum of users and providers, not their product.
 */
function removeUsers(
  index: CatalogIndex,
  named: ReadonlySet<number>,
  held: Uint8Array,
  staying: Uint8Array,
): void {
  const { unitCount, serviceCount } = index;
  const nodeCount = unitCount + serviceCount;
  const asks = new RowList();
  const needs = new RowList();
  const groups = new RowList();
  const included = new Uint8Array(nodeCount);
  for (let unit = 0; unit < unitCount; unit++) {
    included[unit] = staying[unit] ?? 0;
    for (const service of index.requires.row(unit)) {
      asks.add(unitCount + service);
      if (staying[unit] === 1) included[unitCount + service] = 1;
      // A requirement that was never loaded does not count as missing.
      if (index.providers.count(service) > 0) needs.add(service);
    }
    for (const service of index.provides.row(unit)) groups.add(service);
    for (const rows of [asks, needs, groups]) rows.endRow();
  }
  for (let service = 0; service < serviceCount; service++) {
    for (const provider of index.providers.row(service)) if (!named.has(provider)) asks.add(provider);
    for (const rows of [asks, needs, groups]) rows.endRow();
  }
  const { fate } = dropUnsupported({
    asks: () => asks.toCsr(),
    included,
    held: Uint8Array.from({ length: nodeCount }, (_, node) => held[node] ?? 0),
    needers: needs.toCsr().reversed(serviceCount),
    groups: groups.toCsr(),
    inexhaustible: new Uint8Array(serviceCount),
    exempt: new Uint8Array(nodeCount),
  });
  for (let unit = 0; unit < unitCount; unit++) if (fate[unit] !== STAYED) staying[unit] = 0;
}
