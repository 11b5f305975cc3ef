import { type Picture, withoutImpliedAsks } from "../graph/index.js";
import { type Box, BoxGraph, type Tie } from "./boxes.js";
import { type Bracket, placeEnds } from "./brackets.js";
import { type Card, CardWriter, type PlacedCard } from "./cards.js";
import { type GraphWithEnds, setEndsApart } from "./ends.js";
import { fold, type Folding } from "./fold.js";
import { widthOf } from "./font.js";
import type { Point } from "./geometry.js";
import { layOut } from "./layout.js";
import { boxLeftOut } from "./left-out.js";
import { type LegendEntry, placeLegend } from "./legend.js";

/** A text and its place: the left end of its base line. */
interface Heading extends Point {
  readonly text: string;
}

/** A relation of two cards along a curve from the first to the other. */
export interface PlacedTie extends Tie {
  readonly curve: readonly Point[];
}

/** A picture with all its places, in pixels. */
export interface Sheet {
  readonly width: number;
  readonly height: number;
  readonly title: string;
  readonly headings: readonly Heading[];
  readonly legend: readonly (LegendEntry & Point)[];
  /** Cards that ties refer to come first, in the order of their numbers. */
  readonly cards: readonly PlacedCard[];
  readonly ties: readonly PlacedTie[];
  readonly brackets: readonly Bracket[];
}

const MARGIN = 24;
const GAP = 18;
const WIDTH_MIN = 420;
/** The least width for the columns of left-out units, even in a small picture. */
const LEFT_OUT_WIDTH_MIN = 800;
/** The same for units without relations, which have a place of their own if there are several. */
const LONE_WIDTH_MIN = 600;
const LONE_MIN = 3;
const TITLE = { size: 15, isBold: true } as const;

/**
 * Lays a picture out on a sheet: title and legend, the graph, and below it the units that are left out. In the
 * neighbourhood of a unit, left-out units are part of the graph, because the picture may be about one of them.
 * @throws SluiceError `GRAPH_PICTURE` if Graphviz fails
 */
export async function layOutSheet(picture: Picture, title: string, folding: Folding): Promise<Sheet> {
  const { ends, aside } = boxesOf(picture, folding);
  const writer = new CardWriter(picture);
  const write = (boxes: readonly Box[]): Card[] => boxes.map((box, i) => writer.card(box, i));
  const leftOut = write(aside);
  const drawing = await layOutGraph(ends, write);

  const inner = Math.max(
    ...[WIDTH_MIN, drawing.width, widthOf(title, TITLE), gridWidth(leftOut, LEFT_OUT_WIDTH_MIN)],
  );
  const legend = placeLegend([...drawing.cards, ...leftOut], drawing.ties, drawing.brackets, inner);
  const titleBase = MARGIN + TITLE.size;
  const legendCorner = { x: MARGIN, y: titleBase + GAP };
  const graphCorner = { x: MARGIN + (inner - drawing.width) / 2, y: legendCorner.y + legend.height + GAP };
  const graphBottom = graphCorner.y + drawing.height;
  const asideBase = graphBottom + 2 * GAP;
  const grid = placeGrid(leftOut, { x: MARGIN, y: asideBase + GAP }, inner);
  return {
    width: Math.ceil(inner + 2 * MARGIN),
    height: Math.ceil((leftOut.length > 0 ? grid.bottom : graphBottom) + MARGIN),
    title,
    headings: [
      { text: title, x: MARGIN, y: titleBase },
      ...(leftOut.length > 0 ? [{ text: "Left out", x: MARGIN, y: asideBase }] : []),
    ],
    legend: legend.entries.map((entry) => moved(entry, legendCorner)),
    cards: [...drawing.cards.map((card) => moved(card, graphCorner)), ...grid.cards],
    ties: drawing.ties.map((tie) => ({ ...tie, curve: tie.curve.map((point) => moved(point, graphCorner)) })),
    brackets: drawing.brackets.map((bracket) => ({
      ...moved(bracket, graphCorner),
      arrows: bracket.arrows.map((arrow) => ({ ...arrow, y: arrow.y + graphCorner.y })),
    })),
  };
}

