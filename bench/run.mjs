/**
 * `npm run bench [-- NAME…] [--json]`: the performance goals, each measured as a ratio to a baseline that is taken in the
 * same run, since machines differ and are noisy; and rates that have no goal. Exits 1 if a goal is missed.
 */
import { parseArgs } from "node:util";
import { DEATH } from "./rows/death.mjs";
import { LOADING } from "./rows/loading.mjs";
import { MESSAGING } from "./rows/messaging.mjs";
import { PLANNING } from "./rows/planning.mjs";
import { PYTHON } from "./rows/python.mjs";
import { RATES } from "./rows/rates.mjs";
import { RUNNING } from "./rows/running.mjs";
import { STARTING } from "./rows/starting.mjs";
import { STORE } from "./rows/store.mjs";

const { values, positionals } = parseArgs({ options: { json: { type: "boolean" } }, allowPositionals: true });
const ROWS = [
  ...PLANNING,
  ...RUNNING,
  ...MESSAGING,
  ...RATES,
  ...LOADING,
  ...DEATH,
  ...STARTING,
  ...STORE,
  ...PYTHON,
];
const rows = ROWS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
if (rows.length === 0) {
  console.error(`no such row; there are ${ROWS.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}

let missed = 0;
for (const { name, title, measure } of rows) {
  if (!values.json) console.log(`\n${name}: ${title}`);
  for (const { what, measured, goal, unit, detail } of await measure()) {
    const ok = goal === undefined || measured <= goal;
    if (!ok) missed++;
    const [verdict, bound] = goal === undefined ? ["", ""] : [ok ? "ok" : "MISSED", ` / ${goal}`];
    if (values.json) console.log(JSON.stringify({ name, what, measured, goal, unit, ok, detail }));
    else console.log(`  ${verdict.padEnd(6)} ${what}: ${measured.toFixed(2)}${bound} ${unit}  (${detail})`);
  }
}
process.exitCode = missed > 0 ? 1 : 0;
