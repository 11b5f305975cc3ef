/** What the package holds: its pages lead nowhere that it does not hold. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
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
