import { expect, test } from "vitest";
import { compose, groupNames, parseFragment, parseRcFragment, withGroups } from "../../src/units/index.js";
import { catalogOf, summaryOf, unitOf, valueOf } from "./support.js";

const WEB =
  '[[modules]]\nname = "api"\ngroups = ["web"]\n[[tasks]]\nname = "warm"\ngroups = ["web", "all"]\n';

test("a later file replaces the groups of a unit, adds to them, or takes some away", () => {
  const groups = (text: string): unknown =>
    unitOf(catalogOf({ "a.toml": WEB, "b.toml": text }), "warm").groups;
  expect(groups('warm.groups = ["batch"]\n')).toEqual(["batch"]);
  expect(groups('warm."groups+" = ["batch", "web"]\n')).toEqual(["web", "all", "batch"]);
  expect(groups('warm."groups-" = ["web"]\n')).toEqual(["all"]);
});

test("the name of a group follows the rule of other names", () => {
  const text = '[[modules]]\nname = "a"\ngroups = ["@web", "x.y", ""]\n';
  expect(summaryOf(parseFragment(text, { file: "a.toml" }))).toEqual([
    "UNIT_INVALID_NAME a.toml:3:11",
    "UNIT_INVALID_NAME a.toml:3:19",
    "UNIT_INVALID_NAME a.toml:3:26",
  ]);
});

test("an rc file loads and removes @GROUP; elsewhere this is no name", () => {
  const names = valueOf(parseRcFragment('load = ["@web", "kvs"]\n', { file: "a.toml" })).load;
  expect(names.map(({ name }) => name)).toEqual(["@web", "kvs"]);
  expect(summaryOf(parseRcFragment('remove = ["@", "@@web", "@a.b"]\n', { file: "a.toml" }))).toEqual([
    "UNIT_INVALID_NAME a.toml:1:11",
    "UNIT_INVALID_NAME a.toml:1:16",
    "UNIT_INVALID_NAME a.toml:1:25",
  ]);
  const required = '[[modules]]\nname = "a"\nrequires = ["@web"]\n';
  expect(summaryOf(parseFragment(required, { file: "a.toml" }))).toEqual(["UNIT_INVALID_NAME a.toml:3:13"]);
});

test("a name stands for itself, and @GROUP for its units, each once and in load order", () => {
  const catalog = valueOf(compose([valueOf(parseFragment(WEB, { file: "a.toml" }))]));
  expect(groupNames(catalog)).toEqual(["all", "web"]);
  expect(withGroups(catalog, ["warm", "@web", "kvs", "@all"])).toEqual(["warm", "api", "kvs"]);
  expect(withGroups(catalog, ["@web"], ({ kind }) => kind === "task")).toEqual(["warm"]);
  expect(withGroups(catalog, ["@none"])).toEqual(["@none"]);
});
