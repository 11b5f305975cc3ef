import { type CatalogIndex, indexOf, unitId } from "./catalog-index.js";
import { reasonText } from "./reason-text.js";
import { directPredecessors } from "./show-deps.js";
import type { Plan } from "./types.js";

/** A unit in a picture. */
export interface PictureNode {
  readonly name: string;
  readonly kind: "module" | "task";
  /** Why it is left out; undefined if it is planned. */
  readonly leftOut: string | undefined;
  /** Services that it serves and others provide too. */
  readonly serves: readonly string[];
}

/** `order`: `from` comes before `to`. `requires`, `needs`: `from` asks for what `to` provides. */
export interface PictureEdge {
  readonly from: string;
  readonly to: string;
  readonly relation: "order" | "requires" | "needs";
}

/** What is to be drawn of a plan: data for all the formats. */
export interface Picture {
  readonly nodes: readonly PictureNode[];
  readonly edges: readonly PictureEdge[];
}

/**
 * A plan as a picture: planned units in canonical order, then those that are left out; of the order only what does not
 * follow from the rest of it.
 * @param around only this unit, or the provider of this service, and what is one relation away
 * @returns undefined if nothing has that name
 */
export function pictureOf(plan: Plan, around?: string): Picture | undefined {
  const index = indexOf(plan.catalog);
  const nodes = nodesOf(plan);
  const edges = [...orderEdges(plan), ...askEdges(plan, index)];
  if (around === undefined) return { nodes, edges };
  const centre = unitId(index, around) >= 0 ? around : plan.explain(around)?.unit;
  if (centre === undefined) return undefined;
  const near = new Set([centre]);
  for (const { from, to } of edges) {
    if (from === centre) near.add(to);
    if (to === centre) near.add(from);
  }
  return {
    nodes: nodes.filter(({ name }) => near.has(name)),
    edges: edges.filter(({ from, to }) => near.has(from) && near.has(to)),
  };
}

function nodesOf({ steps, leftOut, catalog, picks }: Plan): PictureNode[] {
  const serves = new Map<string, string[]>();
  for (const [service, { name }] of picks) {
    if ((catalog.providers.get(service)?.length ?? 0) < 2) continue;
    serves.set(name, [...(serves.get(name) ?? []), service]);
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

/**
 * The direct predecessors that are not also indirect ones. Steps are in canonical order, so that what comes before a
 * step is known when it is looked at; a set of bits each.
 */
function orderEdges(plan: Plan): PictureEdge[] {
  const predecessors = directPredecessors(plan);
  const words = Math.ceil(plan.steps.length / 32);
  const reached: Uint32Array[] = [];
  const edges: PictureEdge[] = [];
  for (const [step, { unit }] of plan.steps.entries()) {
    const before = new Uint32Array(words);
    // The nearest first: it covers all that lies before it.
    for (const previous of [...predecessors.row(step)].sort((a, b) => b - a)) {
      if (hasBit(before, previous)) continue;
      edges.push({ from: plan.steps[previous]?.unit.name ?? "", to: unit.name, relation: "order" });
      const further = reached[previous];
      for (let word = 0; word < words; word++) before[word] = (before[word] ?? 0) | (further?.[word] ?? 0);
      before[previous >>> 5] = (before[previous >>> 5] ?? 0) | (1 << (previous & 31));
    }
    reached.push(before);
  }
  return edges;
}

function hasBit(bits: Uint32Array, place: number): boolean {
  return (((bits[place >>> 5] ?? 0) >>> (place & 31)) & 1) === 1;
}

/** Requirements go to the pick; needs to each planned provider, or where there is none, to all that are left out. */
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
