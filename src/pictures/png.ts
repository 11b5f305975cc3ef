import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type * as ResvgModule from "@resvg/resvg-js";
import { SluiceError } from "../errors/index.js";
import { FONT_FAMILY } from "./font.js";

/** Drawing 32 Mpx takes 128 MB. */
const PIXELS_MAX = 32e6;
/** The longest side in pixels; many viewers accept no more. */
const SIDE_MAX = 16_000;

const FONTS = ["DejaVuSans.ttf", "DejaVuSans-Bold.ttf"].map((file) =>
  fileURLToPath(new URL(`../../fonts/${file}`, import.meta.url)),
);

/** Characters that those fonts may lack, so that the system's fonts are used too. */
const FOREIGN = /[\u0250-\u036f\u0530-\u1fff\u2e80-\ud7ff\uf900-\uffef\u{10000}-\u{10ffff}]/u;

/** Size of an SVG in its own pixels, and the number of pixels of the PNG for one of them. */
interface SvgSize {
  readonly width: number;
  readonly height: number;
  readonly scale: number;
}

/** A PNG and its size in pixels. */
interface Png {
  readonly bytes: Uint8Array;
  readonly widthPx: number;
  readonly heightPx: number;
}

/**
 * Draws an SVG. The letters come from our own fonts, because the same plan must give the same bytes, and a
 * server may have no fonts.
 * @throws SluiceError `GRAPH_PICTURE` if the drawing library is missing on this machine, or fails
 */
export function svgToPng(svg: string, size: SvgSize): Png {
  const { Resvg } = loadResvg();
  try {
    const image = new Resvg(svg, {
      fitTo: { mode: "zoom", value: scaleFor(size) },
      font: { loadSystemFonts: FOREIGN.test(svg), fontFiles: FONTS, defaultFontFamily: FONT_FAMILY },
      logLevel: "off",
    }).render();
    return { bytes: image.asPng(), widthPx: image.width, heightPx: image.height };
  } catch (error) {
    throw new SluiceError("GRAPH_PICTURE", `cannot draw ${size.width} × ${size.height} pixels as PNG`, {
      cause: error,
    });
  }
}

/** Smaller than requested if the picture would be too large. */
function scaleFor({ width, height, scale }: SvgSize): number {
  return Math.min(scale, Math.sqrt(PIXELS_MAX / (width * height)), SIDE_MAX / Math.max(width, height));
}

function loadResvg(): typeof ResvgModule {
  try {
    return createRequire(import.meta.url)("@resvg/resvg-js") as typeof ResvgModule;
  } catch (error) {
    const message = `@resvg/resvg-js, which draws PNG, does not load on ${process.platform}-${process.arch}; use SVG`;
    throw new SluiceError("GRAPH_PICTURE", message, { cause: error });
  }
}
