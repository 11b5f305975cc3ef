/**
 * `npm run soak [-- --cycles=N] [--warm-up=N] [--growth=PERCENT] [--loader=NAME] [--json]`: loads,
 * reloads, restarts, fails and removes modules of all loaders, or of one. It exits 1 if more than a fifth of the memory, or anything else, has
 * stayed behind since the first tenth. It exits 2 for a mistake in the arguments, and 130 after Ctrl-C. The
 * cycles of the warm-up come before those that count. With `--starts=N` it starts in N orders instead, see starts.mjs. With
 * `--frozen=MB` it publishes so much while one of eight ranks is frozen, see frozen.mjs. With `--expired=SECONDS` the
 * credentials of a rank are expired for so long, see expired.mjs. With `--stopped=SECONDS` a broker is stopped for so long, see
 * stopped.mjs.
 */
import { parseArgs } from "node:util";
import { brokenBounds } from "./measures.mjs";
import { soak } from "./soak.mjs";
import { soakExpired } from "./expired.mjs";
import { soakFrozen } from "./frozen.mjs";
import { soakStarts } from "./starts.mjs";
import { soakStopped } from "./stopped.mjs";

const MIB = 2 ** 20;
const INTERRUPTED = 130;

/** What is done in place of the cycles, by its option; each takes a number. */
const OTHERS = { starts: soakStarts, frozen: soakFrozen, expired: soakExpired, stopped: soakStopped };

function fail(message) {
  console.error(`soak: ${message}`);
  process.exit(2);
}

function numberOf(text, name, least) {
  const number = Number(text);
  if (text.trim() === "" || !Number.isFinite(number) || number < least)
    fail(`--${name}: '${text}' is not a number from ${least}`);
  return number;
}

function optionsOf() {
  try {
    const { values } = parseArgs({
      options: {
        cycles: { type: "string", default: "10000" },
        "warm-up": { type: "string", default: "0" },
        growth: { type: "string", default: "20" },
        loader: { type: "string" },
        ...Object.fromEntries(Object.keys(OTHERS).map((name) => [name, { type: "string" }])),
        json: { type: "boolean", default: false },
      },
    });
    return values;
  } catch (error) {
    return fail(error.message);
  }
}

const options = optionsOf();
const cycles = Math.round(numberOf(options.cycles, "cycles", 10));
const warmUp = Math.round(numberOf(options["warm-up"], "warm-up", 0));
const growth = numberOf(options.growth, "growth", -100) / 100;
if (globalThis.gc === undefined) fail("memory is only known after a collection: run node with --expose-gc");

const stop = new AbortController();
process.once("SIGINT", () => stop.abort());
process.once("SIGTERM", () => stop.abort());
const [other] = Object.keys(OTHERS).filter((name) => options[name] !== undefined);
if (other !== undefined) {
  const count = Math.round(numberOf(options[other], other, 1));
  const sentences = await OTHERS[other](count, (text) => console.log(text), stop.signal);
  for (const sentence of sentences) console.error(`soak: ${sentence}`);
  process.exit(sentences.length > 0 ? 1 : stop.signal.aborted ? INTERRUPTED : 0);
}
const warnings = [];
process.on("warning", ({ name, message }) => warnings.push(`${name}: ${message}`));

const HEAD = [
  "Cycles",
  "Seconds",
  "Fds",
  "Children",
  "Processes",
  "Threads",
  "Handles",
  "Listeners",
  "Pending",
  "RSS",
  "Heap",
];
const line = (cells) => cells.map((cell) => String(cell).padStart(9)).join(" ");

function show({ cycles: count, seconds, held, memory }) {
  const weights = [memory.rssBytes, memory.heapBytes].map((bytes) => `${(bytes / MIB).toFixed(1)} MB`);
  console.log(line([count, seconds.toFixed(1), ...Object.values(held), ...weights]));
}

function showDone(done) {
  const kinds = [...new Set(Object.values(done).flatMap((counts) => Object.keys(counts)))];
  console.log(`\n${["", ...kinds].map((kind) => kind.padStart(17)).join(" ")}`);
  for (const [loader, counts] of Object.entries(done))
    console.log(
      [loader, ...kinds.map((kind) => counts[kind] ?? 0)].map((cell) => String(cell).padStart(17)).join(" "),
    );
}

const samples = [];
let failure;
try {
  if (!options.json) console.log(line(HEAD));
  for await (const sample of soak({ warmUp, cycles, only: options.loader }, stop.signal)) {
    samples.push(structuredClone(sample));
    if (!options.json) show(sample);
  }
} catch (error) {
  failure = error;
}
const [first] = samples;
const last = samples.at(-1);
const broken = first === undefined ? [] : [...brokenBounds(first, last, growth), ...warnings];
if (failure !== undefined) broken.push(failure.message);
const isWhole = last?.cycles === cycles;
if (options.json) console.log(JSON.stringify({ cycles, samples, broken }));
else {
  if (last !== undefined) showDone(last.done);
  for (const sentence of broken) console.error(`soak: ${sentence}`);
  if (stop.signal.aborted) console.error("soak: interrupted");
  else if (broken.length === 0 && isWhole) console.log("\nall bounds kept");
}
process.exitCode = broken.length > 0 ? 1 : stop.signal.aborted ? INTERRUPTED : 0;
