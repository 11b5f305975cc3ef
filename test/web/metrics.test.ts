import { spawnSync } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { Counter, register } from "prom-client";
import { describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../src/broker/clock.js";
import type { Handle } from "../../src/messages/index.js";
import { LiveInstance } from "../../src/web/live.js";
import { metricsOf } from "../../src/web/metrics.js";
import { startBroker } from "../broker/support/start-broker.js";

const OPEN_METRICS = "application/openmetrics-text; version=1.0.0";

async function watched() {
  const idle = async (h: Handle): Promise<void> => h.run();
  let runs = 0;
  let release: () => void = () => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  /** Its second run starts when it is released. */
  const slow = async (h: Handle): Promise<void> => {
    if (++runs > 1) await released;
    h.handle("hello", () => ({}));
    await h.run();
  };
  const { handle } = await startBroker({ idle, slow }, { clock: systemClock });
  const changes = new EventEmitter();
  const live = new LiveInstance({
    ...{ handle, periodMs: 100 },
    onChange: ({ part }) => changes.emit(part),
    onProblem: (text) => {
      throw new Error(text);
    },
  });
  onTestFinished(() => live.close());
  live.start();
  await once(changes, "modules");
  /** Resolves when as many modules run, and no others are there. */
  const count = async (wanted: number): Promise<void> => {
    const isSo = (): boolean => {
      const modules = live.ranks()[0]?.modules ?? [];
      return modules.length === wanted && modules.every((module) => JSON.stringify(module).includes('"up"'));
    };
    while (!isSo()) await once(changes, "modules");
  };
  /** Resolves when the metrics are as wanted. */
  const changed = async (isSo: (text: string) => boolean): Promise<void> => {
    while (!isSo((await metricsOf(live, "")).text)) await once(changes, "modules");
  };
  return { handle, live, count, changed, release };
}

/** Lines of a text of metrics, without comments. */
function series(text: string): string[] {
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

describe("metrics", () => {
  test("trap-I3: are text by default, which promtool finds clean, and OpenMetrics for those who accept it", async () => {
    const { handle, live, count } = await watched();
    await handle.rpc("module.load", { path: "/mem/idle" });
    await count(1);
    const { type, text } = await metricsOf(live, "*/*");
    expect(type).toMatch(/^text\/plain; version=0\.0\.4/);
    const checked = spawnSync("promtool", ["check", "metrics"], { input: text, encoding: "utf8" });
    expect({ status: checked.status, says: checked.stdout + checked.stderr }).toEqual({
      status: 0,
      says: "",
    });
    expect(series(text)).toEqual(
      expect.arrayContaining([
        'sluice_modules{rank="0",phase="up"} 1',
        'sluice_module_restarts_total{rank="0",module="idle"} 0',
      ]),
    );
    const open = await metricsOf(live, OPEN_METRICS);
    expect(open.type).toMatch(/^application\/openmetrics-text/);
    expect(open.text.endsWith("# EOF\n")).toBe(true);
    // A sample of a counter has the suffix, its description has not.
    const counters = [...open.text.matchAll(/^# TYPE (\S+) counter$/gm)].map(([, name = ""]) => name);
    expect(counters.length).toBeGreaterThan(3);
    for (const name of counters) expect(open.text).toMatch(new RegExp(`^${name}_total\\{`, "m"));
  });

  test("trap-I4: have `_total` on every counter and on nothing else, and base units", async () => {
    const { live } = await watched();
    const { text } = await metricsOf(live, "");
    for (const [, name = "", kind] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
      expect([name, name.endsWith("_total")]).toEqual([name, kind === "counter"]);
      expect(name).not.toMatch(/_(ms|milliseconds|kb|mb|percent)(_|$)/);
      expect(text).toMatch(new RegExp(`^# HELP ${name} [A-Z].*\\.$`, "m"));
    }
  });

  test("trap-I5: have as many series as before after modules came and went, and no label of a topic", async () => {
    const { handle, live, count } = await watched();
    const before = series((await metricsOf(live, "")).text).length;
    for (let round = 0; round < 5; round++) {
      const names = Array.from({ length: 200 }, (_, n) => `m${round}-${n}`);
      await Promise.all(names.map((name) => handle.rpc("module.load", { path: "/mem/idle", name })));
      await count(200);
      expect(series((await metricsOf(live, "")).text).length).toBeGreaterThan(before + 1000);
      await Promise.all(names.map((name) => handle.rpc("module.remove", { name })));
      await count(0);
    }
    const { text } = await metricsOf(live, "");
    expect(series(text)).toHaveLength(before);
    const labels = new Set([...text.matchAll(/[{,](\w+)="/g)].map(([, label]) => label));
    expect([...labels].sort()).toEqual(["phase", "rank", "state"]);
  });

  test("tell runs, published events, held requests and dropped lines, and promtool finds them clean", async () => {
    const { handle, live, changed } = await watched();
    const [steps, begun] = [[{ unit: "a", action: "load" }], [{ type: "start", unit: "a", atMs: 0 }]];
    const summary = (outcome: string, atMs: number) => [{ type: "summary", outcome, atMs }];
    for (const [id, outcome, atMs] of [
      ["r1", "ok", 1500],
      ["r2", "ok", 500],
      ["r3", "failed", 250],
    ] as const) {
      await handle.rpc("run.report", { id, command: "rc1", steps, events: begun });
      await handle.rpc("run.report", { id, events: summary(outcome, atMs) });
      // Told again, it is the same run.
      await handle.rpc("run.report", { id, events: [], recorded: true });
    }
    for (let n = 0; n < 1030; n++) await handle.rpc("log.append", { level: "debug", text: `line ${n}` });
    await handle.publish("test.happened", {});
    // One reading may fall between two of the steps above: the event was the last of them.
    await changed(
      (text) =>
        text.includes("published_events_total{") && !text.includes('published_events_total{rank="0"} 0'),
    );
    const { text } = await metricsOf(live, "");
    expect(series(text)).toEqual(
      expect.arrayContaining([
        'sluice_runs_total{rank="0",command="rc1",outcome="ok"} 2',
        'sluice_run_duration_seconds_total{rank="0",command="rc1",outcome="ok"} 2',
        'sluice_last_run_duration_seconds{rank="0",command="rc1",outcome="ok"} 0.5',
        'sluice_run_duration_seconds_total{rank="0",command="rc1",outcome="failed"} 0.25',
        'sluice_broker_published_events_total{rank="0"} 1',
        'sluice_broker_held_requests{rank="0"} 0',
        expect.stringMatching(/^sluice_broker_dropped_log_lines_total\{rank="0"\} [1-9]/),
      ]),
    );
    const checked = spawnSync("promtool", ["check", "metrics"], { input: text, encoding: "utf8" });
    expect({ status: checked.status, says: checked.stdout + checked.stderr }).toEqual({
      status: 0,
      says: "",
    });
  });

  test("have no more series than 17 commands make, whatever clients call their runs", async () => {
    const { handle, live, changed } = await watched();
    for (let n = 0; n < 40; n++) {
      const events = [{ type: "summary", outcome: `odd ${n}`, atMs: 1 }];
      await handle.rpc("run.report", { id: `r${n}`, command: `c${n}`, steps: [], events });
    }
    await changed((text) => text.includes('sluice_runs_total{rank="0",command="other",outcome="failed"} 24'));
    const runs = series((await metricsOf(live, "")).text).filter((line) =>
      line.startsWith("sluice_runs_total"),
    );
    expect(runs).toHaveLength(17);
  });

  test("count a request to a module that is being reloaded among the held ones", async () => {
    const { handle, live, changed, release } = await watched();
    await handle.rpc("module.load", { path: "/mem/slow" });
    const reloaded = handle.rpc("module.reload", { name: "slow" });
    const asked = handle.rpc("slow.hello");
    await changed((text) => text.includes('sluice_broker_held_requests{rank="0"} 1\n'));
    release();
    await Promise.all([reloaded, asked]);
    await changed((text) => text.includes('sluice_broker_held_requests{rank="0"} 0\n'));
    expect((await metricsOf(live, "")).text).toContain('sluice_broker_held_requests{rank="0"} 0\n');
  });

  test("trap-H6: do not meet those of the program around, nor of a second broker", async () => {
    const own = new Counter({ name: "sluice_ranks", help: "of the host", registers: [register] });
    onTestFinished(() => register.clear());
    own.inc(7);
    const [first, second] = [await watched(), await watched()];
    expect((await metricsOf(first.live, "")).text).not.toContain("of the host");
    expect((await metricsOf(second.live, "")).text).not.toMatch(/^(process|nodejs)_/m);
    expect(await register.metrics()).toBe(
      "# HELP sluice_ranks of the host\n# TYPE sluice_ranks counter\nsluice_ranks 7\n",
    );
  });
});
