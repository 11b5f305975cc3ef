/** What the package holds: its pages lead nowhere that it does not hold. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize, resolve } from "node:path";
import { expect, test } from "vitest";

const CHECKOUT = resolve(import.meta.dirname, "../..");

function packedFiles(): string[] {
  const args = ["pack", "--dry-run", "--json", "--ignore-scripts"];
  const printed = execFileSync("npm", args, { cwd: CHECKOUT, encoding: "utf8" });
  const [{ files } = { files: [] }] = JSON.parse(printed) as { files: { path: string }[] }[];
  return files.map(({ path }) => path);
}

/** Relative targets of links and images, without what follows `#`. */
function targetsOf(page: string): string[] {
  const text = readFileSync(join(CHECKOUT, page), "utf8").replace(/^( *)```[^]*?^\1```/gm, "");
  const found = [...text.matchAll(/\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"/g)];
  return found
    .map(([, link, attribute]) => link ?? attribute ?? "")
    .filter((target) => !/^(?:[a-z]+:|#)/.test(target))
    .map((target) => normalize(join(dirname(page), target.replace(/#.*$/, ""))));
}

test("fault-G13: each link of a page of the package leads to a file of the package", () => {
  const files = packedFiles();
  const pages = files.filter((path) => path.endsWith(".md"));
  expect(pages).toEqual(expect.arrayContaining(["README.md", "docs/graph.md", "examples/site/README.md"]));
  const isThere = (target: string) =>
    files.some((file) => file === target || file.startsWith(`${target.replace(/\/$/, "")}/`));
  const dead = pages.flatMap((page) =>
    targetsOf(page)
      .filter((target) => !isThere(target))
      .map((target) => `${page}: ${target}`),
  );
  expect(dead).toEqual([]);
});

test("fault-E6: the package has no compiled code, and no path of the machine that built it", () => {
  const files = packedFiles();
  expect(files).toContain("dist/bundles/main.cjs");
  expect(files.filter((path) => path.endsWith(".code"))).toEqual([]);
  expect(files.filter((path) => readFileSync(join(CHECKOUT, path), "latin1").includes(CHECKOUT))).toEqual([]);
});

test("the first npx in a checkout leaves what was built as it is", () => {
  const built = join(CHECKOUT, "dist/cli/main.cjs");
  const before = statSync(built).ino;
  const env = { ...process.env, npm_command: "exec", npm_lifecycle_event: "prepare" };
  execFileSync(process.execPath, ["scripts/build.mjs"], { cwd: CHECKOUT, env, stdio: "ignore" });
  expect(statSync(built).ino).toBe(before);
});

test("the package lists each manual page for npm, and no others", () => {
  const { man } = JSON.parse(readFileSync(join(CHECKOUT, "package.json"), "utf8")) as { man: string[] };
  const pages = readdirSync(join(CHECKOUT, "dist/man/man1")).map((name) => `dist/man/man1/${name}`);
  expect(man).toEqual(pages.toSorted());
});

test("the package has no code but the two bundles, the modules and what names a part of them", () => {
  const code = packedFiles().filter((path) => /^dist\/.*\.[cm]?js$/.test(path));
  const isLarge = (path: string): boolean => statSync(join(CHECKOUT, path)).size > 10_000;
  const places = new Set(code.filter(isLarge).map((path) => dirname(path)));
  expect([...places].toSorted()).toEqual(
    expect.arrayContaining(["dist/bundles", "dist/modules", "dist/web/page"]),
  );
  expect([...places].filter((place) => !/^dist\/(bundles|modules|web\/page|typescript\/shipped)$/.test(place))).toEqual([]);
});

test("the package has no map of sources, no test, and no list of what git ignores", () => {
  const files = packedFiles();
  expect(files.filter((path) => /\.map$|\.gitignore$|\.npmignore$|(^|\/)tests?\/|\.test\./.test(path))).toEqual([]);
});
