import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";

let sandbox: Sandbox;

beforeEach(() => {
  sandbox = new Sandbox();
});
afterEach(() => sandbox.remove());

function fragment(text: string): string {
  const path = join(sandbox.dir, "more.toml");
  writeFileSync(path, text);
  return path;
}

test("the shipped units have nothing wrong or doubtful, on any rank", async () => {
  const { status, stderr } = await sandbox.run(["modprobe", "verify", "--strict", "--size", "16"]);
  expect(stderr).toBe("0 errors, 0 warnings\n");
  expect(status).toBe(0);
});

test("fault-G13: counts are in words, and a close name is no hint while its file cannot be read", async () => {
  const wrong = fragment('kvs."requires+" = ["ghost"]\n');
  const one = await sandbox.run(["modprobe", "verify", wrong]);
  expect(one.stderr).toMatch(/\n1 error, 0 warnings\n$/);
  sandbox.write("site/modprobe.d/a.toml", '[[modules]]\nname = "u8"\n');
  sandbox.write("site/modprobe.d/b.toml", '[[modules]]\nname = "u9\n');
  const rc = sandbox.write("rc.toml", '[u9]\nranks = "0"\n[u8]\nranks = "0"\n');
  const env = { FLUX_MODPROBE_PATH_APPEND: join(sandbox.dir, "site") };
  const { stderr } = await sandbox.run(["modprobe", "run", "--dry-run", rc], { env });
  expect(stderr).toContain("no such module or task 'u9'");
  expect(stderr).toContain("site/modprobe.d/b.toml could not be read, and may define it");
  expect(stderr).not.toContain("did you mean");
});

test("a warning fails only the strict, and an error both", async () => {
  const lone = fragment('[[modules]]\nname = "lone"\n');
  const lax = await sandbox.run(["modprobe", "verify", lone]);
  expect([lax.status, lax.stderr]).toEqual([0, expect.stringContaining("[UNIT_UNREACHED]")]);
  expect((await sandbox.run(["modprobe", "verify", "--strict", lone])).status).toBe(1);
  const wrong = fragment('kvs."requires+" = ["ghost"]\n');
  const { status, stderr } = await sandbox.run(["modprobe", "verify", wrong]);
  expect([status, stderr]).toEqual([1, expect.stringContaining("[GRAPH_UNKNOWN_NAME]")]);
});

test("a cycle on ranks other than the first is found", async () => {
  const loaded = fragment(
    'load = ["far"]\n[[modules]]\nname = "far"\nranks = ">0"\nafter = ["kvs"]\nbefore = ["content"]\n',
  );
  const one = await sandbox.run(["modprobe", "verify", loaded]);
  expect(one.status).toBe(0);
  const many = await sandbox.run(["modprobe", "verify", "--size", "4", loaded]);
  expect([many.status, many.stderr]).toEqual([1, expect.stringContaining("[GRAPH_CYCLE]")]);
});

test("--json prints a SARIF log with the place of each problem", async () => {
  const path = fragment('[[modules]]\nname = "lone"\nafter = ["ghost"]\n');
  const { stdout, stderr } = await sandbox.run(["modprobe", "verify", "--json", path]);
  expect(stderr).toBe("");
  const log = JSON.parse(stdout) as {
    version: string;
    runs: { results: { ruleId: string; locations: unknown }[] }[];
  };
  expect(log.version).toBe("2.1.0");
  expect(log.runs[0]?.results.map(({ ruleId }) => ruleId)).toEqual([
    "UNIT_UNREACHED",
    "UNIT_ORDER_ON_UNKNOWN",
  ]);
  expect(log.runs[0]?.results[1]?.locations).toMatchObject([
    { physicalLocation: { region: { startLine: 3, startColumn: 10 } } },
  ]);
});

describe("a module that asks what it requires before it runs", () => {
  const unit = (file: string, more = ""): string =>
    fragment(
      `load = ["early"]\n[[modules]]\nname = "early"\nmodule = "./${file}"\nrequires = ["kvs"]\n${more}`,
    );

  test.each([
    [
      "early.mjs",
      'export async function modMain(h) {\n  await h.rpc("kvs.get", { key: "a" });\n  await h.run();\n}\n',
    ],
    ["early.py", 'def mod_main(h):\n    h.rpc("kvs.get", {"key": "a"}).get()\n    h.run()\n'],
  ])("is doubted without an order, with both places: %s", async (file, source) => {
    const module = sandbox.write(file, source);
    const { status, stderr } = await sandbox.run(["modprobe", "verify", "--strict", unit(file)]);
    expect(status).toBe(1);
    expect(stderr).toContain("more.toml:5:13: ");
    expect(stderr).toContain("[GRAPH_REQUIRES_UNORDERED]");
    expect(stderr).toContain(`${module}:2:`);
    expect(stderr).toContain('after = ["kvs"]');
    const cured = await sandbox.run(["modprobe", "verify", "--strict", unit(file, 'after = ["kvs"]\n')]);
    expect([cured.status, cured.stderr]).toEqual([0, "0 errors, 0 warnings\n"]);
  });

  test("is in the SARIF log, with the request as a related place", async () => {
    sandbox.write("early.mjs", 'export async function modMain(h) {\n  await h.rpc("kvs.get");\n}\n');
    const { stdout } = await sandbox.run(["modprobe", "verify", "--json", unit("early.mjs")]);
    const log = JSON.parse(stdout) as { runs: { results: unknown[] }[] };
    expect(log.runs[0]?.results).toMatchObject([
      {
        ruleId: "GRAPH_REQUIRES_UNORDERED",
        level: "warning",
        locations: [{ physicalLocation: { region: { startLine: 5, startColumn: 13 } } }],
        relatedLocations: [{ physicalLocation: { region: { startLine: 2, startColumn: 11 } } }],
      },
    ]);
  });
});

test("the examples ask nothing before it is there", async () => {
  const examples = resolve(import.meta.dirname, "../../examples");
  for (const example of ["site", "batch"]) {
    const env = { FLUX_MODPROBE_PATH_APPEND: join(examples, example, "modprobe") };
    const { stderr } = await sandbox.run(["modprobe", "verify", "--size", "4"], { env });
    expect(stderr).toContain("0 errors");
    expect(stderr).not.toContain("GRAPH_REQUIRES_UNORDERED");
  }
});
