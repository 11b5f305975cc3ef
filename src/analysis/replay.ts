import { Heap, leastFirst } from "../graph/index.js";
import { Frontier, remainingPaths, shuffleWeights } from "../run/index.js";
import type { Move, Moves, StepEnd } from "./moves.js";
import { dagOf, type RecordedPlan } from "./record.js";

/** The durations and delays of a replayed step, in nanoseconds. */
export interface StepCost {
  readonly durationNs: number;
  /** The time from the moment at which the step could start to its start. */
  readonly lagNs: number;
  /** The time after its start until the next step can start. */
  readonly holdNs: number;
  readonly ended: StepEnd;
}

/**
 * Runs a plan once more without running anything, with the runner's own frontier and priorities and with the recorded
 * durations.
 * @param costs by the number of the step; a step without a duration did not run, and takes no time
 * @param jobs steps that may run at the same time
 * @param order the units as a shuffled run has started them
 */
export function replay(
  plan: RecordedPlan,
  costs: ReadonlyMap<number, StepCost>,
  jobs: number,
  order?: readonly string[],
): Pick<Moves, "moves" | "jobs"> {
  return { moves: new Replay(plan, costs, jobs, order).run(), jobs };
}

class Replay {
  readonly #frontier: Frontier;
  readonly #costs: ReadonlyMap<number, StepCost>;
  readonly #jobs: number;
  /** The steps in the order of their starts. */
  readonly #started: number[] = [];
  readonly #endNs: Float64Array;
  /**
   * The running steps, by their places in that order. The step that ends first is on top. If two end together, the
   * one that started first is on top.
   */
  readonly #running: Heap;
  readonly #moves: Move[] = [];
  #nowNs = 0;
  /** The time from which the next step may start, because the runner starts one step at a time. */
  #freeFromNs = 0;

  constructor(
    plan: RecordedPlan,
    costs: ReadonlyMap<number, StepCost>,
    jobs: number,
    order: readonly string[] | undefined,
  ) {
    const dag = dagOf(plan);
    const expected = Float64Array.from(plan.steps, ({ expectedMs }) => expectedMs);
    const names = plan.steps.map(({ unit }) => unit);
    const weights =
      order === undefined
        ? remainingPaths(dag, expected)
        : shuffleWeights(names, { kind: "order", text: "", units: order });
    this.#frontier = new Frontier(dag, weights);
    this.#costs = costs;
    this.#jobs = jobs;
    this.#endNs = new Float64Array(plan.steps.length);
    this.#running = new Heap(leastFirst(this.#endNs));
    for (const step of plan.steps.keys()) {
      if (costs.has(step)) continue;
      this.#frontier.withdraw(step);
      this.#moves.push({ kind: "skip", step, atNs: 0 });
    }
  }

  run(): Move[] {
    this.#advance();
    for (let next = this.#running.pop(); next !== undefined; next = this.#running.pop()) {
      const step = this.#started[next] ?? 0;
      // If a step ends during the start of another one, the runner handles that end after the start.
      this.#nowNs = Math.max(this.#endNs[next] ?? 0, this.#freeFromNs);
      this.#moves.push({
        kind: "end",
        step,
        atNs: this.#nowNs,
        ended: this.#costs.get(step)?.ended ?? "end",
      });
      this.#frontier.pass(step);
      this.#advance();
    }
    return this.#moves;
  }

  #advance(): void {
    while (this.#running.size < this.#jobs) {
      const step = this.#frontier.take();
      const cost = step === undefined ? undefined : this.#costs.get(step);
      if (step === undefined || cost === undefined) return;
      const startNs = Math.max(this.#nowNs, this.#freeFromNs) + cost.lagNs;
      const place = this.#started.push(step) - 1;
      this.#moves.push({ kind: "start", step, atNs: startNs });
      this.#endNs[place] = startNs + cost.durationNs;
      this.#running.push(place);
      this.#freeFromNs = startNs + cost.holdNs;
    }
  }
}
