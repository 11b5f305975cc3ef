import type { Card, PlacedCard } from "./cards.js";
import type { Point, Size } from "./geometry.js";

/** A bracket around all of a graph, from its upper end down, and arrows between it and the cards before or after. */
export interface Bracket extends Point {
  readonly side: "left" | "right";
  readonly height: number;
  /** The length of its arms towards the graph, and of its arrows away from it. */
  readonly arm: number;
  readonly reach: number;
  /** Heights of the arrows, and their meaning in words. */
  readonly arrows: readonly { readonly y: number; readonly title: string }[];
}

const ARM = 8;
const REACH = 40;
/** The distance between the graph and a bracket, and between cards one above the other. */
const GAP = 18;

/** A graph with the cards beside it. */
interface WithEnds extends Size {
  /** The upper left corner of the graph itself. */
  readonly corner: Point;
  readonly cards: readonly PlacedCard[];
  readonly brackets: readonly Bracket[];
}

/** Puts the cards that come before the whole graph to its left, and the cards that come after it to its right. */
export function placeEnds(
  { first, last }: { readonly first: readonly Card[]; readonly last: readonly Card[] },
  graph: Size,
): WithEnds {
  const height = Math.max(graph.height, stackHeight(first), stackHeight(last));
  const left = widest(first);
  const graphLeft = first.length === 0 ? 0 : left + REACH + GAP;
  const graphRight = graphLeft + graph.width;
  const firstCards = stack(first, 0, left, height);
  const lastCards = stack(last, graphRight + GAP + REACH, widest(last), height);
  const common = { y: 0, height, arm: ARM, reach: REACH } as const;
  const arrowsOf = (cards: readonly PlacedCard[], words: string) =>
    cards.map((card) => ({ y: card.y + card.height / 2, title: `${card.units.join(", ")} ${words}` }));
  return {
    width: last.length === 0 ? graphRight : graphRight + GAP + REACH + widest(last),
    height,
    corner: { x: graphLeft, y: (height - graph.height) / 2 },
    cards: [...firstCards, ...lastCards],
    brackets: [
      ...(first.length === 0
        ? []
        : [
            {
              ...common,
              side: "left",
              x: left + REACH,
              arrows: arrowsOf(firstCards, "comes before all others"),
            } as const,
          ]),
      ...(last.length === 0
        ? []
        : [
            {
              ...common,
              side: "right",
              x: graphRight + GAP,
              arrows: arrowsOf(lastCards, "comes after all others"),
            } as const,
          ]),
    ],
  };
}

function widest(cards: readonly Card[]): number {
  return cards.reduce((most, { width }) => Math.max(most, width), 0);
}

function stackHeight(cards: readonly Card[]): number {
  return cards.reduce((sum, { height }) => sum + height + GAP, 0) - (cards.length === 0 ? 0 : GAP);
}

/** Places cards one above the other, in the middle of a height. */
function stack(cards: readonly Card[], x: number, width: number, height: number): PlacedCard[] {
  let y = (height - stackHeight(cards)) / 2;
  return cards.map((card) => {
    const placed = { ...card, x, y, width };
    y += card.height + GAP;
    return placed;
  });
}
