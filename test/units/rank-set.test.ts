import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  formatRankSet,
  MAX_RANK,
  parseRankSet,
  type RankSet,
  rankSetHas,
  rankSetOf,
} from "../../src/units/index.js";

function parse(text: string): RankSet {
  const parsed = parseRankSet(text);
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.value;
}

describe("a set of ranks", () => {
  test.each([
    ["all", [[0, MAX_RANK]]],
    ["0", [[0, 0]]],
    ["[0]", [[0, 0]]],
    [
      "0-3,7",
      [
        [0, 3],
        [7, 7],
      ],
    ],
    [
      "[0-3,7]",
      [
        [0, 3],
        [7, 7],
      ],
    ],
    [
      "0-1,2-3",
      [
        [0, 1],
        [2, 3],
      ],
    ],
    [">0", [[1, MAX_RANK]]],
    ["<4", [[0, 3]]],
    ["<0", []],
    [`>${MAX_RANK}`, []],
    [`${MAX_RANK}`, [[MAX_RANK, MAX_RANK]]],
  ])("reads %s", (text, ranges) => {
    expect(parse(text)).toEqual({ text, ranges });
  });

  test.each([
    "",
    " ",
    "[]",
    "[0",
    "0]",
    "0-0",
    "3-1",
    "1,1",
    "2,1",
    "0-3,3",
    "0-3,2-5",
    "01",
    "00",
    "-1",
    "1-",
    "-",
    ",",
    "1,",
    ",1",
    "1,,2",
    "1-2-3",
    "1 , 2",
    " 1",
    "+1",
    "1.0",
    "1e3",
    "0x1",
    "=0",
    ">x",
    ">",
    "<",
    ">=1",
    "> x",
    "> -1",
    "> 01",
    ">\n1",
    "= 1",
    ">-1",
    "ALL",
    "all,1",
    `${MAX_RANK + 1}`,
    "99999999999",
    "٣",
    "0\n",
    "[[0]]",
  ])("refuses %j", (text) => {
    const parsed = parseRankSet(text);
    expect(parsed.ok).toBe(false);
    expect(parsed.ok ? "" : parsed.message).toContain("invalid idset");
  });

  test.each([
    ["> 0", ">0"],
    ["<  4", "<4"],
    [">\t7", ">7"],
  ])("fault-F7: %j means %s", (text, same) => {
    expect(parse(text)).toEqual(parse(same));
  });

  test("is refused in a few words, however long it is", () => {
    const parsed = parseRankSet("0,".repeat(1_000_000));
    expect(parsed.ok ? 0 : parsed.message.length).toBeLessThan(100);
    expect(parsed.ok).toBe(false);
  });

  test.each([
    ["0-1,2-3", "0-3"],
    ["[5]", "5"],
    ["0,1,2", "0-2"],
    ["all", "all"],
    [`0-${MAX_RANK}`, "all"],
    [">4", ">4"],
    [`5-${MAX_RANK}`, ">4"],
    ["<4", "0-3"],
    ["<0", ""],
  ])("%s is written %j", (text, canonical) => {
    expect(formatRankSet(parse(text))).toBe(canonical);
  });

  const ranks = fc.uniqueArray(fc.integer({ min: 0, max: 200 }), { minLength: 1, maxLength: 60 });

  test("holds the ranks it was made of, and no others", () => {
    fc.assert(
      fc.property(ranks, (members) => {
        const naive = new Set(members);
        const set = rankSetOf([...members].sort((a, b) => a - b));
        const back = parse(set.text);
        expect(back.ranges).toEqual(set.ranges);
        for (let rank = 0; rank <= 202; rank++) {
          expect(rankSetHas(back, rank)).toBe(naive.has(rank));
        }
      }),
    );
  });

  test("means the same after it is written and read again", () => {
    const term = fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 3 }));
    fc.assert(
      fc.property(fc.array(term, { minLength: 1, maxLength: 20 }), (terms) => {
        let next = 0;
        const parts = terms.map(([gap, length]) => {
          const low = next + gap;
          next = low + length + 1;
          return length === 0 ? `${low}` : `${low}-${low + length}`;
        });
        const set = parse(parts.join(","));
        const again = parse(formatRankSet(set));
        expect(formatRankSet(again)).toBe(formatRankSet(set));
        for (let rank = 0; rank <= next + 1; rank++)
          expect(rankSetHas(again, rank)).toBe(rankSetHas(set, rank));
      }),
    );
  });

  test("is refused or read, whatever the text", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom("0", "1", "9", ",", "-", "[", "]", "<", ">", "a") }),
        (text) => {
          const parsed = parseRankSet(text);
          if (!parsed.ok) return;
          let previous = -1;
          for (const [low, high] of parsed.value.ranges) {
            expect(low).toBeGreaterThan(previous);
            expect(high).toBeGreaterThanOrEqual(low);
            previous = high;
          }
        },
      ),
    );
  });
});