function moved<T extends Point>(thing: T, by: Point): T {
  return { ...thing, x: thing.x + by.x, y: thing.y + by.y };
}

function boxesOf(
  picture: Picture,
  folding: Folding,
): { readonly ends: GraphWithEnds; readonly aside: readonly Box[] } {
  if (picture.centre !== undefined) {
    const graph = fold(BoxGraph.of(picture), picture.centre, folding);
    return { ends: { graph, first: [], last: [] }, aside: [] };
  }
  const planned = picture.nodes.filter(({ leftOut }) => leftOut === undefined);
  const { edges } = withoutImpliedAsks(picture);
  return {
    ends: setEndsApart(fold(BoxGraph.of({ nodes: planned, edges }), undefined, folding)),
    aside: boxLeftOut(picture.nodes.filter(({ leftOut }) => leftOut !== undefined)),
  };
}

/**
 * The graph alone, from 0, 0 on: connected boxes, below them those without relations, and around both the brackets
 * for relations to all.
 */
async function layOutGraph({ graph, first, last }: GraphWithEnds, write: (boxes: readonly Box[]) => Card[]) {
  const isLone = loneBoxes(graph);
  const tied = graph.only((box) => !isLone(box));
  const inside = write(tied.boxes);
  const ties = tied.ties();
  const isByLevel = graph.boxes.some(({ kind }) => kind === "level");
  const layout = await layOut(inside, ties, isByLevel ? "TB" : "LR");
  const lone = write(graph.only(isLone).boxes);
  const width = Math.max(layout.width, gridWidth(lone, LONE_WIDTH_MIN));
  const grid = placeGrid(lone, { x: 0, y: layout.height + (inside.length === 0 ? 0 : GAP) }, width);
  const height = lone.length === 0 ? layout.height : grid.bottom;
  const ends = placeEnds({ first: write(first), last: write(last) }, { width, height });
  const shift = { x: ends.corner.x + (width - layout.width) / 2, y: ends.corner.y };
  const cards = inside.map((card, i): PlacedCard => {
    const centre = moved(layout.centres[i] ?? { x: 0, y: 0 }, shift);
    return { ...card, x: centre.x - card.width / 2, y: centre.y - card.height / 2 };
  });
  return {
    ...{ width: ends.width, height: ends.height, brackets: ends.brackets },
    cards: [...cards, ...grid.cards.map((card) => moved(card, ends.corner)), ...ends.cards],
    ties: ties.map((tie, i): PlacedTie => {
      return { ...tie, curve: (layout.curves[i] ?? []).map((point) => moved(point, shift)) };
    }),
  };
}

/** Boxes without a line, if there are several, because Graphviz would put them all into one column. */
function loneBoxes(graph: BoxGraph): (box: number) => boolean {
  const tied = new Set(graph.entries().flatMap(([first, then]) => [first, then]));
  const isFew = graph.boxes.length - tied.size < LONE_MIN;
  return (box) => !isFew && !tied.has(box);
}

function columnWidth(cards: readonly Card[]): number {
  return cards.reduce((widest, { width }) => Math.max(widest, width), 0);
}

/** Width of all cards side by side, with a limit in pixels. */
function gridWidth(cards: readonly Card[], most: number): number {
  return Math.min(most, cards.length * (columnWidth(cards) + GAP) - GAP);
}

/** Cards in columns of one width, row by row. */
function placeGrid(cards: readonly Card[], corner: Point, width: number) {
  const narrowest = columnWidth(cards);
  const count = Math.max(1, Math.floor((width + GAP) / (narrowest + GAP)));
  // Several rows fill the sheet.
  const column = cards.length > count ? (width + GAP) / count - GAP : narrowest;
  const placed: PlacedCard[] = [];
  let top = corner.y;
  for (let start = 0; start < cards.length; start += count) {
    const row = cards.slice(start, start + count);
    const height = row.reduce((highest, card) => Math.max(highest, card.height), 0);
    for (const [i, card] of row.entries())
      placed.push({ ...card, x: corner.x + i * (column + GAP), y: top, width: column, height });
    top += height + GAP;
  }
  return { cards: placed, bottom: top - GAP };
}
