/** Measuring whole processes: wall time of a run, and its greatest resident set. */
import { spawnSync } from "node:child_process";

/** Seconds that a process takes, its standard output thrown away. Throws if it fails. */
export function secondsOf(argv, env = {}) {
  const startedAtNs = process.hrtime.bigint();
  run(argv, env, ["ignore", "ignore", "pipe"]);
  return Number(process.hrtime.bigint() - startedAtNs) / 1e9;
}

/** Standard output of a process. Throws if it fails. */
export function outputOf(argv, env = {}) {
  return run(argv, env, ["ignore", "pipe", "pipe"]).stdout;
}

/** Greatest resident set of a Node process in MB, reported by a module that loads before its own. */
export function peakMegabytesOf([node, ...args], env = {}) {
  const preload = new URL("./print-peak-memory.cjs", import.meta.url).pathname;
  const { output } = run([node, "--require", preload, ...args], env, ["ignore", "ignore", "pipe", "pipe"]);
  return Number(output[3]) / 1024;
}

function run([file, ...args], env, stdio) {
  const result = spawnSync(file, args, {
    env: { ...process.env, ...env },
    stdio,
    maxBuffer: 1 << 30,
    encoding: "utf8",
  });
  if (result.status !== 0)
    throw new Error(`${file} ${args.join(" ")}: status ${result.status}\n${result.stderr}`);
  return result;
}

/**
 * Ratio of a process's time to that of `node -e 0`. The two alternate, so that a noisy moment of the machine meets both,
 * and the median of each counts.
 * @param prepare called before each run of the process, with its number; returns further arguments
 */
export function ratioToNode(argv, env, rounds, prepare = () => []) {
  const own = [];
  const node = [];
  for (let i = 0; i < rounds; i++) {
    for (let k = 0; k < 3; k++) node.push(secondsOf([process.execPath, "-e", "0"]));
    const more = prepare(i);
    own.push(secondsOf([...argv, ...more], env));
  }
  return { ratio: median(own) / median(node), seconds: median(own), baseSeconds: median(node) };
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}
