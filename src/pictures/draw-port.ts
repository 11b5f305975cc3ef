import type { Picture } from "../graph/index.js";
import type { Folding } from "./fold.js";

/** The picture to draw, as plain data for another thread. */
export interface Drawing {
  readonly picture: Picture;
  readonly format: "svg" | "png";
  readonly title: string;
  /** Pixels of a PNG for one pixel of the SVG. */
  readonly scale: number;
  readonly folding: Folding;
}

interface Drawn {
  /** The size in pixels: for an SVG its stated size, for a PNG its real size. */
  readonly widthPx: number;
  readonly heightPx: number;
  /** How many units share a box with others. */
  readonly foldedUnits: number;
}

/** A drawn picture. */
export type DrawnPicture =
  | (Drawn & { readonly format: "svg"; readonly text: string })
  | (Drawn & { readonly format: "png"; readonly bytes: Uint8Array });

/** The last message of the drawing thread. */
export type DrawReport =
  | { readonly ok: true; readonly drawn: DrawnPicture }
  | { readonly ok: false; readonly message: string; readonly cause: unknown };
