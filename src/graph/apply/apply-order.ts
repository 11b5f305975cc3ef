import type { LoadOrder, Plan } from "../types.js";

/**
 * The order of a plan's loads, in which each follower comes after the unit that it follows. If the plan has the
 * opposite order, the plan's order applies.
 * @param follows pairs: a unit and its follower
 */
export function orderWithFollowers(
  { steps, dag }: Plan,
  follows: readonly (readonly [source: string, follower: string])[],
): LoadOrder {
  const nodes = Array.from({ length: dag.nodeCount }, (_, node) => {
    const step = steps[node];
    return step?.action === "load" ? step.unit.name : "";
  });
  if (follows.length === 0) return { nodes, offsets: dag.offsets, targets: dag.targets };
  const rows = nodes.map((_, node) => [...dag.targets.subarray(dag.offsets[node], dag.offsets[node + 1])]);
  const nodeOf = new Map(nodes.map((name, node) => [name, node]));
  for (const [source, follower] of follows) {
    const [from, to] = [nodeOf.get(source), nodeOf.get(follower)];
    if (from === undefined || to === undefined || reaches(rows, to, from)) continue;
    rows[from]?.push(to);
  }
  const offsets = new Uint32Array(rows.length + 1);
  for (const [node, row] of rows.entries()) offsets[node + 1] = (offsets[node] ?? 0) + row.length;
  return { nodes, offsets, targets: Uint32Array.from(rows.flat()) };
}

function reaches(rows: readonly (readonly number[])[], from: number, to: number): boolean {
  const seen = new Set([from]);
  const open = [from];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (node === to) return true;
    for (const next of rows[node] ?? []) {
      if (seen.has(next)) continue;
      seen.add(next);
      open.push(next);
    }
  }
  return false;
}
