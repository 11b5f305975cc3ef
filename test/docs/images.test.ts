import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";

const CHECKOUT = resolve(import.meta.dirname, "../..");
const PAGES = ["README.md", ...readdirSync(join(CHECKOUT, "docs")).filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`)];

/** Each image that a page shows, with the text for those who do not see it. */
const shown = PAGES.flatMap((page) =>
  [...readFileSync(join(CHECKOUT, page), "utf8").matchAll(/!\[([^\]]*)\]\(([^)]+)\)/g)].map(([, text = "", path = ""]) => ({
    text,
    path: join(page, "..", path),
  })),
);

describe("docs/img", () => {
  test.each(readdirSync(join(CHECKOUT, "docs/img")))("%s is a small SVG that a page shows and puts in words", (file) => {
    const text = readFileSync(join(CHECKOUT, "docs/img", file), "utf8");
    expect(text.length).toBeLessThan(30_000);
    expect(Number(/^<svg[^>]* width="(\d+)"/.exec(text)?.[1])).toBeGreaterThan(400);
    const uses = shown.filter(({ path }) => path === `docs/img/${file}`);
    expect(uses.length).toBeGreaterThan(0);
    for (const { text: words } of uses) expect(words.length).toBeGreaterThan(40);
  });

  test("has every image that a page shows", () => {
    const files = readdirSync(join(CHECKOUT, "docs/img")).map((file) => `docs/img/${file}`);
    expect(files).toEqual(expect.arrayContaining(shown.map(({ path }) => path)));
  });
});
