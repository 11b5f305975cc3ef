/**
 * `npm run torture [-- --minutes=N] [--seed=S] [--only=SORT,…] [--round=K] [--rounds=N] [--keep] [--json]`: writers, faults of
 * all sorts, and whether the store has what it has answered. Exits 1 if anything was lost, 2 for a mistake in the arguments,
 * 130 after Ctrl-C. What it checks and how to read its report: bench/torture/README.md.
 */
import { randomInt } from "node:crypto";
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { BOOTS } from "./boot/boots.mjs";
import { FAULTS } from "./faults/index.mjs";
import { SLUICE } from "./instance.mjs";
import { lossesOf, showEnd, showHead, showProgress, showRound, showViolations } from "./report.mjs";
import { torture } from "./torture.mjs";

const INTERRUPTED = 130;
/** After this number of failed rounds, more of them add no information. */
const MOST_FAILED_ROUNDS = 20;
const SORTS = Object.keys(FAULTS);

function fail(message) {
  console.error(`torture: ${message}`);
  process.exit(2);
}

function numberOf(text, name, least) {
  const number = Number(text);
  if (text.trim() === "" || !Number.isFinite(number) || number < least)
    fail(`--${name}: '${text}' is not a number from ${least}`);
  return number;
}

function sortsOf(text) {
  if (text === undefined) return SORTS;
  const names = text.split(",");
  const unknown = names.filter((name) => !SORTS.includes(name));
  if (unknown.length > 0) fail(`--only: no sort '${unknown.join("', '")}'; there are ${SORTS.join(", ")}`);
  return names;
}

function optionsOf() {
  try {
    const { values } = parseArgs({
      options: {
        minutes: { type: "string" },
        seed: { type: "string", default: String(randomInt(1_000_000)) },
        only: { type: "string" },
        round: { type: "string" },
        rounds: { type: "string" },
        boots: { type: "string" },
        units: { type: "string" },
        providers: { type: "string" },
        nats: { type: "string" },
        keep: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
      },
    });
    return values;
  } catch (error) {
    return fail(error.message);
  }
}

const options = optionsOf();
const round = options.round === undefined ? undefined : Math.round(numberOf(options.round, "round", 1));
const rounds = options.rounds === undefined ? undefined : Math.round(numberOf(options.rounds, "rounds", 1));
const boots = options.boots === undefined ? BOOTS : Math.round(numberOf(options.boots, "boots", 1));
const isCounted = round !== undefined || rounds !== undefined;
const minutes =
  options.minutes === undefined ? (isCounted ? Infinity : 2) : numberOf(options.minutes, "minutes", 0.01);
const wanted = sortsOf(options.only);
const leftOut = wanted
  .map((sort) => ({ sort, why: FAULTS[sort].unmet?.() }))
  .filter(({ why }) => why !== undefined);
const sorts = wanted.filter((sort) => !leftOut.some((one) => one.sort === sort));
if (sorts.length === 0) fail(leftOut.map(({ sort, why }) => `${sort}: ${why}`).join("; "));

if (!existsSync(SLUICE)) fail("dist/ is missing: run npm run build first");

const stop = new AbortController();
process.once("SIGINT", () => stop.abort());
process.once("SIGTERM", () => stop.abort());

const { seed, json: isJson } = options;
const again = ["npm run torture --", `--seed=${seed}`];
for (const name of ["only", "boots", "units", "providers", "nats"])
  if (options[name] !== undefined) again.push(`--${name}=${options[name]}`);
if (isJson) console.error(`torture: seed ${seed}`);
else showHead({ seed, sorts, leftOut });
const startedAtMs = performance.now();
const failures = [];
const done = { rounds: 0, starts: 0, answered: 0, kills: {}, faults: {}, refused: {} };
const progress = showProgress({ isOn: !isJson && process.stderr.isTTY, done, startedAtMs });
try {
  const first = round ?? 1;
  const last = round ?? rounds ?? Infinity;
  const { units, keep, providers, nats } = options;
  const settings = {
    seed,
    sorts,
    first,
    last,
    minutes,
    keep,
    units,
    nats,
    boots,
    ...(providers && { providers: providers.split(",") }),
  };
  for await (const one of torture(settings, stop.signal)) {
    Object.assign(done, one.totals, { rounds: done.rounds + 1 });
    progress.clear();
    if (!isJson) showRound(one);
    if (one.violations.length > 0) {
      failures.push({ ...one, again: [...again, `--round=${one.number}`].join(" "), totals: undefined });
      if (!isJson) showViolations(failures.at(-1));
      if (failures.length === MOST_FAILED_ROUNDS) break;
    }
  }
} finally {
  progress.end();
}
const seconds = (performance.now() - startedAtMs) / 1000;
const losses = failures.reduce((sum, { violations }) => sum + lossesOf(violations), 0);
const report = { seed, seconds, sorts, leftOut, ...done, losses, failures };
if (isJson) console.log(JSON.stringify(report));
else showEnd(report);
if (stop.signal.aborted) console.error("torture: interrupted");
process.exitCode = failures.length > 0 ? 1 : stop.signal.aborted ? INTERRUPTED : 0;
