import { expect, test } from "vitest";
import { planRound } from "../../bench/torture/schedule.mjs";

const SORTS = ["broker", "provider", "rank", "change", "switch", "freeze", "collect", "eio", "disk", "boot"];
const plan = (seed: string, number: number) => planRound({ seed, sorts: SORTS }, number);
const numbers = Array.from({ length: 200 }, (_, index) => index + 1);

test("a seed and a number make the same round each time, and other rounds otherwise", () => {
  for (const number of numbers) expect(plan("7", number)).toEqual(plan("7", number));
  expect(numbers.map((number) => plan("7", number))).not.toEqual(numbers.map((number) => plan("8", number)));
});

test("every sort leads one round in turn", () => {
  for (let turn = 0; turn < 20; turn++) {
    const leads = SORTS.map((_, index) => plan("7", turn * SORTS.length + index + 1).steps[0]?.sort);
    expect(leads.sort()).toEqual([...SORTS].sort());
  }
});

test("sorts that cannot be together are in no round together", () => {
  for (const number of numbers) {
    const sorts = plan("7", number).steps.map(({ sort }) => sort);
    if (sorts.includes("boot")) expect(sorts).toEqual(["boot"]);
    expect(sorts.includes("disk") && sorts.includes("switch")).toBe(false);
  }
});

test("both providers and every policy have their turn", () => {
  const plans = numbers.map((number) => plan("7", number)).filter(({ provider }) => provider !== undefined);
  expect(new Set(plans.map(({ provider }) => provider))).toEqual(
    new Set(["content-sqlite", "content-files"]),
  );
  expect(new Set(plans.map(({ policy }) => policy))).toEqual(new Set(["panic", "restart", "log", "nopanic"]));
});
