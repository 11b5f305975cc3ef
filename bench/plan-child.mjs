/** Prints the milliseconds that planning a synthetic catalog takes: `plan-child.mjs MODULES WILDCARDS`, best of five. */
import { plan } from "../dist/graph/index.js";
import { compose, parseFragment } from "../dist/units/index.js";
import { syntheticRoots, syntheticToml } from "./plan-synthetic.mjs";

const [moduleCount, wildcards] = process.argv.slice(2).map(Number);
const fragment = parseFragment(syntheticToml(moduleCount, { wildcards }), { file: "synthetic.toml" });
if (!fragment.ok) throw new Error("the synthetic catalog is not valid");
const catalog = compose([fragment.value]);
if (!catalog.ok) throw new Error("the synthetic catalog cannot be composed");
const tasks = Array.from({ length: wildcards }, (_, i) => [`before-all-${i}`, `after-all-${i}`]).flat();
const roots = [...syntheticRoots(moduleCount), ...tasks];

let bestMs = Infinity;
for (let i = 0; i < 5; i++) {
  const startedAt = performance.now();
  const planned = plan(catalog.value, { roots, facts: { rank: 0, size: 1 } });
  bestMs = Math.min(bestMs, performance.now() - startedAt);
  if (!planned.ok || planned.value.steps.length !== roots.length) throw new Error("the plan is not whole");
}
console.log(bestMs);
