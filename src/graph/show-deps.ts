import { compareText } from "../errors/index.js";
import { Csr, PairList } from "./csr.js";
import type { Plan } from "./types.js";

/**
 * The predecessors of each step, with wildcards and other barriers resolved: up to n² of them, so for output only.
 * @returns step → steps, ascending, without repeats
 */
export function directPredecessors({ dag }: Plan): Csr {
  const { stepCount, nodeCount, offsets, targets } = dag;
  const sources = new Csr(offsets, targets).reversed(nodeCount);
  const pairs = new PairList();
  for (let step = 0; step < stepCount; step++) {
    for (const source of sources.row(step)) {
      if (source < stepCount) pairs.add(step, source);
      else for (const behind of sources.row(source)) if (behind !== step) pairs.add(step, behind);
    }
  }
  return pairs.toCsr(stepCount).withoutRepeats(stepCount);
}

/**
 * The output of `--show-deps` (docs/design/planning.md §7): unit → its direct predecessors, sorted by code
 * unit, without duplicates. Keys are in canonical order.
 */
export function showDeps(plan: Plan): Record<string, string[]> {
  return Object.fromEntries(eachDependencies(plan));
}

/** As {@link showDeps}, one after the other, because an object of 50,000 names takes long to make. */
export function* eachDependencies(plan: Plan): Generator<readonly [unit: string, before: string[]]> {
  const predecessors = directPredecessors(plan);
  const names = plan.steps.map(({ unit }) => unit.name);
  for (const [step, name] of names.entries()) {
    const befores: string[] = [];
    for (let e = predecessors.start(step); e < predecessors.end(step); e++) {
      befores.push(names[predecessors.item(e)] ?? "");
    }
    yield [name, befores.length > 1 ? befores.sort(compareText) : befores];
  }
}
