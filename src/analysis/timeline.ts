import type { Dag } from "../graph/index.js";
import type { Move, Moves, StepEnd } from "./moves.js";
import { dagOf, type RecordedPlan } from "./record.js";

/** The last reason why a step waited. */
export type Wait =
  /** The step did not wait. */
  | { readonly kind: "none" }
  /** The step waited for the last of its predecessors. */
  | { readonly kind: "dependency"; readonly step: number }
  /** The step was ready and waited for a free slot. `step` held this slot before. */
  | { readonly kind: "slot"; readonly step: number };

/** When a step ran, and why it started at that time. Times are nanoseconds since the start of the run. */
export interface StepTime {
  readonly step: number;
  /** When the last predecessor of the step ended. */
  readonly readyNs: number;
  /** When the step was ready and a slot was free. */
  readonly eligibleNs: number;
  readonly startNs: number;
  readonly endNs: number;
  readonly ended: StepEnd;
  readonly wait: Wait;
  /** The delay of the start after `eligibleNs`, or after the start of the previous step. */
  readonly lagNs: number;
  /** How long the start of this step kept the runner busy while other steps were eligible. */
  readonly holdNs: number;
  /** How much longer the step could have taken without making the run longer. */
  readonly slackNs: number;
}

/** The times of the steps of a run. */
export interface Timeline {
  readonly plan: RecordedPlan;
  readonly jobs: number;
  readonly durationNs: number;
  /** The times of each step that started, in the order of their starts. */
  readonly times: readonly StepTime[];
  /** The times by the index of the step. */
  readonly byStep: ReadonlyMap<number, StepTime>;
}

/** An event, and its place in the order of all events. */
interface Moment {
  readonly order: number;
  readonly atNs: number;
  readonly step: number | undefined;
}

type StepTimeDraft = { -readonly [K in keyof StepTime]: StepTime[K] };

/**
 * Lays a run out in time. For each step it gives when the step was ready, which steps it waited for, and its slack.
 * Linear in the size of the plan.
 */
export function layOut(plan: RecordedPlan, { moves, jobs, durationNs }: Moves): Timeline {
  const layout = new Layout(dagOf(plan), jobs);
  for (const [order, move] of moves.entries()) layout.take(move, order);
  const times = layout.times;
  const byStep = new Map(times.map((time) => [time.step, time]));
  findSlack(times, byStep, plan);
  return { plan, jobs, durationNs, times, byStep };
}

class Layout {
  readonly times: StepTimeDraft[] = [];
  readonly #dag: Dag;
  readonly #jobs: number;
  readonly #waitsFor: Uint32Array;
  readonly #readyAt: (Moment | undefined)[];
  readonly #skipped = new Set<number>();
  readonly #running = new Map<number, StepTimeDraft>();
  #freed: Moment = { order: -1, atNs: 0, step: undefined };
  #lastStart: Moment = { order: -1, atNs: 0, step: undefined };
  #lastStarted: StepTimeDraft | undefined;

