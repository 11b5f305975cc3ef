import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  escapeAllButColours,
  escapeControls,
  hasControls,
  indentLines,
  onOneLine,
  printableJson,
} from "../../src/errors/index.js";

const hostile = fc.string({
  unit: fc.constantFrom(
    "a",
    "\n",
    "\t",
    "\r",
    "\u001b[31m",
    "\u0000",
    "\u007f",
    "\u009b",
    "\u202e",
    "\u2028",
    "ä",
  ),
});

describe("fault-E3: text of others", () => {
  test.each([
    ["\u001b[2Jgone", "\\x1b[2Jgone"],
    ["one\rtwo", "one\\rtwo"],
    ["nul\u0000", "nul\\x00"],
    ["\u009b2J", "\\x9b2J"],
    ["abc\u202ecba\u2066", "abc\\u202ecba\\u2066"],
    ["a\u2028b", "a\\u2028b"],
    ["a\tb\nc", "a\tb\nc"],
    ["Grüße, 名前", "Grüße, 名前"],
  ])("%j is printed as %j", (text, printed) => {
    expect(escapeControls(text)).toBe(printed);
  });

  test("keeps its lines and tabs alone, whatever it is", () => {
    fc.assert(
      fc.property(hostile, (text) => {
        expect(hasControls(escapeControls(text).replaceAll(/[\n\t]/g, ""))).toBe(false);
        expect(hasControls(onOneLine(text))).toBe(false);
        expect(escapeControls(text).split("\n")).toHaveLength(text.split("\n").length);
      }),
    );
  });

  test("cannot begin a line of its own", () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const [, ...further] = `broker.info: ${indentLines(text)}`.split("\n");
        for (const line of further) expect(line === "" || line.startsWith("  ")).toBe(true);
      }),
    );
    expect(indentLines("a\nbroker.err: b")).toBe("a\n  broker.err: b");
  });

  test("in JSON is the same value, without a character that a terminal acts on", () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const json = printableJson({ text });
        expect(JSON.parse(json)).toEqual({ text });
        expect(hasControls(json)).toBe(false);
      }),
    );
  });

  test("fault-E7: nested too deeply is no internal error", () => {
    const deep = JSON.parse("[".repeat(100_000) + "]".repeat(100_000)) as unknown;
    expect(() => printableJson(deep)).toThrow("nested too deeply");
  });

  test("keeps its colours where programs print on a terminal", () => {
    expect(escapeAllButColours("\u001b[1;31mred\u001b[0m\u001b[2J")).toBe("\u001b[1;31mred\u001b[0m\\x1b[2J");
  });
});
