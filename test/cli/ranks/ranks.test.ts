import { describe, expect, test } from "vitest";
import { ExitError } from "../../../src/cli/terminal/output.js";
import { bracketed, labelled, ranksIn, without } from "../../../src/cli/ranks/ranks.js";
import { parseRankSet, type RankSet } from "../../../src/units/index.js";

function setOf(text: string): RankSet {
  const parsed = parseRankSet(text);
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.value;
}

describe("ranks of an instance of 4", () => {
  test.each([
    ["all", [0, 1, 2, 3]],
    ["0-1,3", [0, 1, 3]],
    [">1", [2, 3]],
    ["<2", [0, 1]],
    ["[1-2]", [1, 2]],
  ])("%s", (text, ranks) => {
    expect(ranksIn(setOf(text), 4)).toEqual(ranks);
  });

  test.each([
    ["4", "rank 4: "],
    ["2-6,8", "ranks 4-6,8: "],
    ["0-4294967294", "ranks >3: "],
    [">3", ">3 has no rank of this instance, which has ranks 0-3"],
  ])("%s is refused, naming what is not there", (text, said) => {
    expect(() => ranksIn(setOf(text), 4, 68)).toThrow(said);
    let status: number | undefined;
    try {
      ranksIn(setOf(text), 4, 68);
    } catch (error) {
      if (error instanceof ExitError) status = error.status;
    }
    expect(status).toBe(68);
  });
});

test("excluded ranks are left out", () => {
  expect(without([0, 1, 2, 3], setOf("1-2,9"))).toEqual([0, 3]);
  expect(without([0, 1], undefined)).toEqual([0, 1]);
});

test("several ranks are shown in brackets, one is not", () => {
  expect([bracketed([0, 1, 2, 5]), bracketed([7])]).toEqual(["[0-2,5]", "7"]);
});

test("lines are labelled only where several ranks have answered", () => {
  expect(labelled([{ rank: 3, value: 1 }], String)).toEqual(["1"]);
  expect(labelled([{ rank: undefined, value: 1 }], String)).toEqual(["1"]);
  expect(
    labelled(
      [
        { rank: 0, value: 1 },
        { rank: 3, value: 2 },
      ],
      String,
    ),
  ).toEqual(["0: 1", "3: 2"]);
});
