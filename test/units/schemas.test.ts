import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { isName, parseFragment } from "../../src/units/index.js";
import { COMMON_KEYS, LIST_KEYS, MODULE_KEYS, TASK_KEYS } from "../../src/units/keys.js";

interface Schema {
  readonly $defs: Readonly<Record<string, { readonly properties?: Readonly<Record<string, unknown>> }>>;
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
  const withEdits = (keys: readonly string[]) => [
    ...keys,
    ...keys.filter((key) => LIST_KEYS.some((list) => list === key)).flatMap((key) => [`${key}+`, `${key}-`]),
  ];
  const keysOf = (name: string) => Object.keys($defs[name]?.properties ?? {}).sort();
  expect(keysOf("moduleTable")).toEqual(["name", ...withEdits([...COMMON_KEYS, ...MODULE_KEYS])].sort());
  expect(keysOf("taskTable")).toEqual(["name", ...withEdits([...COMMON_KEYS, ...TASK_KEYS])].sort());
  expect(keysOf("updateTable")).toEqual(
    ["name", ...withEdits([...COMMON_KEYS, ...MODULE_KEYS, ...TASK_KEYS])].sort(),
  );
  expect(keysOf("codeTaskTable")).toEqual(["name", ...COMMON_KEYS].sort());
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
