import { describe, expect, test } from "vitest";
import { dryRunLines, type LoadedModule, type PlanRequest } from "../../src/graph/index.js";
import type { UnitLiteral } from "../helpers/catalog.js";
import { request, running } from "./requests.js";
import { valueOf } from "./results.js";

describe("a stop", () => {
  const units: UnitLiteral[] = [
    { name: "content", requires: ["idle"] },
    { name: "kvs", after: ["content"], requires: ["content"], needs: ["idle"] },
    { name: "idle" },
    { name: "flush", kind: "task", after: ["kvs"], before: ["content"], needs: ["content"] },
    { name: "lonely", kind: "task", needs: ["idle"] },
    { name: "fetch", kind: "task", requires: ["idle", "helper"] },
    { name: "helper", kind: "task", before: ["fetch"] },
    { name: "first", kind: "task", before: ["*"] },
  ];
  const stop = (
    roots: readonly string[],
    what: Extract<PlanRequest, { kind: "stop" }>["remove"],
    loaded: readonly LoadedModule[],
  ) => request(units, { kind: "stop", roots, remove: what }, { loaded });

  test("swaps before and after of modules, not of tasks", () => {
    const made = valueOf(stop(["flush", "first"], "all", running("content", "kvs!")));
    expect(dryRunLines(made)).toEqual(["run first", "remove kvs", "run flush", "remove content"]);
  });

  test("loads nothing that a task requires, and runs tasks that it requires", () => {
    const made = valueOf(stop(["fetch"], "none", []));
    expect(dryRunLines(made)).toEqual(["run helper", "run fetch"]);
    expect(made.leftOut.get("idle")).toEqual({ kind: "not-asked", requiredBy: ["content"] });
  });

  test("leaves out a task whose need does not run", () => {
    const made = valueOf(stop(["flush", "lonely"], "all", running("content")));
    expect(dryRunLines(made)).toEqual(["run flush", "remove content"]);
    expect(made.leftOut.get("lonely")).toMatchObject({ kind: "need", need: "idle" });
    expect(made.leftOut.has("content")).toBe(false);
  });

  test("removes what is named, by unit or service, and skips what is gone already", () => {
    const made = valueOf(stop([], ["kvs", "idle", "content"], running("kvs", "content")));
    expect(dryRunLines(made)).toEqual(["remove kvs", "remove content"]);
    expect(dryRunLines(valueOf(stop([], ["kvs"], running("kvs", "content"))))).toEqual(["remove kvs"]);
  });

  test("warns about a name that nothing knows, and removes the rest", () => {
    const result = stop([], ["ghost", "kvs", "stranger"], running("kvs", "stranger"));
    expect(dryRunLines(valueOf(result))).toEqual(["remove kvs", "remove stranger"]);
    expect(result.ok && result.warnings.map(({ code, severity }) => [code, severity])).toEqual([
      ["GRAPH_UNKNOWN_NAME", "warning"],
    ]);
  });

  test("removes modules whatever their conditions are now", () => {
    const odd = [{ name: "a", disabled: true, ranks: "9" }];
    const made = valueOf(request(odd, { kind: "stop", roots: [], remove: "all" }, { loaded: running("a") }));
    expect(dryRunLines(made)).toEqual(["remove a"]);
  });
});
