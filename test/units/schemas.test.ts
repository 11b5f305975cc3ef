import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { isName, parseFragment } from "../../src/units/index.js";
import { rowsOf, type UnitKeyRow } from "../../src/units/keys/keys.js";
import { OWN_NAME, UNIT_KEYS } from "../../src/units/keys/unit-keys.js";

interface Schema {
  readonly $defs: Readonly<
    Record<string, { readonly properties?: Readonly<Record<string, unknown>>; readonly default?: unknown }>
  >;
}

const root = new URL("../..", import.meta.url);

async function unitFileSchema(): Promise<Schema> {
  return JSON.parse(await readFile(new URL("schema/unit-file.schema.json", root), "utf8")) as Schema;
}

test("the generated validators and types are those of the schemas", async () => {
  const run = promisify(execFile)(process.execPath, ["scripts/generate-schemas.mjs", "--check"], {
    cwd: root,
  });
  await expect(run).resolves.toMatchObject({ stderr: "" });
});

test("the schema has the keys that the program knows, each with its edits if it is a list", async () => {
  const { $defs } = await unitFileSchema();
  const written = (rows: readonly UnitKeyRow[]) =>
    rows.flatMap(({ key, merge }) => (merge === "edit" ? [key, `${key}+`, `${key}-`] : [key]));
  const keysOf = (name: string) => Object.keys($defs[name]?.properties ?? {}).sort();
  expect(keysOf("moduleTable")).toEqual(["name", ...written(rowsOf("module"))].sort());
  expect(keysOf("taskTable")).toEqual(["name", ...written(rowsOf("task"))].sort());
  expect(keysOf("updateTable")).toEqual(["name", ...written(UNIT_KEYS)].sort());
  const common = UNIT_KEYS.filter((row) => row.on === "both" && !("isOfFiles" in row)).map(({ key }) => key);
  expect(keysOf("codeTaskTable")).toEqual(["name", ...common].sort());
});

test("the schema has the defaults that the program has", async () => {
  const { $defs } = await unitFileSchema();
  for (const { key, kind, default: value } of UNIT_KEYS) {
    const shown = $defs[key]?.default;
    if (kind === "ranks") expect(shown).toBe(value.text);
    else if (shown !== undefined) expect(shown, key).toEqual(value);
    else expect(["", undefined, OWN_NAME, [], {}], key).toContainEqual(value);
  }
});

test.each([
  "a",
  "A-b_c@d:e+f",
  "0",
  "_x",
  "x".repeat(255),
  "constructor",
  "load",
  "-a",
  "a b",
  "a.b",
  "",
  "x".repeat(256),
  "é",
  "*",
  "__proto__",
  "modules",
  "tasks",
  "alternatives",
  "libraries",
  "a\n",
])("the schema and the program agree on whether %j is a name", (name) => {
  const text = `[[modules]]\nname = ${JSON.stringify(name)}\n`;
  expect(parseFragment(text, { file: "a.toml" }).ok).toBe(isName(name));
});

test.each([
  ["a.yaml", "$schema: unit-file.schema.json\nmodules: [{name: a}]\n"],
  ["a.json", '{"$schema": "unit-file.schema.json", "modules": [{"name": "a"}]}'],
  ["a.toml", '"$schema" = "unit-file.schema.json"\nmodules = [{name = "a"}]\n'],
])("%s may name its schema, for editors", (file, text) => {
  const fragment = parseFragment(text, { file });
  expect(fragment.ok && [fragment.value.definitions.length, fragment.value.changes.length]).toEqual([1, 0]);
});

test("each schema has the id of its file", async () => {
  for (const name of await readdir(new URL("schema", root))) {
    const { $id } = JSON.parse(await readFile(new URL(`schema/${name}`, root), "utf8")) as { $id?: string };
    expect($id).toBe(`https://sluice.example/schema/${name}`);
  }
});
