/**
 * `under-load-table.mjs [--again] REPORT…`: what `scripts/under-load.sh` makes of the JSON reports of vitest. With `--again`
 * the files that are to be run again, one a line; otherwise a table of all that failed or were run again. Exits 1 if any
 * run failed.
 */
import { readFileSync } from "node:fs";
import { relative } from "node:path";

/** A file asserts a time if it reads a clock and holds something against a bound. */
const READS_CLOCK = /\b(performance\.now|Date\.now|hrtime|elapsed|durationMs)\b/;
const HAS_BOUND = /\.toBe(LessThan|GreaterThan)(OrEqual)?\(|\.toBeCloseTo\(/;

const isAgain = process.argv[2] === "--again";
const paths = process.argv.slice(isAgain ? 3 : 2);
const files = new Map();
for (const path of paths) addReport(JSON.parse(readFileSync(path, "utf8")));
if (isAgain) showAgain();
else showTable();

function addReport({ testResults }) {
  for (const { name, status, startTime, endTime, assertionResults } of testResults) {
    const file = relative(process.cwd(), name);
    const seen = files.get(file) ?? { runs: 0, failed: 0, longestMs: 0, failedTests: new Set() };
    files.set(file, seen);
    seen.runs++;
    seen.longestMs = Math.max(seen.longestMs, endTime - startTime);
    // A file that could not be read has no tests that failed.
    if (status === "failed") seen.failed++;
    for (const test of assertionResults)
      if (test.status === "failed") seen.failedTests.add(test.fullName.trim());
  }
}

function assertsTime(file) {
  const text = readFileSync(file, "utf8");
  return READS_CLOCK.test(text) && HAS_BOUND.test(text);
}

function showAgain() {
  for (const [file, { failed }] of files) if (failed > 0 || assertsTime(file)) console.log(file);
}

function showTable() {
  const rows = [...files].filter(([file, { failed }]) => failed > 0 || assertsTime(file));
  console.log(`${["Runs", "Failed", "Longest"].map((head) => head.padStart(8)).join(" ")}  File`);
  for (const [file, { runs, failed, longestMs, failedTests }] of rows) {
    const cells = [runs, failed, `${(longestMs / 1000).toFixed(1)} s`].map((cell) =>
      String(cell).padStart(8),
    );
    console.log(`${cells.join(" ")}  ${file}${assertsTime(file) ? " (asserts a time)" : ""}`);
    for (const name of failedTests) console.log(`${" ".repeat(28)}failed: ${name}`);
  }
  const failed = [...files.values()].reduce((sum, file) => sum + file.failed, 0);
  const runs = [...files.values()].reduce((sum, file) => sum + file.runs, 0);
  console.log(`\n${runs} runs of ${files.size} files, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}
