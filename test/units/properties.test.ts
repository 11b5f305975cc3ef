import fc from "fast-check";
import { stringify } from "smol-toml";
import { expect, test } from "vitest";
import { renderDiagnostic } from "../../src/errors/index.js";
import { compose, parseConfigText, parseFragment, parseRcFragment } from "../../src/units/index.js";
import { runs } from "../helpers/property-runs.js";

const word = fc.constantFrom(
  "a",
  "b",
  "s",
  "m",
  "*",
  "modules",
  "tasks",
  "alternatives",
  "libraries",
  "load",
  "",
  "x.y",
  "constructor",
  "7",
);
const key = fc.constantFrom(
  "name",
  "provides",
  "requires",
  "after",
  "before",
  "after+",
  "after-",
  "args+",
  "ranks",
  "priority",
  "timeout",
  "disabled",
  "memory-limit",
  "module",
  "command",
  "runlevels",
  "on-failure",
  "watchdog",
  "optional",
  "needs-env",
  "file",
  "modules",
  "toString",
  "foo",
);
const leaf = fc.oneof(
  word,
  fc.constantFrom("all", "0-3", ">0", "30s", "512MiB", "rc1", "panic", "!x", "*"),
  fc.integer({ min: -3, max: 300 }),
  fc.boolean(),
  fc.double({ noNaN: true }),
  fc.array(word, { maxLength: 3 }),
);
const table = fc.dictionary(key, leaf, { maxKeys: 5 });
const named = fc
  .record({ name: fc.constantFrom("a", "b", "m", "s"), rest: table })
  .map(({ name, rest }) => ({ ...rest, name }));
const file = fc
  .record(
    {
      modules: fc.oneof(fc.array(named, { maxLength: 3 }), table, leaf),
      tasks: fc.array(fc.oneof(named, table), { maxLength: 2 }),
      libraries: fc.array(table, { maxLength: 2 }),
      alternatives: fc.dictionary(word, leaf, { maxKeys: 2 }),
      a: fc.oneof(table, leaf),
      load: leaf,
      "7": table,
    },
    { requiredKeys: [] },
  )
  .map((value) => stringify(value));

test("no unit file makes reading or composing throw, and every error has a place in it", () => {
  fc.assert(
    fc.property(fc.array(file, { minLength: 1, maxLength: 3 }), (texts) => {
      const fragments = texts.map((text, index) => parseFragment(text, { file: `${index}.toml` }));
      const sound = fragments.flatMap((result) => (result.ok ? [result.value] : []));
      for (const result of [...fragments, compose(sound)]) {
        if (result.ok) continue;
        expect(result.diagnostics.length).toBeGreaterThan(0);
        for (const diagnostic of result.diagnostics) {
          expect(diagnostic.location?.sourceLine).toBeDefined();
          expect(renderDiagnostic(diagnostic)).toContain(`[${diagnostic.code}]`);
        }
      }
    }),
    runs(400),
  );
});

test("no text makes reading throw, in any format", () => {
  const piece = fc.constantFrom(
    "[",
    "]",
    "{",
    "}",
    '"',
    "'",
    '"""',
    "=",
    ":",
    "- ",
    "\n",
    "  ",
    "#",
    "&a ",
    "*a",
    "!t ",
    "a",
    "modules",
    ",",
    "1",
    "\\",
    "|",
    ">",
    "? ",
    "---",
    "\t",
    "\r\n",
    "\0",
    "\uFEFF",
    "\uD800",
    "<<",
  );
  const text = fc.oneof(
    fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join("")),
    fc.string({ unit: "binary" }),
  );
  fc.assert(
    fc.property(text, fc.constantFrom("toml", "yaml"), (input, format) => {
      for (const parse of [parseFragment, parseRcFragment]) {
        const result = parse(input, { file: `a.${format}` });
        if (!result.ok) expect(result.diagnostics[0]?.location?.file).toBe(`a.${format}`);
      }
      for (const label of ["a.toml", "a.yaml", "a.json", "<stdin>"]) {
        const result = parseConfigText(input, label);
        if (!result.ok) expect(result.diagnostics.length).toBeGreaterThan(0);
      }
    }),
    runs(400),
  );
});

test("what is composed does not depend on anything but the order of its fragments", () => {
  fc.assert(
    fc.property(fc.array(file, { minLength: 1, maxLength: 3 }), (texts) => {
      const read = () =>
        compose(
          texts.flatMap((text, index) => {
            const result = parseFragment(text, { file: `${index}.toml` });
            return result.ok ? [result.value] : [];
          }),
        );
      const [one, two] = [read(), read()];
      expect(one.ok ? one.value.units : one.diagnostics).toEqual(two.ok ? two.value.units : two.diagnostics);
    }),
  );
});
