import type { Picture, PictureEdge, PictureNode } from "../graph/index.js";

/**
 * The content of one box: a unit, or several in one fold. A fold is a chain of units, units with the same neighbours
 * (`alike`), some of both (`mixed`), or all units of one level.
 */
export type BoxKind = "unit" | "chain" | "alike" | "mixed" | "level";

/** A box of a picture, and the units in it; those of a chain or a level are in canonical order. */
export interface Box {
  readonly kind: BoxKind;
  readonly members: readonly PictureNode[];
}

/**
 * A relation between two boxes; `backward`: from the later to the earlier, because a unit usually comes after the
 * units that it requires.
 */
export interface TieRelation {
  readonly relation: PictureEdge["relation"];
  readonly backward: boolean;
}

/** All relations between two boxes, as parallel lines. */
export interface Tie {
  readonly first: number;
  readonly then: number;
  readonly relations: readonly TieRelation[];
}

/** The bits of a set of relations, in the order of drawing. */
const RELATIONS: readonly TieRelation[] = [
  { relation: "order", backward: false },
  { relation: "requires", backward: true },
  { relation: "requires", backward: false },
  { relation: "needs", backward: true },
  { relation: "needs", backward: false },
];

/** The bit of `order`, which is also the set with only that relation. */
export const ORDER_BIT = 1;

/** Boxes in an order that agrees with every `order`, and the relations between each two as bits. */
export class BoxGraph {
  readonly boxes: readonly Box[];
  /** Bits by `first × number of boxes + then`, where `first` is the smaller. */
  readonly #ties: ReadonlyMap<number, number>;

  private constructor(boxes: readonly Box[], ties: ReadonlyMap<number, number>) {
    this.boxes = boxes;
    this.#ties = ties;
  }

  /** One box for each unit. */
  static of({ nodes, edges }: Pick<Picture, "nodes" | "edges">): BoxGraph {
    const places = new Map(nodes.map(({ name }, i) => [name, i]));
    const ties = new TieTable(nodes.length);
    for (const { from, to, relation } of edges) {
      const a = places.get(from);
      const b = places.get(to);
      if (a === undefined || b === undefined) continue;
      const backward = b < a;
      const bit = RELATIONS.findIndex((known) => known.relation === relation && known.backward === backward);
      ties.add(Math.min(a, b), Math.max(a, b), 1 << bit);
    }
    return new BoxGraph(
      nodes.map((node) => ({ kind: "unit", members: [node] })),
      ties.bits,
    );
  }

  get tieCount(): number {
    return this.#ties.size;
  }

  /** `[first, then, bits]`, sorted by first, then by the other. */
  entries(): (readonly [first: number, then: number, bits: number])[] {
    const count = this.boxes.length;
    return Array.from(this.#ties)
      .sort(([a], [b]) => a - b)
      .map(([key, bits]) => [Math.floor(key / count), key % count, bits]);
  }

  ties(): Tie[] {
    return this.entries().map(([first, then, bits]) => ({
      first,
      then,
      relations: RELATIONS.filter((_, bit) => ((bits >>> bit) & 1) === 1),
    }));
  }

  /**
   * The graph with some boxes joined. Between levels it keeps only the lines from one level to the next.
   * @param rows for each new box its old boxes, ascending; each box once; rows in the order of their first boxes
   */
  merged(rows: readonly (readonly number[])[], kind: Exclude<BoxKind, "unit" | "mixed">): BoxGraph {
    const place = new Uint32Array(this.boxes.length);
    for (const [i, row] of rows.entries()) for (const box of row) place[box] = i;
    const ties = new TieTable(rows.length);
    for (const [first, then, bits] of this.entries()) {
      const a = place[first] ?? 0;
      const b = place[then] ?? 0;
      if (kind === "level" ? b === a + 1 : a !== b) ties.add(a, b, bits);
    }
    return new BoxGraph(
      rows.map((row) => this.#mergedBox(row, kind)),
      ties.bits,
    );
  }

  /** The graph of the boxes that stay, in their order, with the lines between them. */
  only(stays: (box: number) => boolean): BoxGraph {
    const kept = [...this.boxes.keys()].filter(stays);
    const place = new Map(kept.map((box, i) => [box, i]));
    const ties = new TieTable(kept.length);
    for (const [first, then, bits] of this.entries()) {
      const a = place.get(first);
      const b = place.get(then);
      if (a !== undefined && b !== undefined) ties.add(a, b, bits);
    }
    return new BoxGraph(
      kept.flatMap((i) => this.boxes.slice(i, i + 1)),
      ties.bits,
    );
  }

  #mergedBox(row: readonly number[], kind: Exclude<BoxKind, "unit" | "mixed">): Box {
    const parts = row.flatMap((i) => this.boxes.slice(i, i + 1));
    const [first] = parts;
    if (first !== undefined && parts.length === 1 && kind !== "level") return first;
    const isPlain = kind === "level" || parts.every((part) => part.kind === "unit" || part.kind === kind);
    return { kind: isPlain ? kind : "mixed", members: parts.flatMap(({ members }) => members) };
  }
}

class TieTable {
  readonly bits = new Map<number, number>();
  readonly #count: number;

  constructor(count: number) {
    this.#count = count;
  }

  add(first: number, then: number, bits: number): void {
    const key = first * this.#count + then;
    this.bits.set(key, (this.bits.get(key) ?? 0) | bits);
  }
}
