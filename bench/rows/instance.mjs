/** The cost of a whole instance: its start and end, at rest, and loads of modules by a plan. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { connect } from "../../dist/index.js";
import { median, ratioToNode, secondsOf } from "../measure.mjs";
import {
  commandLineOf,
  processesWith,
  proportionalMegabytes,
  residentMegabytes,
  secondsOf as processorSecondsOf,
  secondsOfChildren,
} from "../processes.mjs";

const SLUICE = fileURLToPath(new URL("../../dist/cli/main.cjs", import.meta.url));
const IDLE_MODULE = fileURLToPath(new URL("../servers/idle-module.mjs", import.meta.url));
const ENV = { SLUICE_CONFDIR: "/nonexistent", SLUICE_URI: "" };
const BARE = ["-S", "broker.rc1_path=", "-S", "broker.rc3_path="];
const ROUNDS = 7;
const REST_MS = 30_000;
const IDLE_MS = 60_000;
const MODULES = 100;
const EVENTS = 10_000;
const SUBSCRIBERS = 100;

const seconds = (value) => `${value.toFixed(3)} s`;

function startTrue() {
  const {
    ratio,
    seconds: own,
    baseSeconds,
  } = ratioToNode([process.execPath, SLUICE, "start", "true"], ENV, ROUNDS);
  const detail = `${seconds(own)}, N = ${seconds(baseSeconds)}`;
  return [{ what: "whole process", measured: ratio, goal: 8, unit: "N", detail }];
}

function startWithoutPhases() {
  const nested = `require("node:child_process").spawnSync(process.execPath, ["-e", "0"])`;
  const [own, base] = [[], []];
  for (let i = 0; i < ROUNDS * 2; i++) {
    base.push(secondsOf([process.execPath, "-e", nested]));
    own.push(secondsOf([process.execPath, SLUICE, "start", ...BARE, "true"], ENV));
  }
  const [ours, two] = [median(own), median(base)];
  const detail = `${seconds(ours)}, two of node ${seconds(two)}`;
  return [{ what: "whole process", measured: ours / two, goal: 1.25, unit: "× two of node", detail }];
}

/** Wall time and processor of `start -s 8 true`, against the same of an earlier build, in turns. */
function startEight({ against }) {
  const runs = { own: [], earlier: [] };
  const one = (main, list) => {
    const before = secondsOfChildren();
    const wall = secondsOf([process.execPath, main, "start", "-s", "8", "true"], ENV);
    list.push({ wall, processor: secondsOfChildren() - before });
  };
  for (let i = 0; i < 5; i++) {
    one(SLUICE, runs.own);
    if (against !== undefined) one(against.main, runs.earlier);
  }
  return ["wall", "processor"].map((what) => {
    const [own, earlier] = [runs.own, runs.earlier].map((list) => median(list.map((run) => run[what])));
    return against === undefined
      ? { what, measured: own, unit: "s", detail: "no build to compare with: --against=REV" }
      : {
          what,
          measured: own / earlier,
          goal: 0.5,
          unit: "× earlier",
          detail: `${seconds(own)}, ${seconds(earlier)}`,
        };
  });
}

