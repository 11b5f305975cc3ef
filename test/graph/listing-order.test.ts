import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { stringify } from "smol-toml";
import { expect, test } from "vitest";
import { dryRunLines, plan, reasonText, showDeps } from "../../src/graph/index.js";
import { composeUnits } from "../../src/units/index.js";
import type { UnitLiteral } from "../helpers/catalog.js";
import { runs } from "../helpers/property-runs.js";
import { type Case, cases } from "./arbitrary.js";

const PER_FILE = 3;

/** A case as unit files, by name. */
function filesOf({ units, alternatives }: Case): Map<string, string> {
  const files = new Map<string, string>();
  for (let i = 0; i < units.length; i += PER_FILE) {
    const part = units.slice(i, i + PER_FILE);
    const modules = part.filter(({ kind }) => kind === "module").map(tableOf);
    const tasks = part
      .filter(({ kind }) => kind === "task")
      .map((unit) => ({ ...tableOf(unit), command: "true" }));
    files.set(`${String(i).padStart(2, "0")}.toml`, stringify({ modules, tasks }));
  }
  files.set("99.toml", stringify({ alternatives: Object.fromEntries(alternatives) }));
  return files;
}

function tableOf(unit: UnitLiteral): Record<string, unknown> {
  const { needsAttrs, needsConfig, needsEnv, ...keys } = unit;
  const conditions = { "needs-attrs": needsAttrs, "needs-config": needsConfig, "needs-env": needsEnv };
  const given = Object.entries({ ...keys, ...conditions });
  return Object.fromEntries(given.filter(([key, value]) => key !== "kind" && value !== undefined));
}

/** All that a plan of these files says, as text; the files are made in the order given. */
async function bytesOf(
  directory: string,
  files: readonly (readonly [string, string])[],
  given: Case,
): Promise<string> {
  rmSync(join(directory, "modprobe.d"), { recursive: true, force: true });
  mkdirSync(join(directory, "modprobe.d"));
  for (const [name, text] of files) writeFileSync(join(directory, "modprobe.d", name), text);
  const composed = await composeUnits({ searchPath: [directory], dataDir: directory, env: {} });
  if (!composed.ok) return JSON.stringify(composed.diagnostics);
  const { roots, facts, enabled } = given;
  const planned = plan(composed.value, { request: { kind: "start", roots }, facts, enabled });
  if (!planned.ok) return JSON.stringify(planned.diagnostics);
  const reasons = [...planned.value.leftOut].map(([unit, reason]) => [unit, reasonText(reason)]);
  return JSON.stringify([dryRunLines(planned.value), showDeps(planned.value), reasons]);
}

test("a plan is the same to the byte whatever the order in which directories list their files", async () => {
  const directory = mkdtempSync(join(tmpdir(), "sluice-listing-"));
  let planned = 0;
  try {
    await fc.assert(
      // File systems list by the order of making, by name, or by hash: what is made in another order is listed so.
      fc.asyncProperty(cases({ withOrder: true }), fc.infiniteStream(fc.nat()), async (given, numbers) => {
        const files = [...filesOf(given)];
        const shuffled = files
          .map((entry) => ({ entry, key: numbers.next().value as number }))
          .sort((a, b) => a.key - b.key)
          .map(({ entry }) => entry);
        const one = await bytesOf(directory, files, given);
        expect(await bytesOf(directory, shuffled, given)).toBe(one);
        if (one.startsWith("[[")) planned += 1;
      }),
      runs(200),
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  expect(planned).toBeGreaterThan(60);
});
