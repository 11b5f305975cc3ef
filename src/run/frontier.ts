import { type Dag, greatestFirst, Heap } from "../graph/index.js";
import { inDegrees } from "./schedule.js";

/**
 * How far a run has come into its DAG: which steps are ready, by counts of predecessors that have not ended.
 * Barriers and withdrawn steps pass as soon as they have no such predecessors. The order through them
 * therefore still applies.
 */
export class Frontier {
  readonly #dag: Dag;
  readonly #waitsFor: Uint32Array;
  readonly #withdrawn: Uint8Array;
  readonly #ready: Heap;
  /** Withdrawn steps stay in the heap until their turn. */
  #readyCount = 0;

  /** @param weights of each node; the ready step with the greatest weight comes first */
  constructor(dag: Dag, weights: Float64Array) {
    this.#dag = dag;
    this.#waitsFor = inDegrees(dag);
    this.#withdrawn = new Uint8Array(dag.stepCount);
    this.#ready = new Heap(greatestFirst(weights));
    const roots: number[] = [];
    for (const [node, degree] of this.#waitsFor.entries()) if (degree === 0) roots.push(node);
    this.#arrive(roots);
  }

  /** The number of steps that {@link take} can return. */
  get readyCount(): number {
    return this.#readyCount;
  }

  /** Takes the next ready step, or undefined if there is none. */
  take(): number | undefined {
    for (;;) {
      const step = this.#ready.pop();
      if (step !== undefined && this.#withdrawn[step] === 1) continue;
      if (step !== undefined) this.#readyCount--;
      return step;
    }
  }

  /** A taken step no longer blocks the steps after it. */
  pass(step: number): void {
    const arrived: number[] = [];
    this.#passInto(step, arrived);
    this.#arrive(arrived);
  }

  /** A step that was not taken before will not run. */
  withdraw(step: number): void {
    this.#withdrawn[step] = 1;
    if (this.#waitsFor[step] !== 0) return;
    this.#readyCount--;
    this.pass(step);
  }

  /** @param nodes nodes whose last predecessor is done; the list grows during the loop */
  #arrive(nodes: number[]): void {
    for (const node of nodes) {
      if (node < this.#dag.stepCount && this.#withdrawn[node] !== 1) {
        this.#ready.push(node);
        this.#readyCount++;
      } else {
        this.#passInto(node, nodes);
      }
    }
  }

  #passInto(node: number, arrived: number[]): void {
    const { offsets, targets } = this.#dag;
    const end = offsets[node + 1] ?? 0;
    for (let edge = offsets[node] ?? 0; edge < end; edge++) {
      const target = targets[edge] ?? 0;
      const left = (this.#waitsFor[target] ?? 0) - 1;
      this.#waitsFor[target] = left;
      if (left === 0) arrived.push(target);
    }
  }
}
