import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const PAGE = readFileSync(join(ROOT, "docs/architecture.md"), "utf8");

/** Paths that the page names: from the top of the repository, or from `src`. */
function namedPaths(): string[] {
  const codes = [...PAGE.matchAll(/`([a-z][\w/.-]*\/[\w.-]+\.(?:ts|py|json|md))`/g)];
  return codes.flatMap(([, path]) => (path === undefined ? [] : [path]));
}

describe("docs/architecture.md", () => {
  test.each(namedPaths())("names %s, which exists", (path) => {
    expect([join(ROOT, path), join(ROOT, "src", path)].some((file) => existsSync(file))).toBe(true);
  });

  test("has a row for each folder of src", () => {
    const folders = readdirSync(join(ROOT, "src"), { withFileTypes: true }).filter((entry) =>
      entry.isDirectory(),
    );
    const missing = folders.map(({ name }) => name).filter((name) => !PAGE.includes(`\`${name}\``));
    expect(missing).toEqual([]);
  });

  test("no folder of src has more than 30 files, except for the one-word commands of src/cli", () => {
    const folders = readdirSync(join(ROOT, "src"), { withFileTypes: true, recursive: true }).filter((entry) =>
      entry.isDirectory(),
    );
    const full = folders
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => path !== join(ROOT, "src/cli"))
      .filter((path) => readdirSync(path, { withFileTypes: true }).filter((file) => file.isFile()).length > 30);
    expect(full).toEqual([]);
  });
});
