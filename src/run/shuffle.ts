import type { Dag } from "../graph/index.js";
import { Frontier } from "./frontier.js";

/**
 * The order in which a run takes ready steps, in place of the longest path first (docs/design/planning.md §7). The
 * relations of the units still apply.
 */
export type Shuffle =
  | { readonly kind: "seed"; readonly text: string; readonly seed: number }
  /** The first of these that is ready. All others come after. */
  | { readonly kind: "order"; readonly text: string; readonly units: readonly string[] };

/** A shuffle from a seed. */
export function seeded(seed: number): Shuffle {
  return { kind: "seed", text: String(seed), seed };
}

/**
 * The weights by which a {@link Frontier} gives steps in the order of a shuffle. The order of a seed depends on the
 * seed and the name of the unit alone. So another unit in the plan does not change the order of the others.
 * @param names of the steps, by their numbers
 */
export function shuffleWeights(names: readonly string[], shuffle: Shuffle): Float64Array {
  if (shuffle.kind === "seed") return Float64Array.from(names, (name) => hashOf(name, shuffle.seed));
  const { units } = shuffle;
  const weightOf = new Map(units.map((name, place) => [name, units.length - place]));
  return Float64Array.from(names, (name) => weightOf.get(name) ?? 0);
}

/** The steps of a plan in the order of a run with one step at a time. */
export function oneByOne(dag: Dag, weights: Float64Array): number[] {
  const frontier = new Frontier(dag, weights);
  const order: number[] = [];
  for (let step = frontier.take(); step !== undefined; step = frontier.take()) {
    order.push(step);
    frontier.pass(step);
  }
  return order;
}

/** FNV-1a over the name, with a start value from the seed, then the finalizer of MurmurHash3. */
function hashOf(name: string, seed: number): number {
  let hash = mixed(seed ^ 0x811c9dc5) ^ mixed(Math.floor(seed / 2 ** 32));
  for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
  return mixed(hash);
}

function mixed(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
