/** Drawing in a thread, by the public library as it is built. */
import { describe, expect, test } from "vitest";
import type * as Library from "../../src/index.js";
import { parseXml } from "../helpers/xml.js";
import { fluxPicture, pictureOfUnits, readSheet } from "./pictures.js";

const library = new URL("../../dist/index.js", import.meta.url).href;
const { renderPicture, SluiceError } = (await import(library)) as typeof Library;

describe("renderPicture", () => {
  test("draws while the caller's event loop goes on", async () => {
    let turns = 0;
    let isDrawn = false;
    const count = (): void => {
      turns += 1;
      if (!isDrawn) setImmediate(count);
    };
    count();
    const drawn = await renderPicture(fluxPicture(), { format: "svg" });
    isDrawn = true;
    // To start a thread alone takes several.
    expect(turns).toBeGreaterThan(100);
    if (drawn.format !== "svg") throw new Error("not an SVG");
    const root = parseXml(drawn.text);
    expect(root.attributes.get("width")).toBe(String(drawn.widthPx));
    expect(root.children.find(({ name }) => name === "title")?.text).toBe("13 modules, 5 tasks; 17 left out");
    expect(drawn.foldedUnits).toBe(0);
  });

  test("gives up when it is told to", async () => {
    const reason = new Error("enough");
    await expect(
      renderPicture(fluxPicture(), { format: "svg", signal: AbortSignal.abort(reason) }),
    ).rejects.toBe(reason);
    const stop = new AbortController();
    const drawing = renderPicture(fluxPicture(), { format: "png", signal: stop.signal });
    stop.abort(reason);
    await expect(drawing).rejects.toBe(reason);
  });

  test("draws levels when there is no time to look for good places", async () => {
    const drawn = await renderPicture(fluxPicture(), { format: "svg", layoutTimeoutMs: 1 });
    if (drawn.format !== "svg") throw new Error("not an SVG");
    expect(drawn.foldedUnits).toBeGreaterThan(0);
    const { cards } = readSheet(drawn.text);
    expect(cards.find(({ texts }) => texts[0]?.text.startsWith("level 1:") === true)).toBeDefined();
  });

  test.each([{ scale: 0 }, { scale: Number.NaN }, { layoutTimeoutMs: -1 }])("refuses %o", async (options) => {
    const drawing = renderPicture(pictureOfUnits([{ name: "a" }]), { format: "png", ...options });
    await expect(drawing).rejects.toThrow(SluiceError);
    await expect(drawing).rejects.toMatchObject({ code: "USAGE" });
  });
});
