import type { Tie } from "./boxes.js";
import type { Bracket } from "./brackets.js";
import type { Card } from "./cards.js";
import { widthOf } from "./font.js";
import type { Point } from "./geometry.js";

/** A sign of a picture and its meaning. */
export interface LegendEntry {
  readonly sign: LegendSign;
  readonly text: string;
}

export type LegendSign =
  "module" | "task" | "fold" | "left-out" | "served" | "others" | "order" | "all" | "requires" | "needs";

const TEXTS: readonly LegendEntry[] = [
  { sign: "module", text: "module" },
  { sign: "task", text: "task" },
  { sign: "fold", text: "several units in one box" },
  { sign: "left-out", text: "left out, and why" },
  { sign: "served", text: "service it was picked for" },
  { sign: "others", text: "other providers" },
  { sign: "order", text: "comes before" },
  { sign: "all", text: "all of these come before" },
  { sign: "requires", text: "requires" },
  { sign: "needs", text: "needs" },
];

/** The width of a sign before its text, in pixels. */
export function signWidth(sign: LegendSign): number {
  return sign === "served" || sign === "others" ? 17 : 38;
}

const GAP = 22;
/** The height of a line of entries. */
const LEGEND_LINE = 22;

/** The entries for the signs in a picture, each with its place, broken into lines of a limited width in pixels. */
export function placeLegend(
  cards: readonly Card[],
  ties: readonly Tie[],
  brackets: readonly Bracket[],
  width: number,
): { readonly entries: readonly (LegendEntry & Point)[]; readonly height: number } {
  const present = signsOf(cards, ties);
  if (brackets.length > 0) present.add("all");
  const entries: (LegendEntry & Point)[] = [];
  let x = 0;
  let y = 0;
  for (const entry of TEXTS.filter(({ sign }) => present.has(sign))) {
    const own = signWidth(entry.sign) + widthOf(entry.text, { size: 11, isBold: false });
    if (x > 0 && x + own > width) {
      x = 0;
      y += LEGEND_LINE;
    }
    entries.push({ ...entry, x, y });
    x += own + GAP;
  }
  return { entries, height: entries.length === 0 ? 0 : y + LEGEND_LINE };
}

function signsOf(cards: readonly Card[], ties: readonly Tie[]): Set<LegendSign> {
  const signs = new Set<LegendSign>();
  for (const { shape, isLeftOut, lines } of cards) {
    signs.add(isLeftOut ? "left-out" : shape);
    if (lines.some(({ style }) => style === "serves")) signs.add("served");
    if (lines.some(({ style }) => style === "others")) signs.add("others");
  }
  for (const { relations } of ties) for (const { relation } of relations) signs.add(relation);
  return signs;
}
