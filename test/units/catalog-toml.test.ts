import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  type Catalog,
  catalogToToml,
  compose,
  disableNames,
  namedOrigin,
  parseFragment,
  unitToJson,
} from "../../src/units/index.js";

function catalogFrom(...files: readonly (readonly [file: string, text: string])[]): Catalog {
  const fragments = files.map(([file, text]) => {
    const parsed = parseFragment(text, { file });
    if (!parsed.ok) throw new Error(parsed.diagnostics[0]?.message);
    return parsed.value;
  });
  const composed = compose(fragments, { disable: disableNames("b", namedOrigin("flag -D b")) });
  if (!composed.ok) throw new Error(composed.diagnostics[0]?.message);
  return composed.value;
}

const BASE = `[[modules]]
name = "a"
provides = ["s"]
requires = ["b"]
timeout = "30s"

[[tasks]]
name = "b"
command = ["echo", "\\u007f\\t\\"x\\""]
`;
const SITE = 'a."requires+" = ["c"]\na.priority = 7\nalternatives.s = "a"\n[[modules]]\nname = "c"\n';

test("each value that was set has the file and line, or the flag, that set it", () => {
  expect(catalogToToml(catalogFrom(["/base.toml", BASE], ["/site.toml", SITE]))).toEqual([
    "[[modules]]",
    'name = "a"  # from /base.toml:2',
    'provides = ["s"]  # from /base.toml:3',
    "priority = 7  # from /site.toml:2",
    "requires = [",
    '  "b",  # from /base.toml:4',
    '  "c",  # from /site.toml:1',
    "]",
    'timeout = "30s"  # from /base.toml:5',
    "",
    "[[tasks]]",
    'name = "b"  # from /base.toml:8',
    "disabled = true  # from flag -D b",
    'command = ["echo", "\\u007f\\t\\"x\\""]  # from /base.toml:9',
    "",
    "[[modules]]",
    'name = "c"  # from /site.toml:5',
    "",
    "[alternatives]",
    's = "a"  # from /site.toml:3',
  ]);
});

test("read as a file of its own it makes the same units", () => {
  const shipped = readFileSync(new URL("../../etc/modprobe/modprobe.toml", import.meta.url), "utf8");
  const catalog = catalogFrom(["/shipped.toml", shipped], ["/base.toml", BASE], ["/site.toml", SITE]);
  const again = catalogFrom(["/again.toml", catalogToToml(catalog).join("\n")]);
  expect(new Map(again.units.map((unit) => [unit.name, unitToJson(unit)]))).toEqual(
    new Map(catalog.units.map((unit) => [unit.name, unitToJson(unit)])),
  );
  expect(again.alternatives.map(({ service, unit }) => [service, unit])).toEqual([["s", "a"]]);
});

test("some of the units come without alternatives", () => {
  const catalog = catalogFrom(["/base.toml", BASE], ["/site.toml", SITE]);
  expect(catalogToToml(catalog, catalog.units.slice(-1)).join("\n")).not.toContain("alternatives");
});
