import { Resvg } from "@resvg/resvg-js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { pictureOf, plan } from "../../src/graph/index.js";
import { LETTERING } from "../../src/pictures/cards.js";
import { widthOf, wrap, wrapEvenly } from "../../src/pictures/font.js";
import { sheetToSvg } from "../../src/pictures/svg.js";
import { layOutSheet } from "../../src/pictures/sheet.js";
import { catalogOf } from "../helpers/catalog.js";
import { parseXml } from "../helpers/xml.js";
import { cases, FACTS } from "../graph/arbitrary.js";
import { fluxCatalog, rc1 } from "../graph/flux-units.js";
import { fluxPicture, isInside, overlaps, pictureFor, pictureOfUnits, readSheet, svgOf } from "./pictures.js";

const FONTS = ["DejaVuSans.ttf", "DejaVuSans-Bold.ttf"].map(
  (file) => new URL(`../../fonts/${file}`, import.meta.url).pathname,
);

/** What a text really takes, as the PNG draws it. */
function drawnWidth(text: string, size: number, weight: "bold" | "normal"): number {
  const escaped = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="4000" height="100"><text x="10" y="50" font-family="DejaVu Sans" font-size="${size}" font-weight="${weight}" xml:space="preserve">${escaped}</text></svg>`;
  return (
    new Resvg(svg, { font: { loadSystemFonts: false, fontFiles: FONTS } }).getBBox()?.width ?? Number.NaN
  );
}

describe("text", () => {
  test("is as wide as it is taken to be, at most", () => {
    const printable = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i));
    for (const isBold of [false, true]) {
      for (const character of printable) {
        // Thirty of them, as the sides of a single one do not count.
        const text = character.repeat(30);
        const real = drawnWidth(text, 20, isBold ? "bold" : "normal");
        const taken = widthOf(text, { size: 20, isBold });
        expect(real, character).toBeLessThanOrEqual(taken + 6);
        expect(real, character).toBeGreaterThan(taken * 0.8 - 20);
      }
    }
  });

  test("is broken into lines that fit and lose nothing but blanks", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme", maxLength: 200 }),
        fc.integer({ min: 20, max: 300 }),
        (text, width) => {
          const lines = wrap(text, LETTERING.reason, width);
          const letters = (whole: string): string => whole.replaceAll(/\s/g, "");
          expect(letters(lines.join(""))).toBe(letters(text));
          for (const line of lines) expect(widthOf(line, LETTERING.reason)).toBeLessThanOrEqual(width);
          const even = wrapEvenly(text, LETTERING.reason, width);
          expect(even).toHaveLength(lines.length);
          expect(letters(even.join(""))).toBe(letters(text));
          for (const line of even) expect(widthOf(line, LETTERING.reason)).toBeLessThanOrEqual(width);
        },
      ),
    );
  });
});

describe("the picture of some 25 units", () => {
  test("has a card for each unit, once, with its shape, and in grey with its reason what is left out", async () => {
    const picture = fluxPicture();
    expect(picture.nodes.length).toBeGreaterThan(25);
    const { cards } = readSheet(await svgOf(picture));
    const expected = picture.nodes.map(({ name, kind, leftOut }) => ({
      unit: name,
      classes: ["card", kind, ...(leftOut === undefined ? [] : ["left-out"])],
      reason: leftOut,
    }));
    const found = cards.map(({ unit, classes, texts }) => {
      const reason = texts.slice(1).map(({ text }) => text);
      return { unit, classes, reason: classes.includes("left-out") ? reason.join(" ") : undefined };
    });
    const byName = <T extends { readonly unit: string | undefined }>(list: readonly T[]): T[] =>
      list.toSorted((a, b) => ((a.unit ?? "") < (b.unit ?? "") ? -1 : 1));
    expect(byName(found)).toEqual(byName(expected));
  });

  test.each([undefined, "job-manager", "sdexec", "content-sqlite"])(
    "has no text over another, and each within its card and the page (%s)",
    async (around) => {
      const { page, cards, texts } = readSheet(await svgOf(fluxPicture(around)));
      for (const [i, a] of texts.entries()) {
        expect(isInside(a, page), a.text).toBe(true);
        for (const b of texts.slice(i + 1)) expect(overlaps(a, b), `${a.text} and ${b.text}`).toBe(false);
      }
      for (const [i, a] of cards.entries()) {
        for (const text of a.texts) expect(isInside(text, a.frame), text.text).toBe(true);
        for (const b of cards.slice(i + 1)) expect(overlaps(a.frame, b.frame), a.title).toBe(false);
      }
    },
  );

  test("marks who was picked for a service, and over whom", async () => {
    const { cards } = readSheet(await svgOf(fluxPicture()));
    const scheduler = cards.find(({ unit }) => unit === "sched-simple");
    expect(scheduler?.texts.map(({ text }) => text)).toEqual([
      "sched-simple",
      "● sched, feasibility",
      "○ sched-fifo, sched-backfill",
    ]);
  });

  test("draws each relation that does not follow from others, in its own style", async () => {
    const units = [
      { name: "kvs" },
      { name: "watch", after: ["kvs"], requires: ["kvs"] },
      { name: "list", after: ["watch", "kvs"], requires: ["watch", "kvs"], needs: ["kvs"] },
    ];
    const { ties } = readSheet(await svgOf(pictureOfUnits(units)));
    expect(ties.toSorted()).toEqual([
      "kvs comes before watch",
      "list needs kvs",
      "list requires watch",
      "watch comes before list",
      "watch requires kvs",
    ]);
  });

  test("around a unit shows all its relations, and the unit itself with a thicker frame", async () => {
    const { cards, ties } = readSheet(await svgOf(fluxPicture("kvs")));
    expect(cards.filter(({ classes }) => classes.includes("centre")).map(({ unit }) => unit)).toEqual([
      "kvs",
    ]);
    expect(ties).toContain("job-ingest requires kvs");
    expect(readSheet(await svgOf(fluxPicture())).ties).not.toContain("job-ingest requires kvs");
  });

  test("sets apart what comes after all the rest, instead of a line from everywhere", async () => {
    const { cards, ties } = readSheet(await svgOf(fluxPicture()));
    expect(ties.filter((tie) => tie.includes("run-all-rc1"))).toEqual(["run-all-rc1 comes after all others"]);
    const right = cards
      .filter(({ classes }) => !classes.includes("left-out"))
      .map(({ frame }) => frame.right);
    expect(cards.find(({ unit }) => unit === "run-all-rc1")?.frame.right).toBe(Math.max(...right));
  });

  test("comes out the same each time", async () => {
    expect(await svgOf(fluxPicture())).toBe(await svgOf(pictureFor(rc1(fluxCatalog()))));
  });

  test("is drawn for light paper, or for light and dark as the viewer likes it", async () => {
    const sheet = await layOutSheet(fluxPicture(), "t", "as-needed");
    expect(sheetToSvg(sheet, "light")).not.toContain("prefers-color-scheme");
    expect(sheetToSvg(sheet, "viewer")).toContain("@media (prefers-color-scheme:dark)");
  });
});

test("any plan makes valid XML with each planned unit once", async () => {
  await fc.assert(
    fc.asyncProperty(
      cases({ withOrder: true, maxUnits: 16 }),
      async ({ units, alternatives, roots, enabled }) => {
        const request = { kind: "start", roots } as const;
        const result = plan(catalogOf(units, alternatives), { request, facts: FACTS, enabled });
        if (!result.ok) return;
        const picture = pictureOf(result.value) ?? expect.unreachable();
        const { cards, texts } = readSheet(await svgOf(picture));
        expect(cards.map(({ unit }) => unit).toSorted()).toEqual(
          picture.nodes.map(({ name }) => name).toSorted(),
        );
        for (const [i, a] of texts.entries())
          for (const b of texts.slice(i + 1)) expect(overlaps(a, b), `${a.text} and ${b.text}`).toBe(false);
      },
    ),
    { numRuns: 100 },
  );
});

test("any reason, and the longest names, make valid XML", async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: "binary", maxLength: 300 }), async (leftOut) => {
      const nodes = [{ name: "x".repeat(255), kind: "task", leftOut, serves: [] } as const];
      const svg = await svgOf({ centre: undefined, nodes, edges: [], services: [] });
      const { cards } = readSheet(svg);
      expect(cards).toHaveLength(1);
      for (const text of cards[0]?.texts ?? []) expect(isInside(text, cards[0]?.frame ?? text)).toBe(true);
    }),
    { numRuns: 100 },
  );
});

test("an empty plan is a sheet with a title", async () => {
  const root = parseXml(await svgOf({ centre: undefined, nodes: [], edges: [], services: [] }));
  expect(root.name).toBe("svg");
  expect(Number(root.attributes.get("height"))).toBeGreaterThan(0);
});
