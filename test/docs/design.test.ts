/** The contract in docs/design: each reference to it, each link and each case leads somewhere. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, test } from "vitest";

const CHECKOUT = resolve(import.meta.dirname, "../..");
const DESIGN = "docs/design";
const INDEX = `${DESIGN}/README.md`;
const CASES = `${DESIGN}/cases.md`;

const PAGES = readdirSync(join(CHECKOUT, DESIGN)).toSorted();
const CODE = filesIn(
  ["src", "test", "python", "etc", "examples", "scripts", "bench"],
  /\.(ts|mts|mjs|cjs|js|py|c|lua|toml|yaml)$/,
);
const GUIDES = [...rootGuides(), ...filesIn(["docs", "examples", "python"], /\.md$/)];

function filesIn(folders: readonly string[], suffix: RegExp): string[] {
  return folders
    .filter((folder) => existsSync(join(CHECKOUT, folder)))
    .flatMap((folder) =>
      readdirSync(join(CHECKOUT, folder), { recursive: true, encoding: "utf8" }).map((path) => join(folder, path)),
    )
    .filter((path) => suffix.test(path) && !/(^|\/)(node_modules|generated|__pycache__)\//.test(path))
    .toSorted();
}

function rootGuides(): string[] {
  return readdirSync(CHECKOUT).filter((name) => name.endsWith(".md"));
}

function read(path: string): string {
  return readFileSync(join(CHECKOUT, path), "utf8");
}

/** The text of a page with each line of its code blocks made empty, so that places stay. */
function prose(path: string): string {
  return read(path).replace(/^( *)```[^]*?^\1```/gm, (block) => block.replace(/.+/g, ""));
}

function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}

/** What can be cited of a page: `3` for its section 3, `3.2` for item 2 of the numbered list in it. */
function sectionsOf(page: string): Set<string> {
  const sections = new Set<string>();
  let section = "";
  for (const line of prose(join(DESIGN, page)).split("\n")) {
    section = /^## (\d+)\. /.exec(line)?.[1] ?? section;
    const item = /^(\d+)\. /.exec(line)?.[1];
    sections.add(item === undefined ? section : `${section}.${item}`);
  }
  sections.delete("");
  return sections;
}

/** The sections that a citation names: `§5.2–4, §8` → 5.2, 5.3, 5.4, 8. */
function cited(citation: string): string[] {
  return [...citation.matchAll(/§(?:(\d+)\.)?(\d+)(?:–(\d+))?/g)].flatMap(([, section, first, last]) => {
    const from = Number(first);
    const count = last === undefined ? 1 : Math.max(Number(last) - from + 1, 0);
    const numbers = Array.from({ length: count }, (_, index) => String(from + index));
    return section === undefined ? numbers : numbers.map((number) => `${section}.${number}`);
  });
}

const NUMBER = String.raw`§\d+(?:\.\d+)?(?:–\d+)?`;
const CITATION = `${NUMBER}(?:, ${NUMBER})*`;
/** Pages whose bare name can mean no other file of the repository. */
const NAMES = PAGES.map((page) => page.replace(/\.md$/, ""))
  .filter((name) => name !== "README")
  .join("|");

/** Citations of a text that lead nowhere, each with its place. */
function brokenCitations(path: string, pattern: RegExp): string[] {
  const text = read(path);
  return [...text.matchAll(pattern)].flatMap((match) => {
    const [whole, page = "", citation = ""] = match;
    const place = `${path}:${lineOf(text, match.index)}: ${whole}`;
    if (!PAGES.includes(page)) return [`${place}: no such page`];
    const sections = sectionsOf(page);
    return cited(citation)
      .filter((section) => !sections.has(section))
      .map((section) => `${place}: no section ${section}`);
  });
}

/** The anchors of a page, as GitHub makes them from its headings. */
function anchorsOf(path: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ""] of prose(path).matchAll(/^#+ (.*)$/gm)) {
    const name = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M}_ -]/gu, "")
      .replaceAll(" ", "-");
    let anchor = name;
    for (let again = 1; anchors.has(anchor); again++) anchor = `${name}-${again}`;
    anchors.add(anchor);
  }
  return anchors;
}