/** Runs a function beside a running instance. */
async function withInstance({ main = SLUICE, size = 1, options = [], env = {} }, run) {
  const mark = `SLUICE_BENCH_MARK=${process.pid}-${Math.random()}`;
  const [name, value] = mark.split("=");
  const program = 'echo "$SLUICE_URI"; read -r line';
  const child = spawn(
    process.execPath,
    [main, "start", "-s", String(size), ...options, "sh", "-c", program],
    {
      env: { ...process.env, ...ENV, ...env, [name]: value },
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  const ended = once(child, "exit");
  try {
    const [line] = await once(child.stdout, "data");
    return await run({ uri: String(line).trim(), pids: () => processesWith(mark) });
  } finally {
    child.stdin.end("\n");
    await ended;
  }
}

/** Megabytes of an instance that has had nothing to do for a while. */
function atRest(main) {
  return withInstance({ main }, async ({ pids }) => {
    await sleep(REST_MS);
    const all = pids();
    const broker = all.find((pid) => / broker /.test(commandLineOf(pid)));
    const whole = all.map(proportionalMegabytes).reduce((sum, each) => sum + each, 0);
    return { whole, broker: residentMegabytes(broker) };
  });
}

async function rest({ against }) {
  const own = await atRest(SLUICE);
  const rows = [
    {
      what: "broker, resident",
      measured: own.broker,
      goal: 85,
      unit: "MB",
      detail: `${REST_MS / 1000} s after its start`,
    },
  ];
  if (against === undefined) {
    rows.push({
      what: "all processes, by share",
      measured: own.whole,
      unit: "MB",
      detail: "no build to compare with: --against=REV",
    });
    return rows;
  }
  const earlier = await atRest(against.main);
  const detail = `${own.whole.toFixed(0)} MB, ${earlier.whole.toFixed(0)} MB`;
  return [
    ...rows,
    {
      what: "all processes, by share",
      measured: own.whole / earlier.whole,
      goal: 0.6,
      unit: "× earlier",
      detail,
    },
  ];
}

/** `modprobe load` and `remove` of modules that do nothing, whole commands, each in a shared thread. */
async function modprobe() {
  const dir = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  try {
    const names = Array.from({ length: MODULES }, (_, i) => `idle-${i}`);
    const entry = (name) =>
      `[[modules]]\nname = "${name}"\nmodule = ${JSON.stringify(IDLE_MODULE)}\nthread = "shared"\n`;
    mkdirSync(join(dir, "modprobe"));
    writeFileSync(join(dir, "modprobe/modprobe.toml"), names.map(entry).join("\n"));
    const env = { SLUICE_DATADIR: dir };
    return await withInstance({ env, options: BARE }, async ({ uri, pids }) => {
      const broker = pids().find((pid) => / broker /.test(commandLineOf(pid)));
      const times = { node: [], load: [], remove: [] };
      let megabytes = 0;
      for (let i = 0; i < ROUNDS; i++) {
        const before = residentMegabytes(broker);
        times.node.push(secondsOf([process.execPath, "-e", "0"]));
        times.load.push(
          secondsOf([process.execPath, SLUICE, "modprobe", "load", ...names], {
            ...ENV,
            ...env,
            SLUICE_URI: uri,
          }),
        );
        // The code compiled in the first round stays; that round shows the memory of the modules.
        if (i === 0) megabytes = (residentMegabytes(broker) - before) / MODULES;
        times.remove.push(
          secondsOf([process.execPath, SLUICE, "modprobe", "remove", ...names], {
            ...ENV,
            ...env,
            SLUICE_URI: uri,
          }),
        );
      }
      const [node, load, remove] = [times.node, times.load, times.remove].map(median);
      return [
        { what: "load", measured: load / node, goal: 6, unit: "N", detail: seconds(load) },
        { what: "remove", measured: remove / node, goal: 4, unit: "N", detail: seconds(remove) },
        {
          what: "memory",
          measured: megabytes,
          goal: 1,
          unit: "MB a module",
          detail: "resident set of the broker",
        },
      ];
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Events from one client to many, each over a connection of its own. */
function subscribers() {
  return withInstance({ options: BARE }, async ({ uri }) => {
    const handles = await Promise.all(Array.from({ length: SUBSCRIBERS }, () => connect(uri)));
    const publisher = await connect(uri);
    try {
      const all = handles.map(
        (handle) =>
          new Promise((resolve) => {
            let left = EVENTS;
            handle.subscribe("bench.tick", () => {
              if (--left === 0) resolve();
            });
          }),
      );
      await Promise.all(handles.map((handle) => handle.rpc("attr.list")));
      const startedAt = performance.now();
      for (let n = 0; n < EVENTS; n += 500)
        await Promise.all(
          Array.from({ length: 500 }, (_, i) => publisher.publish("bench.tick", { n: n + i })),
        );
      await Promise.all(all);
      const us = ((performance.now() - startedAt) * 1000) / (EVENTS * SUBSCRIBERS);
      const detail = `${Math.round(1e6 / us)} deliveries/s, the subscribers in one process`;
      return [{ what: `${EVENTS} events`, measured: us, unit: "µs a delivery", detail }];
    } finally {
      await Promise.all([...handles, publisher].map((handle) => handle.close()));
    }
  });
}

async function idle() {
  const rows = [];
  for (const size of [1, 8, 32]) {
    rows.push(
      ...(await withInstance({ size }, async ({ pids }) => {
        const all = pids();
        const before = all.map(processorSecondsOf);
        await sleep(IDLE_MS);
        const used = all
          .map((pid, i) => processorSecondsOf(pid) - before[i])
          .reduce((sum, each) => sum + each, 0);
        const megabytes = all.map(proportionalMegabytes).reduce((sum, each) => sum + each, 0);
        const detail = `${all.length} processes`;
        return [
          { what: `${size} ranks, memory`, measured: megabytes, unit: "MB by share", detail },
          {
            what: `${size} ranks, processor`,
            measured: (used / IDLE_MS) * 1e5,
            unit: "% of a core",
            detail: "over a minute",
          },
        ];
      })),
    );
  }
  return rows;
}

export const INSTANCE = [
  { name: "start", title: "start true with the shipped units", measure: startTrue },
  { name: "start-bare", title: "start true without rc1 and rc3", measure: startWithoutPhases },
  { name: "start-8", title: "start -s 8 true", measure: startEight },
  { name: "rest", title: "an instance at rest", measure: rest },
  {
    name: "modprobe",
    title: `modprobe load and remove of ${MODULES} modules that do nothing, in shared threads`,
    measure: modprobe,
  },
  { name: "subscribers", title: `events to ${SUBSCRIBERS} subscribers, with no goal`, measure: subscribers },
  { name: "idle", title: "idle instances of 1, 8 and 32 ranks over a minute, with no goal", measure: idle },
];
