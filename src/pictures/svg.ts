import type { PictureEdge } from "../graph/index.js";
import type { TieRelation } from "./boxes.js";
import type { Bracket } from "./brackets.js";
import { type Card, LINE_HEIGHT, PADDING, type PlacedCard } from "./cards.js";
import { beside, pathData, type Point } from "./geometry.js";
import { type LegendEntry, signWidth } from "./legend.js";
import type { PlacedTie, Sheet } from "./sheet.js";
import { styleSheet, type Theme } from "./theme.js";
import { element, escapeText } from "./xml.js";

/** The distance between two lines of the same two boxes. */
const BESIDE = 5;

/** A sheet as an SVG document, which needs only a font. */
export function sheetToSvg(sheet: Sheet, theme: Theme): string {
  const { width, height, title, headings, legend, cards, ties, brackets } = sheet;
  const parts = [
    element("title", {}, escapeText(title)),
    element("style", {}, escapeText(styleSheet(theme))),
    element("defs", {}, ...RELATIONS.map(arrowHead)),
    element("rect", { class: "paper", width, height }),
    ...headings.map(({ text, x, y }) => element("text", { class: "heading", x, y }, escapeText(text))),
    ...legend.map(legendEntry),
    ...ties.map((tie) => tieLines(tie, cards)),
    ...brackets.map(bracketLines),
    ...cards.map(cardGroup),
  ];
  const attributes = {
    ...{ xmlns: "http://www.w3.org/2000/svg", class: "sluice-picture", role: "img" },
    ...{ width, height, viewBox: `0 0 ${width} ${height}` },
  };
  return `${element("svg", attributes, "\n", parts.join("\n"), "\n")}\n`;
}

const RELATIONS: readonly PictureEdge["relation"][] = ["order", "requires", "needs"];

function arrowHead(relation: PictureEdge["relation"]): string {
  const attributes = {
    ...{ id: `sluice-${relation}`, class: `${relation}-head`, viewBox: "0 0 10 10", refX: 9, refY: 5 },
    ...{ markerWidth: 8, markerHeight: 8, markerUnits: "userSpaceOnUse", orient: "auto" },
  };
  // The arrow head of an order is solid. The others are open at the back.
  const d = relation === "order" ? "M0,0.8L10,5L0,9.2Z" : "M0,0.8L10,5L0,9.2L3.2,5Z";
  return element("marker", attributes, element("path", { d }));
}

function cardGroup(card: PlacedCard): string {
  const { shape, isLeftOut, isCentre, title, x, y, width, height } = card;
  const classes = [shape, ...(isLeftOut ? ["left-out"] : []), ...(isCentre ? ["centre"] : [])];
  return element(
    "g",
    { class: `card ${classes.join(" ")}`, "data-unit": unitOf(card) },
    element("title", {}, escapeText(title)),
    ...(shape === "fold" ? [sheetBehind(card)] : []),
    element("rect", { x, y, width, height, rx: radius(shape, height) }),
    ...cardText(card),
  );
}

/** A second sheet partly visible behind the first. */
function sheetBehind({ x, y, width, height }: PlacedCard): string {
  return element("rect", { x: x + 4, y: y + 4, width, height, rx: 3 });
}

/** Tasks have round ends. */
function radius(shape: Card["shape"], height: number): number {
  return shape === "task" ? Math.min(height / 2, 18) : 3;
}

function cardText({ lines, x, y, width, height }: PlacedCard): string[] {
  const textHeight = lines.reduce((sum, { style }) => sum + LINE_HEIGHT[style], 0);
  // Centred vertically, even where a row made the card higher.
  let top = y + Math.max(PADDING.y, (height - textHeight) / 2);
  return lines.map(({ text, style }) => {
    const base = top + LINE_HEIGHT[style] - 4;
    top += LINE_HEIGHT[style];
    return element(
      "text",
      { class: style, x: x + width / 2, y: base, "text-anchor": "middle" },
      escapeText(text),
    );
  });
}

