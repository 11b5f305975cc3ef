// The schema as it was published; it comes with matchers for another test runner.
import schema from "@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json" with { type: "json" };
import AjvDraft04 from "ajv-draft-04";
import addFormats from "ajv-formats";
import fc from "fast-check";
import { expect, test } from "vitest";
import { toSarif } from "../../../src/cli/modprobe/sarif.js";
import type { Diagnostic } from "../../../src/errors/index.js";

const ajv = new AjvDraft04.default({ strict: false, unicodeRegExp: false });
addFormats.default(ajv);
const accepts = ajv.compile(schema);

const PLACE = { file: "/etc/my units/a.toml", line: 3, column: 8, endLine: 3, endColumn: 11 };
const REGION = { startLine: 3, startColumn: 8, endLine: 3, endColumn: 11 };

test("a SARIF log has a rule for each code and a result for each diagnostic, as the standard has it", () => {
  const found: Diagnostic[] = [
    {
      code: "UNIT_WRONG_TYPE",
      severity: "error",
      message: "wrong",
      location: PLACE,
      related: [],
      hint: "mend it",
    },
    {
      code: "GRAPH_CYCLE",
      severity: "error",
      message: "round",
      related: [
        { message: "an edge", location: PLACE },
        { message: "a flag", location: undefined },
      ],
    },
    { code: "UNIT_WRONG_TYPE", severity: "warning", message: "odd", related: [] },
  ];
  const log = toSarif(found, "1.2.3");
  expect(log.version).toBe("2.1.0");
  expect(log.$schema).toMatch(/^https:\/\/.*sarif-schema-2\.1\.0\.json$/);
  const [run, second] = log.runs;
  expect(second).toBeUndefined();
  expect(run?.tool.driver).toMatchObject({
    name: "sluice",
    version: "1.2.3",
    rules: [{ id: "GRAPH_CYCLE" }, { id: "UNIT_WRONG_TYPE" }],
  });
  const uri = "file:///etc/my%20units/a.toml";
  const physicalLocation = { artifactLocation: { uri }, region: REGION };
  expect(run?.results).toEqual([
    {
      ruleId: "UNIT_WRONG_TYPE",
      ruleIndex: 1,
      level: "error",
      message: { text: "wrong\nmend it" },
      locations: [{ physicalLocation }],
    },
    {
      ruleId: "GRAPH_CYCLE",
      ruleIndex: 0,
      level: "error",
      message: { text: "round" },
      relatedLocations: [
        { id: 0, message: { text: "an edge" }, physicalLocation },
        { id: 1, message: { text: "a flag" } },
      ],
    },
    { ruleId: "UNIT_WRONG_TYPE", ruleIndex: 1, level: "warning", message: { text: "odd" } },
  ]);
});

test("the log of nothing is a run without results, which says that all is well", () => {
  expect(toSarif([], "1.2.3").runs[0]).toMatchObject({ results: [], tool: { driver: { rules: [] } } });
});

test("any diagnostics make a log that the published schema of SARIF 2.1.0 accepts", () => {
  const file = fc.stringMatching(/^\/[ -~äß€]{1,20}$/);
  const [line, column] = [fc.integer({ min: 1, max: 9999 }), fc.integer({ min: 1, max: 200 })];
  const place = fc.record({ file, line, column, endLine: line, endColumn: column });
  const diagnostic: fc.Arbitrary<Diagnostic> = fc.record(
    {
      code: fc.constantFrom("UNIT_WRONG_TYPE", "GRAPH_CYCLE", "UNIT_SYNTAX"),
      severity: fc.constantFrom("error", "warning"),
      message: fc.string({ minLength: 1 }),
      location: place,
      hint: fc.string({ minLength: 1 }),
      related: fc.array(fc.record({ message: fc.string(), location: fc.option(place, { nil: undefined }) })),
    },
    { requiredKeys: ["code", "severity", "message", "related"] },
  );
  fc.assert(
    fc.property(fc.uniqueArray(diagnostic, { maxLength: 6 }), (found) => {
      const log: unknown = JSON.parse(JSON.stringify(toSarif(found, "1.2.3")));
      if (!accepts(log)) throw new Error(JSON.stringify(accepts.errors));
    }),
    { numRuns: 200 },
  );
  expect(accepts({ version: "2.1.0" })).toBe(false);
});
