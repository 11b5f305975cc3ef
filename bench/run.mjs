/**
 * `npm run bench [-- NAME…] [--json] [--against=REV]`: the performance goals, and rates that have no goal. Each
 * goal is a ratio to a baseline of the same run, since machines differ and are noisy. Exits 1 if a goal is
 * missed. Some goals compare with an earlier commit, which `--against` builds; `bench/README.md` explains each
 * row.
 */
import { parseArgs } from "node:util";
import { buildOf } from "./against.mjs";
import { DEATH } from "./rows/death.mjs";
import { EMBEDDING } from "./rows/embedding.mjs";
import { HOSTS } from "./rows/hosts.mjs";
import { INSTANCE } from "./rows/instance.mjs";
import { LOADING } from "./rows/loading.mjs";
import { MESSAGING } from "./rows/messaging.mjs";
import { PAGE } from "./rows/page.mjs";
import { PLANNING } from "./rows/planning.mjs";
import { PROGRAMS_ROW } from "./rows/programs.mjs";
import { PYTHON } from "./rows/python.mjs";
import { RATES } from "./rows/rates.mjs";
import { RUNNING } from "./rows/running.mjs";
import { STARTING } from "./rows/starting.mjs";
import { STORE } from "./rows/store.mjs";
import { WAITS } from "./rows/waits.mjs";

const { values, positionals } = parseArgs({
  options: { json: { type: "boolean" }, against: { type: "string" } },
  allowPositionals: true,
});
const ROWS = [
  ...PLANNING,
  ...RUNNING,
  ...MESSAGING,
  ...RATES,
  ...EMBEDDING,
  ...LOADING,
  ...DEATH,
  ...STARTING,
  ...INSTANCE,
  ...PROGRAMS_ROW,
  ...STORE,
  ...PYTHON,
  ...PAGE,
  ...WAITS,
  ...HOSTS,
];
/** `hosts` names all of its rows, such as `hosts-join`. */
const isNamed = (name, given) => name === given || (given === "hosts" && name.startsWith("hosts-"));
const rows = ROWS.filter(
  ({ name }) => positionals.length === 0 || positionals.some((given) => isNamed(name, given)),
);
if (rows.length === 0) {
  console.error(`no such row; there are ${ROWS.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}

const against = values.against === undefined ? undefined : buildOf(values.against);
process.once("exit", () => against?.remove());
process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));

let missed = 0;
for (const { name, title, measure } of rows) {
  if (!values.json) console.log(`\n${name}: ${title}`);
  for (const { what, measured, goal, unit, detail } of await measure({ against })) {
    const ok = goal === undefined || measured <= goal;
    if (!ok) missed++;
    const [verdict, bound] = goal === undefined ? ["", ""] : [ok ? "ok" : "MISSED", ` / ${goal}`];
    if (values.json) console.log(JSON.stringify({ name, what, measured, goal, unit, ok, detail }));
    else console.log(`  ${verdict.padEnd(6)} ${what}: ${measured.toFixed(2)}${bound} ${unit}  (${detail})`);
  }
}
process.exitCode = missed > 0 ? 1 : 0;
