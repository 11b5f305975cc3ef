import type { Drawing, DrawnPicture } from "./draw-port.js";
import { svgToPng } from "./png.js";
import { layOutSheet } from "./sheet.js";
import { sheetToSvg } from "./svg.js";

/**
 * Draws a picture in this thread, which takes from some milliseconds to some seconds.
 * @throws SluiceError `GRAPH_PICTURE` if a drawing program fails
 */
export async function draw({ picture, format, title, scale, folding }: Drawing): Promise<DrawnPicture> {
  const sheet = await layOutSheet(picture, title, folding);
  const { width, height, cards } = sheet;
  const foldedUnits = cards.reduce((sum, { units }) => sum + (units.length > 1 ? units.length : 0), 0);
  switch (format) {
    case "svg":
      return {
        ...{ format, text: sheetToSvg(sheet, "viewer") },
        ...{ widthPx: width, heightPx: height, foldedUnits },
      };
    case "png": {
      const png = svgToPng(sheetToSvg(sheet, "light"), { width, height, scale });
      return { format, ...png, foldedUnits };
    }
  }
}
