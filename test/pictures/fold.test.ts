import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { PictureEdge, PictureNode } from "../../src/graph/index.js";
import { BoxGraph } from "../../src/pictures/boxes.js";
import { setEndsApart } from "../../src/pictures/ends.js";
import { fold } from "../../src/pictures/fold.js";
import { boxLeftOut } from "../../src/pictures/left-out.js";
import type { UnitLiteral } from "../helpers/catalog.js";
import { pictureOfUnits, readSheet, svgOf } from "./pictures.js";

type Pair = readonly [from: number, to: number];

function graphOf(count: number, order: readonly Pair[], asks: readonly Pair[] = []): BoxGraph {
  const nodes = Array.from({ length: count }, (_, i): PictureNode => {
    return { name: `u${i}`, kind: "module", leftOut: undefined, serves: [] };
  });
  const edge = (relation: PictureEdge["relation"], [from, to]: Pair): PictureEdge => {
    return { from: `u${from}`, to: `u${to}`, relation };
  };
  return BoxGraph.of({
    nodes,
    edges: [...order.map((pair) => edge("order", pair)), ...asks.map((pair) => edge("requires", pair))],
  });
}

function chain(count: number): Pair[] {
  return Array.from({ length: count - 1 }, (_, i) => [i, i + 1]);
}

function contents({ boxes }: BoxGraph): { readonly kind: string; readonly count: number }[] {
  return boxes.map(({ kind, members }) => ({ kind, count: members.length }));
}

describe("folding", () => {
  test("leaves up to 120 units alone", () => {
    expect(fold(graphOf(120, chain(120)), undefined, "as-needed").boxes).toHaveLength(120);
  });

  test("makes one box of a chain, and of units with the same relations to the same others", () => {
    expect(contents(fold(graphOf(500, chain(500)), undefined, "as-needed"))).toEqual([
      { kind: "chain", count: 500 },
    ]);
    const star = Array.from({ length: 499 }, (_, i): Pair => [0, i + 1]);
    const asks = star.filter(([, to]) => to % 2 === 0).map(([from, to]): Pair => [to, from]);
    const folded = fold(graphOf(500, star, asks), "u0", "as-needed");
    expect(contents(folded)).toEqual([
      { kind: "unit", count: 1 },
      { kind: "alike", count: 250 },
      { kind: "alike", count: 249 },
    ]);
    expect(folded.ties().map(({ relations }) => relations.map(({ relation }) => relation))).toEqual([
      ["order"],
      ["order", "requires"],
    ]);
  });

  test("keeps the unit that the picture is about in a box of its own", () => {
    const folded = fold(graphOf(500, chain(500)), "u250", "as-needed");
    expect(contents(folded).map(({ count }) => count)).toEqual([250, 1, 249]);
  });

  test("draws a box a level where nothing else helps, and bands of levels where there are many", () => {
    // Each level of ten is tied to the next all across, but for one unit each, so that no two are alike.
    const ladder = (levels: number): Pair[] =>
      Array.from({ length: (levels - 1) * 100 }, (_, i): Pair => {
        const [level, from, to] = [Math.floor(i / 100), Math.floor(i / 10) % 10, i % 10];
        return [level * 10 + from, (level + 1) * 10 + to];
      }).filter(([from, to]) => from % 10 !== to % 10 || from % 10 === 0);
    const few = fold(graphOf(300, ladder(30)), undefined, "as-needed");
    expect(contents(few)).toEqual(Array.from({ length: 30 }, () => ({ kind: "level", count: 10 })));
    expect(few.ties().map(({ first, then }) => [first, then])).toEqual(chain(30));
    const many = fold(graphOf(5000, ladder(500)), undefined, "as-needed");
    expect(many.boxes.length).toBeLessThanOrEqual(40);
    expect(many.ties()).toHaveLength(many.boxes.length - 1);
  });

  test("keeps each unit in one box, runs no line backward, and is bounded", () => {
    const edges = fc.integer({ min: 2, max: 600 }).chain((count) =>
      fc.record({
        count: fc.constant(count),
        pairs: fc.array(fc.tuple(fc.nat(count - 1), fc.nat(count - 1)), { maxLength: 1500 }),
      }),
    );
    fc.assert(
      fc.property(edges, fc.boolean(), ({ count, pairs }, byLevel) => {
        const order = pairs.filter(([from, to]) => from < to);
        const asks = pairs.filter(([from, to]) => from > to);
        const folded = fold(graphOf(count, order, asks), "u1", byLevel ? "levels" : "as-needed");
        const names = folded.boxes.flatMap(({ members }) => members.map(({ name }) => name));
        expect(names.toSorted()).toEqual(Array.from({ length: count }, (_, i) => `u${i}`).toSorted());
        for (const { first, then, relations } of folded.ties()) {
          expect(first).toBeLessThan(then);
          expect(relations.length).toBeGreaterThan(0);
        }
        expect(folded.boxes.length).toBeLessThanOrEqual(300);
        expect(folded.tieCount).toBeLessThanOrEqual(700);
      }),
      { numRuns: 100 },
    );
  });

  test("says in its box how many there are and which", async () => {
    const units = Array.from({ length: 130 }, (_, i): UnitLiteral => {
      return { name: `u${i}`, kind: i % 10 === 0 ? "task" : "module", after: i === 0 ? [] : [`u${i - 1}`] };
    });
    const { cards } = readSheet(await svgOf(pictureOfUnits(units)));
    expect(cards.map(({ texts }) => texts.map(({ text }) => text))).toEqual([
      ["117 modules, 13 tasks in a row", "u0 → u1 → u2 → u3", "→ u4 … and 125 more"],
    ]);
    expect(cards[0]?.title).toContain("u129");
  });
});

describe("units at the ends", () => {
  test("are those that come after all the rest, or before, and have no other relation", () => {
    const order: Pair[] = [1, 2, 3, 4].flatMap((unit): Pair[] => [
      [0, unit],
      [unit, 5],
      [unit, 6],
    ]);
    const names = (boxes: BoxGraph["boxes"]) =>
      boxes.flatMap(({ members }) => members.map(({ name }) => name));
    const both = setEndsApart(graphOf(7, order));
    expect([both.first, both.graph.boxes, both.last].map(names)).toEqual([
      ["u0"],
      ["u1", "u2", "u3", "u4"],
      ["u5", "u6"],
    ]);
    const asking = setEndsApart(graphOf(7, order, [[6, 1]]));
    // The two are not ordered against each other, so that neither comes after all that is left.
    expect(names(asking.last)).toEqual([]);
    const beside = setEndsApart(graphOf(8, order));
    expect([...beside.first, ...beside.last]).toEqual([]);
  });
});

describe("units that are left out", () => {
  const out = (name: string, leftOut: string): PictureNode => ({ name, kind: "module", leftOut, serves: [] });

  test("have a box each up to 40, then one for each reason", () => {
    const few = Array.from({ length: 40 }, (_, i) => out(`u${i}`, "not asked for"));
    expect(boxLeftOut(few)).toHaveLength(40);
    const many = [...few, ...few.map(({ name }) => out(`${name}x`, "disabled"))];
    expect(boxLeftOut(many).map(({ members }) => members.length)).toEqual([40, 40]);
  });

  test("with too many reasons share a box for the rarest", () => {
    const boxes = boxLeftOut(Array.from({ length: 100 }, (_, i) => out(`u${i}`, `reason ${i >> 1}`)));
    expect(boxes).toHaveLength(41);
    expect(boxes.at(-1)).toMatchObject({ kind: "mixed", members: { length: 20 } });
  });
});
