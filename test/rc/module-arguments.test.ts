import { expect, test } from "vitest";
import { ModuleArguments } from "../../src/rc/module-arguments.js";
import { catalogOf } from "../helpers/catalog.js";

test("fault-F6, row 36: the options of a module are those that it will have, and an overwrite replaces all of them", () => {
  const args = new ModuleArguments();
  args.use(
    catalogOf([
      { name: "u", provides: ["s"], args: ["own=1"] },
      { name: "v", args: [] },
    ]),
  );
  const optionsOf = (name: string) => args.snapshot().args[name] ?? [];
  const edit = (module: string, option: string, overwrite = false): void => {
    args.edit({ kind: "setopt", module, options: [option], overwrite });
  };
  expect(optionsOf("u")).toEqual(["own=1"]);
  edit("u", "a=1");
  edit("s", "b=2");
  expect(optionsOf("u")).toEqual(["own=1", "a=1", "b=2"]);
  edit("s", "c=3", true);
  expect(optionsOf("u")).toEqual(["c=3"]);
  expect(optionsOf("v")).toEqual([]);
});
