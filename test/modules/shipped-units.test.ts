import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import type { Result } from "../../src/errors/index.js";
import { plan, showDeps } from "../../src/graph/index.js";
import {
  type Catalog,
  composeUnits,
  type ComposeUnitsOptions,
  readConfiguration,
  unitToJson,
} from "../../src/units/index.js";
import { withInstance } from "./instance.js";

const root = new URL("../../", import.meta.url);
const pathOf = (name: string): string => fileURLToPath(new URL(name, root));
const LOADED = ["content", "heartbeat", "cron", "content-backing", "kvs", "kvs-watch", "resource"];

function ok<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(JSON.stringify(result.diagnostics, undefined, 1));
  expect(result.warnings).toEqual([]);
  return result.value;
}

async function shipped(options: ComposeUnitsOptions = {}): Promise<Catalog> {
  return ok(await composeUnits({ searchPath: [], env: {}, ...options }));
}

function planned(catalog: Catalog, rank = 0, roots: readonly string[] = LOADED): string[] {
  const made = ok(plan(catalog, { roots, facts: { rank, size: 2 } }));
  return made.steps.map(({ unit }) => unit.name);
}

describe("the shipped units", () => {
  test("have the relations of the real system", async () => {
    const catalog = await shipped();
    expect(catalog.units.map(({ name }) => name)).toEqual([
      "heartbeat",
      "content",
      "cron",
      "content-files",
      "content-nats",
      "content-sqlite",
      "kvs",
      "kvs-watch",
      "resource",
    ]);
    const relations = catalog.units.map((unit) => {
      const { name, requires, after, provides, priority, ranks, args, needs } = unitToJson(unit);
      return { name, requires, after, provides, priority, ranks, args, needs };
    });
    const base = { requires: [], after: [], provides: [], priority: 100, ranks: "all", args: [], needs: [] };
    expect(relations).toEqual([
      { ...base, name: "heartbeat" },
      { ...base, name: "content", requires: ["heartbeat", "content-backing"] },
      { ...base, name: "cron", ranks: "0", requires: ["heartbeat"], args: ["sync=heartbeat.pulse"] },
      {
        ...{ ...base, name: "content-files", ranks: "0", after: ["content"] },
        ...{ provides: ["content-backing"], priority: 50 },
      },
      {
        ...base,
        name: "content-nats",
        ranks: "0",
        provides: ["content-backing"],
        priority: 40,
        after: ["content"],
      },
      { ...base, name: "content-sqlite", ranks: "0", after: ["content"], provides: ["content-backing"] },
      { ...base, name: "kvs", requires: ["content", "heartbeat"], after: ["content-backing", "content"] },
      { ...base, name: "kvs-watch", requires: ["kvs"], after: ["kvs"] },
      { ...base, name: "resource", requires: ["kvs-watch"], after: ["kvs-watch"] },
    ]);
    expect(catalog.units.filter(({ description }) => description === "")).toEqual([]);
  });

  test("store in SQLite, in files when that is disabled, in memory when both are", async () => {
    expect(planned(await shipped())).toContain("content-sqlite");
    expect(planned(await shipped())).not.toContain("content-files");
    const one = await shipped({ env: { FLUX_MODPROBE_DISABLE: "content-sqlite" } });
    expect(planned(one)).toContain("content-files");
    const both = await shipped({ env: { FLUX_MODPROBE_DISABLE: "content-backing" } });
    expect(planned(both)).toEqual(["heartbeat", "content", "cron", "kvs", "kvs-watch", "resource"]);
  });

  test("leave cron and the backing to rank 0", async () => {
    expect(planned(await shipped(), 1)).toEqual(["heartbeat", "content", "kvs", "kvs-watch", "resource"]);
  });
});

describe("the site of the examples", () => {
  const searchPath = [pathOf("examples/site/modprobe")];
  const roots = [...LOADED, "motd"];

  test("prefers files by a priority, and its configuration forces SQLite all the same", async () => {
    expect(planned(await shipped({ searchPath }))).toContain("content-files");
    const config = ok(await readConfiguration([{ kind: "path", path: pathOf("examples/site/config.toml") }]));
    const forced = await shipped({ searchPath, config });
    expect(planned(forced)).toContain("content-sqlite");
    expect(planned(forced)).not.toContain("content-files");
    expect(forced.byName.get("heartbeat")).toMatchObject({ args: ["interval=5"] });
  });

  test("adds a module, edits a list, and switches one off", async () => {
    const catalog = await shipped({ searchPath });
    const made = ok(plan(catalog, { roots, facts: { rank: 0, size: 1 } }));
    expect(showDeps(made)).toMatchObject({ motd: ["kvs"], cron: ["kvs"] });
    expect(catalog.byName.get("cron")?.requires).toEqual(["heartbeat", "kvs"]);
    expect(catalog.byName.get("motd")).toMatchObject({ module: pathOf("examples/site/modules/motd.ts") });
    expect(made.leftOut.get("resource")?.kind).toBe("disabled");
  });

  test("its message of the day can be read by guests, and is kept when somebody sets it", async () => {
    await withInstance({}, async (instance) => {
      await instance.load("content", "kvs", [pathOf("examples/site/modules/motd.ts"), "Hello"]);
      const guest = await instance.broker.connect({ guest: true });
      expect(await guest.rpc("motd.get")).toEqual({ text: "Hello" });
      await instance.rpc("motd.set", { text: "Closed on Sunday" });
      expect(await guest.rpc("motd.get")).toEqual({ text: "Closed on Sunday" });
      await expect(instance.rpc("motd.set", { text: 1 })).rejects.toEqual(
        expect.objectContaining({ errnum: 22 }),
      );
      await guest.close();
    });
  });
});
