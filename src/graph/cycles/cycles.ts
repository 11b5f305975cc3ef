import type { Diagnostic, Origin, Related } from "../../errors/index.js";
import { type CatalogIndex, unitAt, WILDCARD } from "../catalog-index.js";
import { chordlessCycle } from "./chordless-cycle.js";
import { cyclicComponents } from "./component-graph.js";
import { stronglyConnected } from "../components.js";
import type { OrderGraph } from "../edges.js";
import { feedbackEdges } from "./feedback.js";

/** One relation that makes an edge: `after = ["kvs"]` of `cron`. */
interface EdgeSource {
  readonly unit: string;
  readonly key: "after" | "before";
  /** The element of the list: a unit, a service, or `*`. */
  readonly name: string;
  readonly origin: Origin | undefined;
}

/** `from` comes before `to` because of each of the sources. */
interface Edge {
  readonly from: string;
  readonly to: string;
  readonly sources: readonly EdgeSource[];
}

/** One strongly connected component of the order (docs/design/planning.md §5.3). */
export interface Cycle {
  /** A chordless cycle: each edge starts where the one before it ends. */
  readonly edges: readonly Edge[];
  /** How many units are in the component. */
  readonly unitCount: number;
  /** Edges, minimal by inclusion, whose removal opens the component; at most the first thousand. */
  readonly cut: readonly Edge[];
  readonly cutCount: number;
}

/**
 * All components of the order that hold a cycle, by their first unit in load order.
 * @param ordered nodes that have a place in the order, and so belong to no cycle
 * @param isReversed as in `buildEdges`
 */
export function findCycles(
  index: CatalogIndex,
  graph: OrderGraph,
  ordered: Uint32Array,
  isReversed: Uint8Array,
): Cycle[] {
  const included = new Uint8Array(graph.nodeCount).fill(1);
  for (const node of ordered) included[node] = 0;
  const components = stronglyConnected(graph.edges, included);
  return cyclicComponents(graph, components).map((component) => {
    const unitOf = (number: number): number => graph.units[component.nodes[number] ?? 0] ?? 0;
    const edge = (from: number, to: number): Edge => explainEdge(index, unitOf(from), unitOf(to), isReversed);
    const cycle = chordlessCycle(component);
    const { edges: cut, total } = feedbackEdges(component);
    return {
      edges: cycle.map((from, i) => edge(from, cycle[(i + 1) % cycle.length] ?? from)),
      unitCount: component.unitCount,
      cut: cut.map(([from, to]) => edge(from, to)),
      cutCount: total,
    };
  });
}

/** Searches again for the cause of an edge. Edges do not store it, because there are many edges and few errors. */
function explainEdge(index: CatalogIndex, from: number, to: number, isReversed: Uint8Array): Edge {
  const sources = [
    ...sourcesOf(index, to, from, isReversed[to] === 1 ? "before" : "after", isReversed),
    ...sourcesOf(index, from, to, isReversed[from] === 1 ? "after" : "before", isReversed),
  ];
  return { from: unitAt(index, from).name, to: unitAt(index, to).name, sources };
}

/** The names in a list of one unit that refer to the other. */
function sourcesOf(
  index: CatalogIndex,
  owner: number,
  other: number,
  key: "after" | "before",
  isReversed: Uint8Array,
): EdgeSource[] {
  const unit = unitAt(index, owner);
  const mirrored = isReversed[owner] === isReversed[other] ? key : key === "after" ? "before" : "after";
  const otherUnit = unitAt(index, other);
  const provided = new Set([otherUnit.name, ...otherUnit.provides]);
  // A wildcard refers to every unit without the same wildcard. A reversed unit has it in the other key.
  if (!otherUnit[mirrored].includes(WILDCARD)) provided.add(WILDCARD);
  return [...new Set(unit[key])]
    .filter((name) => provided.has(name))
    .map((name) => ({
      unit: unit.name,
      key,
      name,
      origin: index.catalog.originOf(unit.name, key, name),
    }));
}

/** Names shown in the message. The rest is in `related`. */
const NAMES_SHOWN = 20;
/** Edges shown in the hint. */
const CUTS_SHOWN = 10;

/** A cycle as an error: every edge with its key and origin, and the relations to remove. */
export function cycleDiagnostic(cycle: Cycle): Diagnostic {
  const related = cycle.edges.flatMap(edgeNotes);
  return {
    code: "GRAPH_CYCLE",
    severity: "error",
    message: `nodes are in a cycle: ${describeRound(cycle)}`,
    location: related[0]?.location,
    related,
    hint: `to break the cycle, remove ${describeCut(cycle)}`,
  };
}

function describeRound({ edges, unitCount }: Cycle): string {
  const names = edges.map(({ from }) => from);
  const shown = names.slice(0, NAMES_SHOWN);
  const left = names.length - shown.length;
  const round = [...shown, ...(left > 0 ? [`… (${left} more)`] : []), ...names.slice(0, 1)].join(" → ");
  return unitCount === edges.length ? round : `${round} (one of several cycles among ${unitCount} units)`;
}

function edgeNotes({ from, to, sources }: Edge): Related[] {
  return sources.map((source) => {
    const location = source.origin?.location;
    const place = location === undefined && source.origin !== undefined ? ` (${source.origin.label})` : "";
    return { message: `${from} comes before ${to}: ${describeSource(source)}${place}`, location };
  });
}

function describeSource({ unit, key, name }: EdgeSource): string {
  return `${key} = ["${name}"] of ${unit}`;
}

function describeCut({ cut, cutCount }: Cycle): string {
  const shown = cut.slice(0, CUTS_SHOWN).map(({ from, to, sources }) => {
    const causes = sources.map(
      (source) =>
        `${describeSource(source)}${source.origin === undefined ? "" : ` (${source.origin.label})`}`,
    );
    return `${causes.join(" and ")}, which puts ${from} before ${to}`;
  });
  const left = cutCount - shown.length;
  return [...shown, ...(left > 0 ? [`and ${left} more`] : [])].join("; ");
}
