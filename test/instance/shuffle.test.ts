import { describe, expect, test } from "vitest";
import { shuffleStarts } from "../../src/analysis/index.js";
import { seeded } from "../../src/run/index.js";
import { Broker } from "../../dist/index.js";
import { planted, stackOf } from "./support/catalogs.js";
import { Starts } from "./support/recorded-start.js";

const UNITS = 8;
const SEEDS = 20;

describe("shuffled starts of real modules", () => {
  test("find the missing relation within 20 seeds, in at least 9 of 10 catalogs", async () => {
    let found = 0;
    for (let start = 1; start <= 10; start++) {
      const { asks, ...catalog } = planted(start, UNITS);
      const starts = new Starts(catalog);
      for (let seed = 1; seed <= SEEDS; seed++) {
        const { failure } = await starts.start(seeded(seed));
        if (failure === undefined) continue;
        // It fails for nothing else than what was planted.
        expect(failure.unit).toBe(asks);
        found++;
        break;
      }
    }
    expect(found).toBeGreaterThanOrEqual(9);
  });

  test("need one seed in each catalog, as what messages show to be luck is tried first", async () => {
    for (let start = 1; start <= 10; start++) {
      const { asks, asked, ...catalog } = planted(start, UNITS);
      const starts = new Starts(catalog);
      const host = { attempt: starts.start.bind(starts), onTried: () => undefined };
      const verdict = await shuffleStarts({ first: 1, count: SEEDS }, host);
      expect(verdict).toMatchObject({
        seeds: 1,
        failed: { failure: { unit: asks }, finding: { kind: "pair", pair: { first: asks, then: asked } } },
      });
    }
  });

  test("all pass when the relation is there", async () => {
    const starts = new Starts(planted(1, UNITS).mended);
    for (let seed = 1; seed <= SEEDS; seed++) {
      expect((await starts.start(seeded(seed))).failure).toBeUndefined();
    }
  });

  test("refuse what is neither a seed nor a file", async () => {
    const stack = stackOf(planted(1, UNITS));
    const start = Broker.start(
      await stack.options({ roots: ["u0"], attributes: { "broker.shuffle": "often" } }),
    );
    await expect(start).rejects.toMatchObject({
      message: expect.stringContaining("shuffle 'often'") as string,
    });
  });
});