function tieLines({ first, then, relations, curve }: PlacedTie, cards: readonly PlacedCard[]): string {
  const middle = (relations.length - 1) / 2;
  const isFaint = cards[first]?.isLeftOut === true || cards[then]?.isLeftOut === true;
  return relations
    .map((tie, i) => {
      const title = tieTitle(tie, nameOf(cards[first]), nameOf(cards[then]));
      const ends = { from: unitOf(cards[first]), to: unitOf(cards[then]) };
      return line(tie, beside(curve, (i - middle) * BESIDE), { title, isFaint, ends });
    })
    .join("\n");
}

/** The units at both ends of a line; undefined for a box that stands for several. */
interface Ends {
  readonly from: string | undefined;
  readonly to: string | undefined;
}

function unitOf(card: PlacedCard | undefined): string | undefined {
  return card?.units.length === 1 ? card.units[0] : undefined;
}

function nameOf(card: PlacedCard | undefined): string {
  return card?.lines[0]?.text ?? "";
}

function tieTitle({ relation, backward }: TieRelation, first: string, then: string): string {
  const [from, to] = backward ? [then, first] : [first, then];
  return `${from} ${relation === "order" ? "comes before" : relation} ${to}`;
}

function line(
  { relation, backward }: TieRelation,
  points: readonly Point[],
  { title, isFaint, ends }: { readonly title: string; readonly isFaint: boolean; readonly ends: Ends },
): string {
  const d = pathData(backward ? points.toReversed() : points);
  const path = element("path", { d, "marker-end": `url(#sluice-${relation})` });
  const classes = `tie ${relation}${isFaint ? " faint" : ""}`;
  const { from, to } = backward ? { from: ends.to, to: ends.from } : ends;
  const attributes = { class: classes, "data-from": from, "data-to": to };
  return element("g", attributes, element("title", {}, escapeText(title)), path);
}

/** Arrows lead from the graph to the cards after it, and from the cards before it to the graph. */
function bracketLines({ side, x, y, height, arm, reach, arrows }: Bracket): string {
  const inwards = side === "right" ? -arm : arm;
  const frame = element("path", { d: `M${x + inwards},${y}H${x}V${y + height}H${x + inwards}` });
  const start = side === "right" ? x : x - reach;
  return element(
    "g",
    { class: "bracket order" },
    frame,
    ...arrows.map(({ y: at, title }) =>
      element(
        "g",
        {},
        element("title", {}, escapeText(title)),
        element("path", { d: `M${start},${at}H${start + reach}`, "marker-end": "url(#sluice-order)" }),
      ),
    ),
  );
}

function legendEntry(entry: LegendEntry & Point): string {
  const { text, x, y } = entry;
  return element(
    "g",
    { class: "legend" },
    legendSign(entry),
    element("text", { x: x + signWidth(entry.sign), y: y + 12 }, escapeText(text)),
  );
}

function legendSign({ sign, x, y }: LegendEntry & Point): string {
  const box = { x: x + 2, y: y + 1, width: 28, height: 14 };
  switch (sign) {
    case "module":
    case "fold":
    case "left-out":
      return element("g", { class: sign }, element("rect", { ...box, rx: 3 }));
    case "task":
      return element("g", { class: sign }, element("rect", { ...box, rx: 7 }));
    case "served":
    case "others":
      return element(
        "text",
        { class: sign === "others" ? sign : "serves", x: x + 7, y: y + 12, "text-anchor": "middle" },
        sign === "served" ? "●" : "○",
      );
    case "all":
      return element(
        "g",
        { class: "order" },
        element("path", { d: `M${x + 3},${y + 1}H${x + 9}V${y + 15}H${x + 3}` }),
        element("path", { d: `M${x + 9},${y + 8}H${x + 31}`, "marker-end": "url(#sluice-order)" }),
      );
    case "order":
    case "requires":
    case "needs":
      return element(
        "g",
        { class: sign },
        element("path", { d: `M${x + 1},${y + 8}H${x + 31}`, "marker-end": `url(#sluice-${sign})` }),
      );
  }
}
