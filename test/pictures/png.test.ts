import { describe, expect, test } from "vitest";
import { draw } from "../../src/pictures/draw.js";
import { svgToPng } from "../../src/pictures/png.js";
import { decodePng, type Pixels } from "../helpers/png.js";
import { type Area, fluxPicture, readSheet, svgOf } from "./pictures.js";

async function pngOf(scale: number) {
  const drawn = await draw({
    picture: fluxPicture(),
    format: "png",
    title: "a title",
    scale,
    folding: "as-needed",
  });
  if (drawn.format !== "png") throw new Error("not a PNG");
  return drawn;
}

/** How many pixels of an area are dark, as letters are and nothing else within a card is. */
function darkPixels({ width, rgba }: Pixels, area: Area, scale: number): number {
  let dark = 0;
  for (let y = Math.floor(area.top * scale); y < area.bottom * scale; y++) {
    for (let x = Math.floor(area.left * scale); x < area.right * scale; x++) {
      const at = 4 * (y * width + x);
      if ((rgba[at] ?? 255) + (rgba[at + 1] ?? 255) + (rgba[at + 2] ?? 255) < 3 * 140) dark += 1;
    }
  }
  return dark;
}

describe("a PNG", () => {
  test.each([1, 2])("has the size of the SVG times its scale (%i)", async (scale) => {
    const page = readSheet(await svgOf(fluxPicture())).page;
    const { widthPx, heightPx, bytes } = await pngOf(scale);
    expect([widthPx, heightPx]).toEqual([page.right * scale, page.bottom * scale]);
    const { width, height } = decodePng(bytes);
    expect([width, height]).toEqual([widthPx, heightPx]);
  });

  test("has letters wherever the SVG has text, from fonts of its own", async () => {
    const { cards } = readSheet(await svgOf(fluxPicture()));
    const pixels = decodePng((await pngOf(2)).bytes);
    for (const { texts } of cards) {
      for (const text of texts)
        expect(darkPixels(pixels, text, 2), text.text).toBeGreaterThan(8 * text.text.length);
    }
  });

  test("is opaque, on white", async () => {
    const { rgba } = decodePng((await pngOf(1)).bytes);
    expect([...rgba.subarray(0, 4)]).toEqual([255, 255, 255, 255]);
    expect(rgba.every((value, i) => i % 4 !== 3 || value === 255)).toBe(true);
  });

  test("is drawn smaller where it would be too large for memory or for viewers", () => {
    const svg = (width: number, height: number): string =>
      `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"/>`;
    const square = svgToPng(svg(20_000, 20_000), { width: 20_000, height: 20_000, scale: 2 });
    expect(square.widthPx * square.heightPx).toBeLessThan(33e6);
    const strip = svgToPng(svg(100_000, 10), { width: 100_000, height: 10, scale: 2 });
    expect(strip.widthPx).toBeLessThanOrEqual(16_001);
  });
});
