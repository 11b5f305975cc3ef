/** The output of a run for users. */

import { clearInterval, setInterval } from "node:timers";

const REFRESH_MS = 500;

export function showHead({ seed, sorts, leftOut }) {
  console.log(`seed ${seed}; sorts of faults: ${sorts.join(", ")}`);
  for (const { sort, why } of leftOut) console.log(`left out: ${sort}, as ${why}`);
  console.log(
    `\n${["Round", "Seconds", "Starts", "Answered", "Lost"].map((cell) => cell.padStart(8)).join(" ")}  Faults`,
  );
}

export function showRound({ number, seconds, totals, violations, title }) {
  const cells = [number, seconds.toFixed(1), totals.starts, totals.answered, lossesOf(violations)];
  console.log(`${cells.map((cell) => String(cell).padStart(8)).join(" ")}  ${title}`);
}

/** Each with the steps before it, and the command that repeats it. */
export function showViolations({ number, violations, history, again, dir }) {
  console.error(`torture: round ${number} failed; again: ${again}`);
  for (const { kind, text } of violations) console.error(`  ${kind}: ${text}`);
  console.error("  what was done:");
  for (const { atMs, text } of history) console.error(`  ${(atMs / 1000).toFixed(3).padStart(9)} s  ${text}`);
  if (dir !== undefined) console.error(`  its directory: ${dir}`);
}

/** One line on a terminal that is written anew while a round runs. */
export function showProgress({ isOn, done, startedAtMs }) {
  if (!isOn) return { clear: () => undefined, end: () => undefined };
  const clear = () => process.stderr.write("\r\u001b[K");
  const timer = setInterval(() => {
    const seconds = Math.round((performance.now() - startedAtMs) / 1000);
    const counts = `${done.rounds} rounds, ${sum(done.kills)} kills, ${done.starts} starts, ${done.answered} puts answered`;
    process.stderr.write(`\r\u001b[K${seconds} s: ${counts}`);
  }, REFRESH_MS);
  return {
    clear,
    end: () => {
      clearInterval(timer);
      clear();
    },
  };
}

export function showEnd({
  seed,
  seconds,
  rounds,
  kills,
  faults,
  starts,
  answered,
  refused,
  losses,
  failures,
}) {
  const list = (counts) =>
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(", ") || "none";
  const others = failures
    .flatMap(({ violations }) => violations)
    .filter(({ kind }) => !LOSSES.includes(kind)).length;
  console.log(`
seed            ${seed}
seconds         ${seconds.toFixed(1)}
rounds          ${rounds}
starts          ${starts}
kills           ${sum(kills)} (${list(kills)})
other faults    ${list(faults)}
puts answered   ${answered}
puts refused    ${list(refused)}
losses          ${losses}
other failures  ${others}`);
}

const LOSSES = ["loss", "torn", "backwards"];

/** How many of what is wrong are answers that the store did not keep to. */
export function lossesOf(violations) {
  return violations
    .filter(({ kind }) => LOSSES.includes(kind))
    .reduce((total, { count = 1 }) => total + count, 0);
}

function sum(counts) {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
