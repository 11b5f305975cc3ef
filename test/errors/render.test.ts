import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Diagnostic, formatLocation, type Location, renderDiagnostic } from "../../src/errors/index.js";

const location: Location = {
  file: "a.toml",
  line: 3,
  column: 9,
  endLine: 3,
  endColumn: 14,
  sourceLine: 'ranks = "3-1" # here',
};
const diagnostic: Diagnostic = {
  code: "UNIT_INVALID_RANKS",
  severity: "error",
  message: "bad",
  location,
  related: [],
};

const lines = (more: Partial<Diagnostic>) => renderDiagnostic({ ...diagnostic, ...more }).split("\n");

describe("a diagnostic is shown", () => {
  test("as PATH:LINE:COL: MESSAGE [CODE], the line, a caret under the value", () => {
    expect(lines({})).toEqual([
      "a.toml:3:9: bad [UNIT_INVALID_RANKS]",
      '  ranks = "3-1" # here',
      "          ^^^^^",
    ]);
    expect(formatLocation(location)).toBe("a.toml:3:9");
  });

  test("with what is related, and the hint", () => {
    const related = [
      { message: "first defined here", location: { ...location, line: 1, column: 2 } },
      { message: "set by flag -S", location: undefined },
    ];
    expect(lines({ related, hint: "do this" }).slice(3)).toEqual([
      "  a.toml:1:2: first defined here",
      "  set by flag -S",
      "  hint: do this",
    ]);
  });

  test("as its message alone, if it has no place", () => {
    expect(lines({ location: undefined })).toEqual(["bad"]);
  });

  test("without the line, if that is not known", () => {
    const place = { file: "a.toml", line: 3, column: 9, endLine: 3, endColumn: 14 };
    expect(lines({ location: place })).toEqual(["a.toml:3:9: bad [UNIT_INVALID_RANKS]"]);
  });

  test("as a warning, if it is one", () => {
    expect(lines({ severity: "warning" })[0]).toBe("a.toml:3:9: warning: bad [UNIT_INVALID_RANKS]");
  });

  test("with the caret in line after tabs", () => {
    const place = { ...location, column: 3, endColumn: 4, sourceLine: "\t\tx" };
    expect(lines({ location: place }).slice(1)).toEqual(["  \t\tx", "  \t\t^"]);
  });

  test("with one caret for what goes on over several lines", () => {
    expect(lines({ location: { ...location, endLine: 9 } })[2]).toBe("          ^");
  });
});

test("a long line is cut around the caret, and control characters do not reach the terminal", () => {
  fc.assert(
    fc.property(
      fc.string({
        unit: fc.constantFrom("a", "\u001b", "\u0007", "\r", "\u009b", "\t", "é"),
        maxLength: 500,
      }),
      fc.nat(600),
      fc.nat(600),
      (sourceLine, offset, width) => {
        const column = Math.min(offset, sourceLine.length) + 1;
        const place = { ...location, column, endColumn: column + width, sourceLine };
        const [, shown = "", carets = ""] = lines({ location: place });
        expect(shown.length).toBeLessThanOrEqual(162);
        expect(carets.length).toBeLessThanOrEqual(shown.length + 1);
        expect(carets.trim()).toMatch(/^\^+$/);
        // eslint-disable-next-line no-control-regex -- control characters are the point
        expect(shown).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
        const under = shown.charAt(carets.indexOf("^"));
        const meant = sourceLine.charAt(column - 1);
        if (/[aé\t]/.test(meant)) expect(under).toBe(meant);
      },
    ),
  );
});
