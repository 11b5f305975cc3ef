/** The cost of ordinary programs: start and stop of a hundred, memory of a silent one, restart of one. */
import { execFileSync, spawn } from "node:child_process";
import { constants, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Broker, connect } from "../../dist/index.js";
import { median, secondsOf } from "../measure.mjs";
import { commandLineOf, processesWith, proportionalMegabytes } from "../processes.mjs";

const SLUICE = fileURLToPath(new URL("../../dist/cli/main.cjs", import.meta.url));
const BARE = fileURLToPath(new URL("../servers/bare-programs.mjs", import.meta.url));
const PROGRAMS = 100;
const ROUNDS = 7;
const RESTARTS = 30;

/** Writes a file when it runs and another one when it ends cleanly, so that the row can count both. */
const lineOf = (dir, name) =>
  `trap 'echo > ${dir}/ended/${name}; exit 0' TERM; echo > ${dir}/ran/${name}; while :; do sleep 1000 & wait; done`;

const seconds = (value) => `${value.toFixed(3)} s`;

async function withDirectory(run) {
  const dir = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  try {
    return await run(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const environment = (dir) => ({ XDG_RUNTIME_DIR: dir, SLUICE_CONFDIR: "/nonexistent" });

/** The whole of `start -f … true`, against a script that spawns the same programs, ends them and waits. */
function startAndStop() {
  return withDirectory((dir) => {
    const names = Array.from({ length: PROGRAMS }, (_, i) => `p${i}`);
    const units = names.map((name) => {
      const command = JSON.stringify(lineOf(dir, name));
      return `[[modules]]\nname = "${name}"\ncommand = ${command}\n`;
    });
    writeFileSync(join(dir, "full.toml"), units.join("\n"));
    writeFileSync(join(dir, "empty.toml"), "");
    writeFileSync(join(dir, "lines.json"), JSON.stringify(names.map((name) => lineOf(dir, name))));
    const counted = (argv) => {
      for (const folder of ["ran", "ended"]) {
        rmSync(join(dir, folder), { recursive: true, force: true });
        execFileSync("mkdir", [join(dir, folder)]);
      }
      const took = secondsOf(argv, environment(dir));
      const counts = ["ran", "ended"].map((folder) => readdirSync(join(dir, folder)).length);
      if (counts.some((count) => count !== PROGRAMS)) {
        throw new Error(`${argv.join(" ")}: ${counts[0]} programs ran, and ${counts[1]} ended cleanly`);
      }
      return took;
    };
    const start = (file) => [process.execPath, SLUICE, "start", "-f", join(dir, file), "true"];
    const times = { node: [], empty: [], full: [], bare: [] };
    for (let i = 0; i < ROUNDS; i++) {
      times.node.push(secondsOf([process.execPath, "-e", "0"]));
      times.empty.push(secondsOf(start("empty.toml"), environment(dir)));
      times.bare.push(counted([process.execPath, BARE, join(dir, "lines.json"), join(dir, "ran")]));
      times.full.push(counted(start("full.toml")));
    }
    const [node, empty, bare, full] = [times.node, times.empty, times.bare, times.full].map(median);
    const detail = `${seconds(full)}, empty ${seconds(empty)}; bare ${seconds(bare)}, N ${seconds(node)}`;
    const measured = (full - empty) / (bare - node);
    return [{ what: `start and end of ${PROGRAMS}`, measured, goal: 1.5, unit: "× bare", detail }];
  });
}

/** The additional memory of an instance for each silent program, besides the program itself: its helper, and the data of the broker. */
function silent() {
  return withDirectory(async (dir) => {
    const unit = (i) => `[[modules]]\nname = "p${i}"\ncommand = ["sleep", "1000"]\n`;
    writeFileSync(join(dir, "full.toml"), Array.from({ length: PROGRAMS }, (_, i) => unit(i)).join("\n"));
    writeFileSync(join(dir, "one.toml"), unit(0));
    const one = await weigh(dir, "one.toml");
    const full = await weigh(dir, "full.toml");
    const each = (kind) => (full[kind] - one[kind]) / (PROGRAMS - 1);
    const [helper, own, broker] = ["helpers", "programs", "rest"].map((kind) => each(kind).toFixed(3));
    const measured = each("helpers") + each("rest");
    const detail = `helper ${helper}, the broker grows by ${broker}; sleep itself has ${own} more`;
    return [{ what: "silent program", measured, goal: 0.3, unit: "MB by share", detail }];
  });
}

async function weigh(dir, file) {
  const mark = `XDG_RUNTIME_DIR=${dir}`;
  const env = { ...process.env, ...environment(dir) };
  const start = ["start", "-f", join(dir, file)];
  execFileSync(process.execPath, [SLUICE, ...start, "--detach"], { env, stdio: "ignore" });
  try {
    const sums = { helpers: 0, programs: 0, rest: 0 };
    for (const pid of processesWith(mark)) {
      const line = commandLineOf(pid);
      const kind = line.includes("--supervise")
        ? "helpers"
        : /^(?:\S*\/)?sleep /.test(line)
          ? "programs"
          : "rest";
      sums[kind] += proportionalMegabytes(pid);
    }
    return sums;
  } finally {
    execFileSync(process.execPath, [SLUICE, "stop", "-f", join(dir, file)], { env, stdio: "ignore" });
  }
}

/** From the SIGKILL of a program to the first act of its next start, against a bare spawn and its first act. */
function again() {
  return withDirectory(async (dir) => {
    const fifo = join(dir, "fifo");
    execFileSync("mkfifo", [fifo]);
    const pipe = new Socket({ fd: openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK), readable: true });
    const command = ["sh", "-c", `echo > ${fifo}; exec sleep 1000`];
    const told = () => new Promise((resolve) => pipe.once("data", () => resolve(performance.now())));
    const broker = await Broker.start({ env: { ...process.env, ...environment(dir) } });
    try {
      const handle = await connect(broker.uri);
      const first = told();
      const restart = { delayMs: 0, tries: RESTARTS * 2 };
      const load = { name: "p", path: "p", command, onFailure: "restart", restart };
      await handle.rpc("module.load", load);
      await first;
      const [ours, bare] = [[], []];
      for (let i = 0; i < RESTARTS; i++) {
        ours.push(await sinceKilled(handle, told));
        bare.push(await sinceSpawned(command, told));
      }
      await handle.close();
      const detail = `${median(ours).toFixed(1)} ms, bare ${median(bare).toFixed(1)} ms`;
      const measured = median(ours) / median(bare);
      return [{ what: "from its end to its next act", measured, goal: 4, unit: "× bare spawn", detail }];
    } finally {
      await broker.close();
      pipe.destroy();
    }
  });
}

async function sinceKilled(handle, told) {
  const { pid } = await readyStatus(handle);
  const next = told();
  const killedAt = performance.now();
  process.kill(pid, "SIGKILL");
  return (await next) - killedAt;
}

/** Once the last restart is over. */
async function readyStatus(handle) {
  for (;;) {
    const status = await handle.rpc("p.status").catch(() => undefined);
    if (status?.stage === "ready") return status;
  }
}

async function sinceSpawned([file, ...args], told) {
  const next = told();
  const startedAt = performance.now();
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"], detached: true });
  const took = (await next) - startedAt;
  child.kill("SIGKILL");
  await new Promise((resolve) => child.once("close", resolve));
  return took;
}

async function measure() {
  return [...(await startAndStop()), ...(await silent()), ...(await again())];
}

export const PROGRAMS_ROW = [
  { name: "programs", title: `${PROGRAMS} ordinary programs, a silent one, and one that is killed`, measure },
];