  constructor(dag: Dag, jobs: number) {
    this.#dag = dag;
    this.#jobs = jobs;
    this.#waitsFor = new Uint32Array(dag.nodeCount);
    for (const target of dag.targets) this.#waitsFor[target] = (this.#waitsFor[target] ?? 0) + 1;
    this.#readyAt = Array.from({ length: dag.nodeCount }, () => undefined);
    const roots = [...this.#waitsFor.keys()].filter((node) => this.#waitsFor[node] === 0);
    this.#arrive(roots, { order: -1, atNs: 0, step: undefined });
  }

  take(move: Move, order: number): void {
    switch (move.kind) {
      case "start":
        this.#start(move, order);
        return;
      case "end":
        this.#end(move, order);
        return;
      case "skip":
        this.#skip(move, order);
        return;
    }
  }

  #start({ step, atNs }: Move, order: number): void {
    const ready = this.#readyAt[step] ?? { order: -1, atNs: 0, step: undefined };
    const isSlotLast = this.#freed.order > ready.order;
    const eligible = isSlotLast ? this.#freed : ready;
    // The step could start when the runner began to start the previous step. The step therefore had to wait
    // for the runner.
    const isNext = this.#lastStart.order > eligible.order;
    if (isNext && this.#lastStarted !== undefined) this.#lastStarted.holdNs = atNs - this.#lastStart.atNs;
    const time: StepTimeDraft = {
      step,
      readyNs: ready.atNs,
      eligibleNs: eligible.atNs,
      startNs: atNs,
      endNs: atNs,
      ended: "cancel",
      wait: waitFor(eligible.step, isSlotLast),
      lagNs: isNext ? 0 : atNs - eligible.atNs,
      holdNs: 0,
      slackNs: 0,
    };
    this.times.push(time);
    this.#running.set(step, time);
    this.#lastStart = { order, atNs, step };
    this.#lastStarted = time;
  }

  #end(move: Move & { readonly kind: "end" }, order: number): void {
    const { step, atNs, ended } = move;
    const moment = { order, atNs, step };
    const time = this.#running.get(step);
    if (time !== undefined) Object.assign(time, { endNs: atNs, ended });
    if (this.#running.size === this.#jobs) this.#freed = moment;
    this.#running.delete(step);
    this.#pass([step], moment);
  }

  #skip({ step, atNs }: Move, order: number): void {
    this.#skipped.add(step);
    if (this.#readyAt[step] !== undefined) this.#pass([step], { order, atNs, step: undefined });
  }

  /** @param nodes nodes that are passed; the list grows during the walk */
  #pass(nodes: number[], moment: Moment): void {
    const { offsets, targets } = this.#dag;
    for (const node of nodes) {
      const end = offsets[node + 1] ?? 0;
      for (let edge = offsets[node] ?? 0; edge < end; edge++) {
        const target = targets[edge] ?? 0;
        const left = (this.#waitsFor[target] ?? 0) - 1;
        this.#waitsFor[target] = left;
        if (left !== 0) continue;
        this.#readyAt[target] = moment;
        if (this.#isTransparent(target)) nodes.push(target);
      }
    }
  }

  #arrive(nodes: readonly number[], moment: Moment): void {
    for (const node of nodes) this.#readyAt[node] = moment;
    this.#pass(
      nodes.filter((node) => this.#isTransparent(node)),
      moment,
    );
  }

  #isTransparent(node: number): boolean {
    return node >= this.#dag.stepCount || this.#skipped.has(node);
  }
}

function waitFor(step: number | undefined, isSlot: boolean): Wait {
  if (step === undefined) return { kind: "none" };
  return { kind: isSlot ? "slot" : "dependency", step };
}

/**
 * Finds the slack of each step: how long the steps after it, or the next step in its slot, could have waited. Goes
 * backwards through the DAG and computes the latest start of each node. Barriers and steps that did not run take no
 * time.
 */
function findSlack(
  times: readonly StepTimeDraft[],
  byStep: ReadonlyMap<number, StepTimeDraft>,
  plan: RecordedPlan,
): void {
  const lastEndNs = times.reduce((last, { endNs }) => Math.max(last, endNs), 0);
  const before = [...plan.steps.map(({ after }) => after), ...plan.barriers];
  /** The latest time at which each node must be passed. */
  const deadline = new Float64Array(before.length).fill(lastEndNs);
  const tighten = (node: number, byNs: number): void => {
    deadline[node] = Math.min(deadline[node] ?? byNs, byNs);
  };
  for (const node of backwards(before, times)) {
    const time = byStep.get(node);
    const byNs = deadline[node] ?? lastEndNs;
    if (time !== undefined) time.slackNs = byNs - time.endNs;
    const startByNs = time === undefined ? byNs : time.eligibleNs + time.slackNs;
    for (const from of before[node] ?? []) tighten(from, startByNs);
    if (time?.wait.kind === "slot") tighten(time.wait.step, startByNs);
  }
}

/** All nodes, each after those that come after it or took its slot. */
function backwards(before: readonly (readonly number[])[], times: readonly StepTime[]): number[] {
  const successors = new Uint32Array(before.length);
  const count = (node: number, by: number): number => (successors[node] = (successors[node] ?? 0) + by);
  const slotOf = new Map(
    times.flatMap(({ step, wait }) => (wait.kind === "slot" ? [[step, wait.step]] : [])),
  );
  const links = (node: number): readonly number[] => {
    const slot = slotOf.get(node);
    return slot === undefined ? (before[node] ?? []) : [...(before[node] ?? []), slot];
  };
  for (const node of before.keys()) for (const from of links(node)) count(from, 1);
  const order = [...before.keys()].filter((node) => successors[node] === 0);
  // The loop adds to the list that it iterates over.
  for (const node of order) for (const from of links(node)) if (count(from, -1) === 0) order.push(from);
  return order;
}
