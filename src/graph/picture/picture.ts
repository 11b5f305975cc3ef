import { groupNamed, unitsOfGroup } from "../../units/index.js";
import { type CatalogIndex, indexOf, unitId } from "../catalog-index.js";
import { reasonText } from "../reason-text.js";
import { impliedEdges } from "./reduction.js";
import { directPredecessors } from "../show-deps.js";
import type { Plan } from "../types.js";

/** A unit in a picture. */
export interface PictureNode {
  readonly name: string;
  readonly kind: "module" | "task";
  /** Why the plan leaves the unit out; undefined for a planned unit. */
  readonly leftOut: string | undefined;
  /** Services that this unit serves and that other units provide too. */
  readonly serves: readonly string[];
}

/** For `order`, `from` comes before `to`. `requires`, `needs`: `from` names a service that `to` provides. */
export interface PictureEdge {
  readonly from: string;
  readonly to: string;
  readonly relation: "order" | "requires" | "needs";
}

/** A service with several providers, for which the plan picks one of its units. */
export interface PictureService {
  readonly service: string;
  readonly picked: string;
  /** The other providers in load order. */
  readonly others: readonly string[];
}

/** A picture of a plan, as data for all formats. */
export interface Picture {
  /** The unit whose neighbours the picture shows; undefined for a whole plan. */
  readonly centre: string | undefined;
  readonly nodes: readonly PictureNode[];
  readonly edges: readonly PictureEdge[];
  readonly services: readonly PictureService[];
}

/**
 * A plan as a picture: planned units in canonical order, then the units that it leaves out. The picture has
 * only the orders that do not follow from others.
 * @param around only this unit, the provider of this service or the units of this `@GROUP`, and the direct
 *   neighbours
 * @returns undefined if no unit has that name
 */
export function pictureOf(plan: Plan, around?: string): Picture | undefined {
  const index = indexOf(plan.catalog);
  const services = contestedServices(plan);
  const nodes = nodesOf(plan, services);
  const edges = [...orderEdges(plan), ...askEdges(plan, index)];
  if (around === undefined) return { centre: undefined, nodes, edges, services };
  const centres = unitsAround(plan, index, around);
  const [first] = centres;
  if (first === undefined) return undefined;
  const near = new Set(centres);
  for (const { from, to } of edges) {
    if (centres.has(from)) near.add(to);
    if (centres.has(to)) near.add(from);
  }
  return {
    centre: groupNamed(around) === undefined ? first : undefined,
    nodes: nodes.filter(({ name }) => near.has(name)),
    edges: edges.filter(({ from, to }) => near.has(from) && near.has(to)),
    services: services.filter(({ picked }) => near.has(picked)),
  };
}

function unitsAround(plan: Plan, index: CatalogIndex, name: string): ReadonlySet<string> {
  const group = groupNamed(name);
  if (group !== undefined) {
    return new Set(unitsOfGroup(plan.catalog, group).map((unit) => unit.name));
  }
  const unit = unitId(index, name) >= 0 ? name : plan.explain(name)?.unit;
  return new Set(unit === undefined ? [] : [unit]);
}

function contestedServices({ leftOut, catalog, picks }: Plan): PictureService[] {
  return Array.from(picks).flatMap(([service, picked]) => {
    const providers = catalog.providers.get(service) ?? [];
    if (providers.length < 2 || leftOut.has(picked.name)) return [];
    const others = providers.filter((unit) => unit.name !== picked.name).map(({ name }) => name);
    return [{ service, picked: picked.name, others }];
  });
}

function nodesOf({ steps, leftOut, catalog }: Plan, services: readonly PictureService[]): PictureNode[] {
  const serves = new Map<string, string[]>();
  for (const { service, picked } of services) {
    const known = serves.get(picked);
    if (known === undefined) serves.set(picked, [service]);
    else known.push(service);
  }
  const planned = steps.map(({ unit }): PictureNode => {
    return { name: unit.name, kind: unit.kind, leftOut: undefined, serves: serves.get(unit.name) ?? [] };
  });
  const out = Array.from(leftOut, ([name, reason]): PictureNode => {
    return {
      name,
      kind: catalog.byName.get(name)?.kind ?? "module",
      leftOut: reasonText(reason),
      serves: [],
    };
  });
  return [...planned, ...out];
}

/** The direct predecessors that are not also indirect ones. */
function orderEdges(plan: Plan): PictureEdge[] {
  const predecessors = directPredecessors(plan);
  const implied = impliedEdges(predecessors);
  const nameOf = (step: number): string => plan.steps[step]?.unit.name ?? "";
  const edges: PictureEdge[] = [];
  for (let step = 0; step < predecessors.rowCount; step++) {
    for (let e = predecessors.start(step); e < predecessors.end(step); e++) {
      if (implied[e] === 1) continue;
      edges.push({ from: nameOf(predecessors.item(e)), to: nameOf(step), relation: "order" });
    }
  }
  return edges;
}

/** Requirements go to the pick. Needs go to each planned provider, or if no provider is planned, to all left-out ones. */
function askEdges({ steps, leftOut, picks, catalog }: Plan, index: CatalogIndex): PictureEdge[] {
  const inPicture = new Set([...steps.map(({ unit }) => unit.name), ...leftOut.keys()]);
  return index.units.flatMap((unit) => {
    if (!inPicture.has(unit.name)) return [];
    const required = unit.requires.flatMap(
      (name) => picks.get(name)?.name ?? catalog.providers.get(name)?.at(-1)?.name ?? [],
    );
    const needed = unit.needs.flatMap((name) => {
      const providers = (catalog.providers.get(name) ?? []).map((provider) => provider.name);
      const planned = providers.filter((provider) => !leftOut.has(provider));
      return planned.length > 0 ? planned : providers;
    });
    return [...edgesTo(unit.name, required, "requires"), ...edgesTo(unit.name, needed, "needs")];
  });
}

function edgesTo(from: string, targets: readonly string[], relation: PictureEdge["relation"]): PictureEdge[] {
  return [...new Set(targets)].filter((to) => to !== from).map((to) => ({ from, to, relation }));
}
