import { PairList } from "../csr.js";
import type { Picture, PictureEdge } from "./picture.js";
import { impliedEdges } from "./reduction.js";

/**
 * A picture without the `requires` and `needs` that follow from others of their kind. For example, a unit requires
 * kvs if it requires a unit that requires kvs. It leaves out only requests of planned units for units that come
 * before them in canonical order. The other cases are rare, and may be circular.
 */
export function withoutImpliedAsks(picture: Picture): Picture {
  const places = new Map<string, number>();
  for (const { name, leftOut } of picture.nodes) if (leftOut === undefined) places.set(name, places.size);
  const implied = new Set([
    ...impliedOf(picture.edges, "requires", places),
    ...impliedOf(picture.edges, "needs", places),
  ]);
  return { ...picture, edges: picture.edges.filter((edge) => !implied.has(edge)) };
}

function impliedOf(
  edges: readonly PictureEdge[],
  relation: PictureEdge["relation"],
  places: ReadonlyMap<string, number>,
): PictureEdge[] {
  const candidates = edges.filter((edge) => {
    const asker = places.get(edge.from);
    const asked = places.get(edge.to);
    return edge.relation === relation && asker !== undefined && asked !== undefined && asked < asker;
  });
  // Rows first hold numbers of edges, so that each edge can be found again.
  const byAsker = new PairList();
  for (const [i, { from }] of candidates.entries()) byAsker.add(places.get(from) ?? 0, i);
  const rows = byAsker.toCsr(places.size);
  const edgeAt = (item: number): PictureEdge[] => candidates.slice(item, item + 1);
  const implied = impliedEdges(rows.mapped((item) => places.get(candidates[item]?.to ?? "") ?? 0));
  return [...rows.items].flatMap((item, e) => (implied[e] === 1 ? edgeAt(item) : []));
}
