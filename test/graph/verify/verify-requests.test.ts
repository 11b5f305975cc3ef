import { describe, expect, test } from "vitest";
import { startupRequestWarnings, plan, type RequestAtLoad } from "../../../src/graph/index.js";
import { catalogOf, type UnitLiteral } from "../../helpers/catalog.js";
import { FACTS } from "../arbitrary.js";
import { valueOf } from "../results.js";

function asks(service: string): RequestAtLoad {
  const location = { file: "/web.ts", line: 7, column: 3, endLine: 7, endColumn: 9 };
  return { service, topic: `${service}.get`, location };
}

const DB: UnitLiteral = { name: "sqlite", provides: ["db"] };

function warningsFor(units: readonly UnitLiteral[], service = "db") {
  const planned = valueOf(plan(catalogOf(units), { roots: units.map(({ name }) => name), facts: FACTS }));
  return startupRequestWarnings(planned, new Map([["web", [asks(service)]]]));
}

describe("a request at load", () => {
  const web: UnitLiteral = { name: "web", requires: ["db"] };

  test("to a required service is warned about without an order, by any name of the provider", () => {
    for (const service of ["db", "sqlite"]) {
      const units = [DB, web];
      const [found, ...more] = warningsFor(units, service);
      expect(more).toEqual([]);
      expect(found).toMatchObject({ code: "GRAPH_REQUIRES_UNORDERED", severity: "warning" });
      expect(found?.location).toEqual(catalogOf(units).originOf("web", "requires", "db")?.location);
      expect(found?.related.map(({ location }) => location?.line)).toEqual([7]);
      expect(found?.hint).toContain('after = ["db"]');
    }
  });

  test("adds to an order that is there", () => {
    expect(warningsFor([DB, { name: "x" }, { ...web, after: ["x"] }])[0]?.hint).toContain(
      '"after+" = ["db"]',
    );
  });

  test("is fine with an order: of either unit, through others, by wildcards", () => {
    const through: UnitLiteral = { name: "mid", after: ["sqlite"], before: ["web"] };
    expect(warningsFor([DB, { ...web, after: ["db"] }])).toEqual([]);
    expect(warningsFor([{ ...DB, before: ["web"] }, web])).toEqual([]);
    expect(warningsFor([DB, web, through])).toEqual([]);
    expect(warningsFor([DB, { ...web, after: ["*"] }])).toEqual([]);
    expect(warningsFor([{ ...DB, before: ["*"] }, web])).toEqual([]);
  });

  test("is fine to what is not required, is the unit's own, or is left out", () => {
    expect(warningsFor([DB, { name: "web" }])).toEqual([]);
    expect(warningsFor([DB, web], "other")).toEqual([]);
    expect(warningsFor([{ ...web, provides: ["db"] }])).toEqual([]);
    expect(warningsFor([{ ...DB, disabled: true }, web])).toEqual([]);
  });

  test("is warned about where the provider comes later, and the cure is another", () => {
    const [found] = warningsFor([DB, { ...web, before: ["db"] }]);
    expect(found?.code).toBe("GRAPH_REQUIRES_UNORDERED");
    expect(found?.hint).toContain("reverse the order");
  });
});
