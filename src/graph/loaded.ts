import { type Catalog, makeModule, type ModuleUnit } from "../units/index.js";
import { type CatalogIndex, indexOf } from "./catalog-index.js";
import { catalogWith } from "./catalog-with.js";
import { buildEdges } from "./edges.js";
import type { LoadedModule, LoadOrder, Plan } from "./types.js";

/** The running modules, by the numbers of an index. */
export interface LoadedIndex {
  /** Unit → 1 if it runs. */
  readonly units: Uint8Array;
  /** Service → 1 if a running module provides it, known to the catalog or not. */
  readonly services: Uint8Array;
  /** Service → units that registered it without declaring it. */
  readonly undeclared: ReadonlyMap<number, readonly number[]>;
}

export function indexLoaded(index: CatalogIndex, loaded: readonly LoadedModule[]): LoadedIndex {
  const units = new Uint8Array(index.unitCount);
  const services = new Uint8Array(index.serviceCount);
  const undeclared = new Map<number, number[]>();
  for (const module of loaded) {
    const unit = knownModule(index.catalog, module.name);
    const id = unit === undefined ? undefined : index.serviceIds.get(unit.name);
    if (id !== undefined) {
      units[id] = 1;
      for (const service of index.provides.row(id)) services[service] = 1;
    }
    for (const name of [module.name, ...module.services]) {
      const service = index.serviceIds.get(name);
      if (service === undefined) continue;
      services[service] = 1;
      if (id === undefined || index.provides.row(id).includes(service)) continue;
      const others = undeclared.get(service);
      if (others === undefined) undeclared.set(service, [id]);
      else others.push(id);
    }
  }
  return { units, services, undeclared };
}

/** The module unit of a loaded module; undefined for a module that the catalog lacks. */
export function knownModule(catalog: Catalog, name: string): ModuleUnit | undefined {
  const unit = catalog.byName.get(name);
  return unit?.kind === "module" ? unit : undefined;
}

/** A unit for a loaded module that the catalog lacks, so that a plan can remove it like any other. */
function unitOfForeignModule({ name, services, timeoutMs }: LoadedModule, order: number): ModuleUnit {
  return { ...makeModule({ name, order, settings: { provides: services } }), timeoutMs };
}

/**
 * A catalog that contains only the running modules, in load order, with foreign ones last. Its services are the
 * declared and the registered ones, so that "the providers" of a service are its loaded providers.
 */
export function loadedCatalog(catalog: Catalog, loaded: readonly LoadedModule[]): Catalog {
  const known: { module: LoadedModule; unit: ModuleUnit }[] = [];
  const strangers: LoadedModule[] = [];
  for (const module of loaded) {
    const unit = knownModule(catalog, module.name);
    if (unit === undefined) strangers.push(module);
    else known.push({ module, unit });
  }
  known.sort((a, b) => a.unit.order - b.unit.order);
  const units = [
    ...known.map(({ module, unit }) => ({ ...unit, provides: [...unit.provides, ...module.services] })),
    ...strangers.map((module, i) => unitOfForeignModule(module, catalog.units.length + i)),
  ];
  return catalogWith(catalog, units);
}

/**
 * The catalog with units for loaded modules that it lacks. A unit of a loaded module replaces a task of the same
 * name.
 */
export function withForeignModules(catalog: Catalog, strangers: readonly LoadedModule[]): Catalog {
  if (strangers.length === 0) return catalog;
  const added = strangers.map((module, i) => unitOfForeignModule(module, catalog.units.length + i));
  const names = new Set(added.map(({ name }) => name));
  return catalogWith(catalog, [...catalog.units.filter(({ name }) => !names.has(name)), ...added]);
}

/**
 * The order of the modules that a plan loads, relative to each other and to the loaded ones
 * (docs/design/planning.md §6).
 * @param loaded the modules that run before the plan does
 */
export function loadOrder(plan: Plan, loaded: readonly LoadedModule[]): LoadOrder {
  const { catalog, steps, dag } = plan;
  const known = loaded.filter(({ name }) => knownModule(catalog, name) !== undefined);
  if (known.length === 0) {
    const nodes = Array.from({ length: dag.nodeCount }, (_, node) => {
      const step = steps[node];
      return step?.action === "load" ? step.unit.name : "";
    });
    return { nodes, offsets: dag.offsets, targets: dag.targets };
  }
  const index = indexOf(catalog);
  const names = new Set([...steps.map(({ unit }) => unit.name), ...known.map(({ name }) => name)]);
  const ids: number[] = [];
  for (const [id, unit] of index.units.entries()) if (names.has(unit.name)) ids.push(id);
  const graph = buildEdges(index, Uint32Array.from(ids), new Uint8Array(index.unitCount));
  const nodes = Array.from({ length: graph.nodeCount }, (_, node) => {
    const unit = index.units[ids[node] ?? -1];
    return node < ids.length && unit?.kind === "module" ? unit.name : "";
  });
  return { nodes, offsets: graph.edges.offsets, targets: graph.edges.items };
}
