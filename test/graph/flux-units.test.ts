import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { namedOrigin } from "../../src/units/index.js";
import { composeUnits } from "../../src/units/index.js";
import { dryRunLines, plan, renderTree, dependencyTree, runlevelRoots } from "../../src/graph/index.js";
import { AT_RANK_0, fluxCatalog, loadedBy, planned, rc1, RC1_LOADS } from "./flux-units.js";
import { valueOf } from "./results.js";

const SYSTEMD = { systemd: { enable: true } };

describe("the units of a real system", () => {
  test("start on rank 0 with sched-simple serving both services", () => {
    const made = rc1(fluxCatalog());
    expect(loadedBy(made)).toEqual(
      [
        ...[
          "content",
          "content-sqlite",
          "cron",
          "heartbeat",
          "job-exec",
          "job-info",
          "job-ingest",
          "job-list",
        ],
        ...["job-manager", "kvs", "kvs-watch", "resource", "sched-simple"],
      ].sort(),
    );
    expect(made.picks.get("sched")?.name).toBe("sched-simple");
    expect(made.picks.get("feasibility")?.name).toBe("sched-simple");
    expect(made.leftOut.get("content-files")).toEqual({
      kind: "other-provider",
      service: "content-backing",
      picked: "content-sqlite",
      by: "order",
    });
    expect(made.leftOut.get("sched-fifo")).toMatchObject({ kind: "other-provider", by: "priority" });
    expect(made.leftOut.get("sdbus")).toEqual({
      kind: "condition",
      key: "needs-config",
      condition: "systemd.enable",
    });
  });

  test("keep to the order that they ask for, with the catch-all task last", () => {
    const order = planned(rc1(fluxCatalog(), { attrs: { "content.restore": "dump.tar" } }));
    const isOrdered = (...names: string[]): boolean =>
      names.every((name, i) => i === 0 || order.indexOf(names[i - 1] ?? "") < order.indexOf(name));
    expect(isOrdered("content", "content-sqlite", "restore", "fsck", "kvs", "post-start-event")).toBe(true);
    expect(isOrdered("check-restore", "content-sqlite")).toBe(true);
    expect(isOrdered("kvs", "kvs-watch", "resource", "job-manager", "sched-simple")).toBe(true);
    expect(order.at(-1)).toBe("run-all-rc1");
  });

  test("print their arguments in a dry run", () => {
    const lines = dryRunLines(rc1(fluxCatalog()));
    expect(lines).toContain("load cron sync=heartbeat.pulse");
    expect(lines).toContain("run push-cleanup");
    expect(lines).toContain("load heartbeat");
  });

  test("start with the fluxion schedulers where a site has them", () => {
    const made = rc1(fluxCatalog({ fluxion: true }));
    expect(made.picks.get("sched")?.name).toBe("sched-fluxion-qmanager");
    expect(made.picks.get("feasibility")?.name).toBe("sched-fluxion-feasibility");
    expect(planned(made)).toContain("sched-fluxion-resource");
    expect(planned(made)).not.toContain("sched-simple");
  });

  test("serve sched and feasibility by sched-simple when sched-fluxion-resource is disabled", () => {
    const made = rc1(fluxCatalog({ fluxion: true, disable: "sched-fluxion-resource" }));
    expect(made.picks.get("sched")?.name).toBe("sched-simple");
    expect(made.picks.get("feasibility")?.name).toBe("sched-simple");
    expect(planned(made).filter((name) => name.startsWith("sched"))).toEqual(["sched-simple"]);
    expect(made.leftOut.get("sched-fluxion-qmanager")).toMatchObject({
      kind: "need",
      need: "sched-fluxion-resource",
      because: {
        unit: "sched-fluxion-resource",
        reason: { kind: "disabled", by: { label: "environment FLUX_MODPROBE_DISABLE" } },
      },
    });
  });

  test.each([
    ["a priority", "sched-simple.priority = 1000\n"],
    ["an alternative of a file", '[alternatives]\nsched = "sched-simple"\n'],
    // A selection holds for all that the unit provides.
    ["an alternative for feasibility alone", '[alternatives]\nfeasibility = "sched-simple"\n'],
  ])("serve both services by sched-simple when %s selects it", (_, site) => {
    const made = rc1(fluxCatalog({ fluxion: true, site }));
    expect(made.picks.get("sched")?.name).toBe("sched-simple");
    expect(made.picks.get("feasibility")?.name).toBe("sched-simple");
    expect(planned(made).filter((name) => name.includes("fluxion"))).toEqual([]);
  });

  test("serve both services by sched-simple when the configuration selects it for sched", async () => {
    const directory = mkdtempSync(join(tmpdir(), "flux-units-"));
    try {
      mkdirSync(join(directory, "modprobe.d"));
      for (const file of ["modprobe.toml", "fluxion.toml", "tasks.toml"]) {
        copyFileSync(
          new URL(`../fixtures/flux-units/${file}`, import.meta.url),
          join(directory, "modprobe.d", file),
        );
      }
      const catalog = await composeUnits({
        searchPath: [directory],
        dataDir: join(directory, "none"),
        confDir: join(directory, "none"),
        env: {},
        config: { modules: { alternatives: { sched: "sched-simple" } } },
      });
      const made = rc1(valueOf(catalog));
      expect(made.picks.get("sched")?.name).toBe("sched-simple");
      expect(made.picks.get("feasibility")?.name).toBe("sched-simple");
      expect(made.leftOut.get("sched-fluxion-qmanager")).toEqual({
        kind: "other-provider",
        service: "sched",
        picked: "sched-simple",
        by: "alternative",
      });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test("leave on rank 1 only what runs everywhere", () => {
    const made = rc1(fluxCatalog({ fluxion: true }), { rank: 1 });
    expect(loadedBy(made)).toEqual(
      ["content", "heartbeat", "job-info", "job-ingest", "kvs", "kvs-watch", "resource"].sort(),
    );
    for (const name of ["cron", "content-sqlite", "content-files", "job-manager", "sched-simple"]) {
      expect(made.leftOut.get(name)).toEqual({ kind: "rank", ranks: "0", rank: 1 });
    }
    expect(dryRunLines(made).filter((line) => line.startsWith("run"))).toEqual(["run run-all-rc1"]);
  });

  test("back content with files when content-sqlite is disabled", () => {
    const made = rc1(fluxCatalog({ disable: "content-sqlite" }));
    expect(made.picks.get("content-backing")?.name).toBe("content-files");
    expect(planned(made)).toEqual(expect.arrayContaining(["content-files", "fsck", "post-start-event"]));
  });

  test("run without backing, and without the tasks that need it, when both backings are disabled", () => {
    const made = rc1(fluxCatalog({ disable: "content-backing" }), {
      attrs: { "content.restore": "dump.tar" },
    });
    expect(planned(made)).toEqual(expect.arrayContaining(["content", "kvs", "sched-simple"]));
    for (const name of ["fsck", "restore", "post-start-event", "check-clean-shutdown"]) {
      expect(made.leftOut.get(name)).toMatchObject({
        kind: "need",
        need: "content-backing",
        because: { unit: "content-sqlite", reason: { kind: "disabled" } },
      });
    }
  });

  test("follow the attribute that names the content backing", () => {
    const origin = namedOrigin("attribute content.backing-module");
    const alternatives = [{ service: "content-backing", unit: "content-files", origin }];
    const made = rc1(fluxCatalog({ alternatives }));
    expect(made.picks.get("content-backing")?.name).toBe("content-files");
    expect(made.leftOut.get("content-sqlite")).toMatchObject({ kind: "other-provider", by: "alternative" });
  });

  test("bring in what systemd allows, and its mapper only with both keys", () => {
    const without = rc1(fluxCatalog(), { config: SYSTEMD });
    expect(planned(without)).toEqual(expect.arrayContaining(["sdbus", "sdbus-sys", "sdmon", "sdexec"]));
    expect(without.leftOut.get("sdexec-mapper")).toMatchObject({
      condition: "exec.sdexec-constrain-resources",
    });
    const config = { ...SYSTEMD, exec: { "sdexec-constrain-resources": false } };
    expect(planned(rc1(fluxCatalog(), { config }))).toContain("sdexec-mapper");
  });

  test("stop in reverse, with the tasks of rc3 where they belong", () => {
    const catalog = fluxCatalog();
    const loaded = rc1(catalog).steps.flatMap((step) =>
      step.action === "load" ? [{ name: step.unit.name, services: [], explicit: step.explicit }] : [],
    );
    const request = { kind: "stop", roots: runlevelRoots(catalog, "rc3"), remove: "all" } as const;
    const facts = { ...AT_RANK_0, attrs: { "content.dump": "dump.tar" } };
    const lines = dryRunLines(valueOf(plan(catalog, { request, facts, loaded })));
    expect(lines.filter((line) => line.startsWith("remove")).length).toBe(loaded.length);
    expect(lines[0]).toBe("run run-all-rc3");
    const places = [
      ...["remove sched-simple", "remove job-manager", "remove resource", "remove kvs-watch"],
      ...["run post-finish-event", "remove kvs", "run content-flush", "run content-dump"],
      ...["remove content-sqlite", "remove content"],
    ].map((line) => lines.indexOf(line));
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(places).not.toContain(-1);
  });

  test("show their dependencies as a tree, each at its shallowest place", () => {
    const catalog = fluxCatalog();
    expect(renderTree(valueOf(dependencyTree(catalog, AT_RANK_0, "sched")))).toBe(
      [
        "sched (sched-simple)",
        "├── job-manager",
        "│   └── kvs",
        "│       ├── content",
        "│       │   └── content-backing (content-sqlite)",
        "│       └── heartbeat",
        "└── resource",
        "    └── kvs-watch",
      ].join("\n"),
    );
  });

  test("have no root that is unknown", () => {
    const catalog = fluxCatalog();
    expect(RC1_LOADS.filter((name) => !catalog.providers.has(name))).toEqual([]);
  });
});