function brokenLinks(path: string): string[] {
  // Code spans go, but not those that are the text of a link.
  const text = prose(path).replace(/`[^`\n]*`/g, (span) => "x".repeat(span.length));
  return [...text.matchAll(/\]\((?!\w+:)([^)\s#]*)(?:#([^)\s]*))?\)/g)].flatMap((match) => {
    const [link, file = "", anchor] = match;
    const place = `${path}:${lineOf(text, match.index)}: ${link}`;
    const target = file === "" ? path : relative(CHECKOUT, resolve(CHECKOUT, dirname(path), file));
    if (!existsSync(join(CHECKOUT, target))) return [`${place}: no such file`];
    if (anchor === undefined || anchorsOf(target).has(anchor)) return [];
    return [`${place}: no such heading`];
  });
}

describe("the pages of the contract", () => {
  test("number their sections from 1 on", () => {
    for (const page of PAGES) {
      const headings = [...prose(join(DESIGN, page)).matchAll(/^## (.*)$/gm)].map(([, text = ""]) => text);
      const numbers = headings.map((text) => Number(/^(\d+)\. /.exec(text)?.[1]));
      expect(numbers, page).toEqual(headings.map((_, index) => index + 1));
    }
  });

  test("are all in the index", () => {
    const index = read(INDEX);
    expect(PAGES.filter((page) => `${DESIGN}/${page}` !== INDEX && !index.includes(`](${page})`))).toEqual([]);
  });

  test("cite sections of each other that exist", () => {
    const pattern = new RegExp(String.raw`([\w-]+\.md)(?:\]\([^)]*\))? (${CITATION})`, "g");
    expect(PAGES.flatMap((page) => brokenCitations(join(DESIGN, page), pattern))).toEqual([]);
  });
});

describe("references to the contract", () => {
  const outside = [...CODE, ...GUIDES].filter((path) => !path.startsWith(`${DESIGN}/`));

  test("lead to a page and a section that exist", () => {
    const pattern = new RegExp(String.raw`docs/design/([\w-]+\.md)(?:\]\([^)]*\))?(?: (${CITATION}))?`, "g");
    const code = CODE.flatMap((path) => [...read(path).matchAll(pattern)]);
    expect(code.length).toBeGreaterThan(100);
    expect(outside.flatMap((path) => brokenCitations(path, pattern))).toEqual([]);
  });

  test("name the page by its path", () => {
    const bare = new RegExp(String.raw`(?<![\w/.-])(?:${NAMES})\.md(?:\]\([^)]*\))?,? ${NUMBER}`, "g");
    const inCode = new RegExp(String.raw`(?<![\w/.-])(?:${NAMES})\.md\b`, "g");
    const found = outside.flatMap((path) => {
      const text = read(path);
      return [...text.matchAll(path.endsWith(".md") ? bare : inCode)].map(
        (match) => `${path}:${lineOf(text, match.index)}: ${match[0]}`,
      );
    });
    expect(found).toEqual([]);
  });

  test("have page and section on one line", () => {
    const split = /docs\/design\/[\w-]+\.md,?\s*\n[\s*/#]*§/g;
    expect(outside.filter((path) => split.test(read(path)))).toEqual([]);
  });
});

test("each relative link of the documentation leads to a file and a heading", () => {
  expect(GUIDES.flatMap(brokenLinks)).toEqual([]);
});

describe("docs/design/cases.md", () => {
  const rows = [...read(CASES).matchAll(/^\| `([^`]+)` \|.*\| ([^|]*) \|$/gm)].map(
    ([, id = "", cell = ""]) => ({ id, cell }),
  );

  /** `CASE FILE` for each test that names a case. */
  function testedCases(): string[] {
    const found = new Set<string>();
    for (const path of filesIn(["test", "python/tests"], /\.test\.ts$|\/test_\w+\.py$/)) {
      for (const [name] of read(path).matchAll(/(["'`])(?:(?!\1).)*\1|\bdef test_\w+/g)) {
        for (const [, list, number] of name.matchAll(/(?<![a-z])(fault|trap)[-_]([A-K]\d*)(?![a-zA-Z0-9])/g)) {
          found.add(`${list}-${number} ${path}`);
        }
      }
    }
    return [...found].toSorted();
  }

  test("has each case once, planned or with the files of its tests", () => {
    expect(rows.length).toBeGreaterThan(200);
    expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
    for (const { id, cell } of rows) {
      expect(id).toMatch(/^(fault|trap)-([A-K]\d+|H)$/);
      expect(cell, id).toMatch(/^(\*Planned\*|`[^`]+`(, `[^`]+`)*)$/);
    }
  });

  test("names the tests of each case, and no others", () => {
    const claimed = rows.flatMap(({ id, cell }) =>
      [...cell.matchAll(/`([^`]+)`/g)].map(([, path]) => `${id} ${path}`),
    );
    expect(testedCases()).toEqual(claimed.toSorted());
  });
});
