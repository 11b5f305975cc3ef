import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readConfiguration } from "../../../src/units/index.js";

test("paths of loaders count from the directory of the file that names them", async () => {
  const dir = mkdtempSync(join(tmpdir(), "sluice-config-paths-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const file = join(dir, "config.toml");
  writeFileSync(
    file,
    `[loaders.a]
plugin = "./a.mjs"
[loaders.b]
command = ["bin/b", "./kept"]
suffixes = [".b"]
[loaders.c]
command = ["c"]
[loaders.d]
plugin = "/d.mjs"
[loaders.e]
command = "odd"
`,
  );
  const read = await readConfiguration([{ kind: "path", path: file }]);
  expect(read.ok && read.value.table["loaders"]).toEqual({
    a: { plugin: join(dir, "a.mjs") },
    b: { command: [join(dir, "bin/b"), "./kept"], suffixes: [".b"] },
    c: { command: ["c"] },
    d: { plugin: "/d.mjs" },
    e: { command: "odd" },
  });
});

test("paths of loaders in a flag stay as they are", async () => {
  const read = await readConfiguration([{ kind: "flag", text: 'loaders.a={"plugin":"./a.mjs"}' }]);
  expect(read.ok && read.value.table).toEqual({ loaders: { a: { plugin: "./a.mjs" } } });
});
