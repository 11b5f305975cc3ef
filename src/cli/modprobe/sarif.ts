import { compareText, type Diagnostic, type Location } from "../../errors/index.js";
import { pathToFileURL } from "node:url";

const SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/**
 * Diagnostics as a SARIF 2.1.0 log (OASIS), which editors and CI services show at the lines in question. It has one
 * run, a rule for each code, a result for each diagnostic. Lines and columns count from 1, columns in UTF-16 units.
 */
export function toSarif(diagnostics: readonly Diagnostic[], version: string) {
  const codes = [...new Set(diagnostics.map(({ code }) => code))].sort(compareText);
  return {
    $schema: SCHEMA,
    version: "2.1.0",
    runs: [
      {
        tool: {
          driver: {
            name: "sluice",
            version,
            rules: codes.map((id) => ({ id, help: { text: `docs/errors.md, ${id}` } })),
          },
        },
        columnKind: "utf16CodeUnits",
        results: diagnostics.map((diagnostic) => resultOf(diagnostic, codes.indexOf(diagnostic.code))),
      },
    ],
  };
}

function resultOf({ code, severity, message, location, related, hint }: Diagnostic, ruleIndex: number) {
  return {
    ruleId: code,
    ruleIndex,
    level: severity,
    message: { text: hint === undefined ? message : `${message}\n${hint}` },
    ...(location && { locations: [{ physicalLocation: physicalLocation(location) }] }),
    ...(related.length > 0 && {
      relatedLocations: related.map((each, id) => ({
        id,
        message: { text: each.message },
        ...(each.location && { physicalLocation: physicalLocation(each.location) }),
      })),
    }),
  };
}

function physicalLocation({ file, line, column, endLine, endColumn }: Location) {
  return {
    artifactLocation: { uri: pathToFileURL(file).href },
    region: { startLine: line, startColumn: column, endLine, endColumn },
  };
}
