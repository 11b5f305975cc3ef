import { describe, expect, test } from "vitest";
import { learn } from "../../src/analysis/index.js";
import { afterLine } from "../../src/units/index.js";
import { inOrder, planted } from "./support/catalogs.js";
import { Starts } from "./support/recorded-start.js";

const UNITS = 8;

describe("learning from starts of real modules", () => {
  test("finds each of ten planted relations, with the line to add and its place", async () => {
    for (let start = 1; start <= 10; start++) {
      const { asks, asked, line, ...random } = planted(start, UNITS);
      const { record, catalog } = await new Starts(random).inOrder();
      const message = { unit: asks, asked, topics: [`${asked}.get`], closesRing: false };
      expect(learn(record)).toMatchObject({ missing: [message], doubtful: [] });
      const services = [asked];
      expect(afterLine(catalog, { unit: asks, other: asked, services })).toMatchObject({
        text: `after = ["${asked}"]`,
        place: { line },
      });
    }
  });

  test("finds nothing to add in random catalogs whose modules ask in order", async () => {
    const catalogs = Array.from({ length: 200 }, (_, start) => inOrder(start, 4, `c${start}_`));
    const { record } = await new Starts(...catalogs).inOrder();
    expect(record.messages?.between.length).toBeGreaterThan(200);
    expect(learn(record)).toMatchObject({ isComplete: true, missing: [], doubtful: [], unused: [] });
  });
});
