import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PairList } from "../../src/graph/csr.js";
import { LOST_NEED, ORPHANED, dropUnsupported } from "../../src/graph/drop-unsupported.js";
import { runs } from "../helpers/property-runs.js";

const NODES = 14;

/** Pairs of nodes: what requires what, what needs what; the first node is held. */
const pairs = fc.array(fc.tuple(fc.nat(NODES - 1), fc.nat(NODES - 1)), { maxLength: 34 });

type Pairs = readonly (readonly [number, number])[];

function reachable(asks: Pairs, living: ReadonlySet<number>): Set<number> {
  const reached = new Set<number>(living.has(0) ? [0] : []);
  for (const node of reached) {
    for (const [from, to] of asks) if (from === node && living.has(to)) reached.add(to);
  }
  return reached;
}

/** The same by passes: all that lost a need at once until none is left, then all orphans at once, and so on. */
function naive(asks: Pairs, needs: Pairs): Map<number, number> {
  const living = reachable(asks, new Set(Array.from({ length: NODES }, (_, node) => node)));
  const fates = new Map<number, number>();
  for (let before = -1; before !== fates.size;) {
    before = fates.size;
    for (;;) {
      const lost = [...living].filter((node) => needs.some(([from, to]) => from === node && !living.has(to)));
      for (const node of lost) {
        living.delete(node);
        fates.set(node, LOST_NEED);
      }
      if (lost.length === 0) break;
    }
    const reached = reachable(asks, living);
    for (const node of [...living].filter((one) => !reached.has(one))) {
      living.delete(node);
      fates.set(node, ORPHANED);
    }
  }
  return fates;
}

function csrOf(list: Pairs, turned = false) {
  const collected = new PairList();
  for (const [from, to] of list) collected.add(turned ? to : from, turned ? from : to);
  return collected.toCsr(NODES);
}

describe("shrinking", () => {
  test("removes from any graph, rings and all, what passes would remove, for the same cause", () => {
    const seen = new Set<number>();
    fc.assert(
      fc.property(
        pairs,
        fc.array(fc.tuple(fc.nat(NODES - 1), fc.nat(NODES - 1)), { maxLength: 8 }),
        (asks, needs) => {
          const everything = new Set(Array.from({ length: NODES }, (_, node) => node));
          const included = new Uint8Array(NODES);
          for (const node of reachable(asks, everything)) included[node] = 1;
          const held = new Uint8Array(NODES);
          held[0] = 1;
          const { fate } = dropUnsupported({
            asks: () => csrOf(asks),
            included,
            held,
            needers: csrOf(needs, true),
            groups: csrOf(Array.from({ length: NODES }, (_, node) => [node, node] as const)),
            inexhaustible: new Uint8Array(NODES),
            exempt: new Uint8Array(NODES),
          });
          const expected = naive(asks, needs);
          for (const value of expected.values()) seen.add(value);
          expect([...fate]).toEqual(Array.from({ length: NODES }, (_, node) => expected.get(node) ?? 0));
        },
      ),
      runs(2000),
    );
    expect(seen).toEqual(new Set([LOST_NEED, ORPHANED]));
  });
});
