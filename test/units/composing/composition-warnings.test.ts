import { expect, test } from "vitest";
import { compose, compositionWarnings, parseFragment } from "../../../src/units/index.js";
import { catalogOf } from "../../helpers/catalog.js";

/** Codes and places of the warnings about files, given as path and text. */
function warningsFor(...files: readonly (readonly [file: string, text: string])[]): string[] {
  const fragments = files.map(([file, text]) => {
    const parsed = parseFragment(text, { file });
    if (!parsed.ok) throw new Error(parsed.diagnostics[0]?.message);
    return parsed.value;
  });
  const composed = compose(fragments);
  if (!composed.ok) throw new Error(composed.diagnostics[0]?.message);
  return compositionWarnings(composed.value).map(
    ({ code, location }) => `${code} ${location?.file ?? ""}:${location?.line ?? 0}:${location?.column ?? 0}`,
  );
}

const BASE = [
  "/etc/modprobe.toml",
  '[[modules]]\nname = "a"\nranks = "0"\nargs = ["x"]\nrequires = ["a"]',
] as const;

test("an update that says what is so already has no effect, key by key", () => {
  expect(
    warningsFor(BASE, ["s.toml", 'a.ranks = "0"\na.priority = 100\na.exec = false\na.args = ["y"]']),
  ).toEqual(["UNIT_NO_EFFECT s.toml:1:11", "UNIT_NO_EFFECT s.toml:2:14", "UNIT_NO_EFFECT s.toml:3:10"]);
});

test("fault-G3: an entry that repeats what is said of a unit is no mistake; one that changes a fragment's word is named", () => {
  const vendor = ["/opt/modprobe.d/all.toml", `${BASE[1]}\npriority = 7`] as const;
  expect(warningsFor(BASE, vendor)).toEqual([]);
  const again = ["/opt/modprobe.d/site.toml", BASE[1].replace('"x"', '"y"')] as const;
  expect(warningsFor(BASE, vendor, again)).toEqual(["UNIT_OVERRIDE /opt/modprobe.d/site.toml:4:8"]);
});

test("an edit that adds what is there, takes away what is not, or a table of nothing has no effect", () => {
  expect(warningsFor(BASE, ["s.toml", 'a."requires+" = ["a"]\na."after-" = ["z"]'])).toEqual([
    "UNIT_NO_EFFECT s.toml:1:17",
    "UNIT_NO_EFFECT s.toml:2:14",
  ]);
  expect(warningsFor(BASE, ["s.toml", 'a."requires-" = ["a"]'])).toEqual([]);
  expect(warningsFor(BASE, ["s.toml", "[a]"])).toEqual(["UNIT_NO_EFFECT s.toml:1:1"]);
});

test("a file that replaces what a fragment of modprobe.d set overrides it; the built-in file is there for that", () => {
  const one = ["/etc/modprobe.d/10.toml", "a.priority = 5"] as const;
  const two = ["/etc/modprobe.d/20.toml", "a.priority = 6"] as const;
  expect(warningsFor(BASE, one)).toEqual([]);
  expect(warningsFor(BASE, one, two)).toEqual(["UNIT_OVERRIDE /etc/modprobe.d/20.toml:1:14"]);
  expect(warningsFor(BASE, one, ["/etc/modprobe.d/30.toml", 'a."requires+" = ["b"]'])).toEqual([]);
});

test("a catalog that was not composed has no warnings", () => {
  expect(compositionWarnings(catalogOf([{ name: "a" }]))).toEqual([]);
});
