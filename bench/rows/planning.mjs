/** Planning: whole processes of the command line, and the planner alone. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { median, outputOf, peakMegabytesOf, ratioToNode, secondsOf } from "../measure.mjs";
import { chainToml, moduleName, syntheticRoots, syntheticToml } from "../plan-synthetic.mjs";

const SLUICE = fileURLToPath(new URL("../../dist/cli/main.cjs", import.meta.url));
const PLAN_CHILD = fileURLToPath(new URL("../plan-child.mjs", import.meta.url));

/** A data directory with these units, and an rc file that loads the roots. */
async function withSite(toml, roots, run) {
  const dir = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  try {
    mkdirSync(join(dir, "modprobe"));
    writeFileSync(join(dir, "modprobe/modprobe.toml"), toml);
    const rcFile = join(dir, "rc.toml");
    writeFileSync(rcFile, `load = ${JSON.stringify(roots)}\n`);
    return await run({ SLUICE_DATADIR: dir, SLUICE_CONFDIR: join(dir, "none") }, rcFile);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const FLUX_UNITS = fileURLToPath(new URL("../../test/fixtures/flux-units", import.meta.url));
const FLUX_LOADS = [
  ...["content", "heartbeat", "cron", "content-backing", "kvs", "kvs-watch", "resource", "job-manager"],
  ...["job-list", "job-info", "job-ingest", "job-exec", "sched", "feasibility"],
];

/** The whole process of `plan --size` for a million ranks against one, alternating. */
function fleetRatio(rounds) {
  const dir = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  try {
    mkdirSync(join(dir, "modprobe/modprobe.d"), { recursive: true });
    cpSync(join(FLUX_UNITS, "modprobe.toml"), join(dir, "modprobe/modprobe.toml"));
    cpSync(join(FLUX_UNITS, "tasks.toml"), join(dir, "modprobe/modprobe.d/tasks.toml"));
    writeFileSync(join(dir, "modprobe/rc1.toml"), `load = ${JSON.stringify(FLUX_LOADS)}\n`);
    const env = { SLUICE_DATADIR: dir, SLUICE_LIBEXECDIR: dir, SLUICE_CONFDIR: join(dir, "none") };
    const argv = [process.execPath, SLUICE, "modprobe", "plan", "--size"];
    const pairs = Array.from({ length: rounds }, () =>
      ["1000000", "1"].map((size) => secondsOf([...argv, size], env)),
    );
    return [0, 1].map((side) => median(pairs.map((pair) => pair[side])));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function seconds(value) {
  return `${value.toFixed(3)} s`;
}

/** The whole process of `run --show-deps`, every file read anew and read before. */
function showDeps(toml, roots, { anew, before, rounds }) {
  return withSite(toml, roots, (env, rcFile) => {
    const dir = env.SLUICE_DATADIR;
    const cached = { ...env, XDG_CACHE_HOME: join(dir, "cache") };
    const argv = [process.execPath, SLUICE, "modprobe", "run", "--show-deps", rcFile];
    const rows = processRows("whole process", [...argv, "--no-cache"], env, { ...anew, rounds });
    if (before === undefined) return rows;
    mkdirSync(cached.XDG_CACHE_HOME, { mode: 0o700 });
    mkdirSync(join(dir, "modprobe/modprobe.d"));
    // The other inputs of the plan, besides the large file, differ each time.
    const prepare = (round) => {
      writeFileSync(
        join(dir, "modprobe/modprobe.d/site.toml"),
        `${moduleName(7)}.priority = ${100 + round}\n`,
      );
      return ["--size", "64", "--rank", String(round % 64)];
    };
    secondsOf([...argv, ...prepare(63)], cached);
    return [...rows, ...processRows("read before", argv, cached, { ...before, rounds, prepare })];
  });
}

/** Time, and the peak memory if it has a goal, of one command line. */
function processRows(what, argv, env, { goal, megabytes, rounds, prepare = () => [] }) {
  const { ratio, seconds: own, baseSeconds } = ratioToNode(argv, env, rounds, prepare);
  const detail = `${seconds(own)}, N = ${seconds(baseSeconds)}`;
  const rows = [{ what, measured: ratio, goal, unit: "N", detail }];
  if (megabytes !== undefined) {
    const measured = peakMegabytesOf([...argv, ...prepare(rounds)], env);
    rows.push({
      what: what === "read before" ? "peak memory, read before" : "peak memory",
      measured,
      goal: megabytes,
      unit: "MB",
      detail: "greatest resident set",
    });
  }
  return rows;
}

/** Milliseconds that planning takes in a fresh process, the best of a few in it. */
function planningMs(moduleCount, wildcards) {
  return Number(outputOf([process.execPath, PLAN_CHILD, String(moduleCount), String(wildcards)]));
}

export const PLANNING = [
  {
    name: "plan-5k",
    title: "plan 5,000 modules with 25,000 relations, from TOML to --show-deps",
    measure: () =>
      showDeps(syntheticToml(5000), syntheticRoots(5000), {
        anew: { goal: 3.8 },
        before: { goal: 2.2 },
        rounds: 7,
      }),
  },
  {
    name: "plan-50k",
    title: "plan 50,000 modules with 250,000 relations",
    measure: () =>
      showDeps(syntheticToml(50_000), syntheticRoots(50_000), {
        anew: { goal: 11, megabytes: 240 },
        before: { goal: 7, megabytes: 160 },
        rounds: 3,
      }),
  },
  {
    name: "chain-2k",
    title: "2,000 modules in a needs chain",
    measure: () => showDeps(chainToml(2000), [moduleName(1999)], { anew: { goal: 3.5 }, rounds: 7 }),
  },
  {
    name: "wildcards",
    title: "planning 50,000 units with 20 before=* and 20 after=* tasks, against without them",
    measure: () => {
      const pairs = Array.from({ length: 3 }, () => [planningMs(50_000, 20), planningMs(50_000, 0)]);
      const [withThem, without] = [median(pairs.map(([a]) => a)), median(pairs.map(([, b]) => b))];
      const detail = `${withThem.toFixed(0)} ms, ${without.toFixed(0)} ms without`;
      return [{ what: "planning alone", measured: withThem / without, goal: 1.2, unit: "×", detail }];
    },
  },
  {
    name: "growth",
    title: "10 times the units and relations",
    measure: () => {
      const sizes = [1000, 10_000, 100_000];
      const times = sizes.map((size) => median(Array.from({ length: 3 }, () => planningMs(size, 0))));
      return sizes.slice(1).map((size, i) => ({
        what: `${sizes[i]} to ${size}`,
        measured: times[i + 1] / times[i],
        goal: 12,
        unit: "×",
        detail: `${times[i].toFixed(1)} ms, ${times[i + 1].toFixed(1)} ms`,
      }));
    },
  },
  {
    name: "fleet",
    title: "plan of an instance of a million ranks, against one of a single rank",
    measure: () => {
      const [fleet, single] = fleetRatio(9);
      const detail = `${seconds(fleet)}, ${seconds(single)} for one rank`;
      return [{ what: "whole process", measured: fleet / single, goal: 2, unit: "×", detail }];
    },
  },
  {
    name: "start-up",
    title: "start of the command line, sluice modprobe show",
    measure: () => {
      const argv = [process.execPath, SLUICE, "modprobe", "show", "kvs"];
      const { ratio, seconds: own, baseSeconds } = ratioToNode(argv, { SLUICE_CONFDIR: "/nonexistent" }, 15);
      const detail = `${seconds(own)}, N = ${seconds(baseSeconds)}`;
      return [{ what: "whole process", measured: ratio, goal: 1.25, unit: "N", detail }];
    },
  },
];
