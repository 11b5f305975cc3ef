import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareDiagnostics, compareText, type Diagnostic, fail, succeed } from "../../src/errors/index.js";

function at(file: string, line: number, column: number, message = "m"): Diagnostic {
  const location = { file, line, column, endLine: line, endColumn: column };
  return { code: "UNIT_SYNTAX", severity: "error", message, location, related: [] };
}

const nowhere: Diagnostic = { code: "USAGE", severity: "error", message: "n", related: [] };

describe("diagnostics are sorted", () => {
  const sorted = [
    nowhere,
    at("B.toml", 1, 1),
    at("a.toml", 2, 10),
    at("a.toml", 10, 2, "a"),
    at("a.toml", 10, 2, "b"),
    at("a.toml", 10, 3),
    at("é.toml", 1, 1),
  ];

  test("by place: none first, then file, line, column, message; not by locale, nor as text", () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(sorted, { minLength: sorted.length }), (shuffled) => {
        const result = fail(shuffled);
        expect(result.ok ? [] : result.diagnostics).toEqual(sorted);
      }),
    );
  });

  test("in one order only, whichever of two is asked about first", () => {
    for (const a of sorted) {
      for (const b of sorted) {
        expect(Math.sign(compareDiagnostics(a, b))).toBe(0 - Math.sign(compareDiagnostics(b, a)));
      }
    }
  });
});

test("a failure leaves the list that it was made of alone", () => {
  const list = [at("b", 1, 1), at("a", 1, 1)];
  fail(list);
  expect(list.map(({ location }) => location?.file)).toEqual(["b", "a"]);
});

test("a success has its value, and warnings where there are any", () => {
  expect(succeed(1)).toEqual({ ok: true, value: 1, warnings: [] });
  expect(succeed(1, [nowhere])).toEqual({ ok: true, value: 1, warnings: [nowhere] });
});

test("texts compare by UTF-16 unit", () => {
  expect(["b", "B", "a", "é", "Z"].sort(compareText)).toEqual(["B", "Z", "a", "b", "é"]);
  expect(compareText("a", "a")).toBe(0);
});
