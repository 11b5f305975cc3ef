import { expect, test } from "vitest";
import { phaseRequest } from "../../src/graph/index.js";
import { catalogOf } from "../helpers/catalog.js";

const catalog = catalogOf([
  { name: "kvs" },
  { name: "warm", kind: "task", runlevels: ["rc1"] },
  { name: "tidy", kind: "task", runlevels: ["rc3"] },
]);
const nothing = { tasks: [], load: [], remove: [] };

test("a start has the tasks of the files, then those of the run level, then what is loaded", () => {
  const contents = { tasks: ["own", "warm"], load: ["kvs"], remove: [] };
  expect(phaseRequest(catalog, contents, "rc1")).toMatchObject({
    value: { kind: "start", roots: ["own", "warm", "kvs"] },
  });
});

test("a single file takes no part in a run level", () => {
  expect(phaseRequest(catalog, nothing, undefined)).toMatchObject({ value: { kind: "start", roots: [] } });
});

test("rc3 removes everything, whatever its files name", () => {
  for (const remove of [[], ["kvs"], "all"] as const) {
    expect(phaseRequest(catalog, { ...nothing, remove }, "rc3")).toMatchObject({
      value: { kind: "stop", roots: ["tidy"], remove: "all" },
    });
  }
});

test("a file that removes is a stop, and one that loads as well is refused", () => {
  const removal = { ...nothing, remove: ["kvs"] };
  expect(phaseRequest(catalog, removal, undefined)).toMatchObject({
    value: { kind: "stop", remove: ["kvs"] },
  });
  expect(phaseRequest(catalog, { ...removal, load: ["kvs"] }, undefined)).toMatchObject({
    diagnostics: [{ code: "RC_INVALID" }],
  });
});
