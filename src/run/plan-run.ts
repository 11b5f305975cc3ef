import { messageOf, SluiceError } from "../errors/index.js";
import type { Plan, Step } from "../graph/index.js";
import { Dependents } from "./dependents.js";
import { durationText } from "./duration-text.js";
import { EventQueue } from "./event-queue.js";
import type { StopCause } from "./events.js";
import { Frontier } from "./frontier.js";
import type { RunSettings } from "./options.js";
import type { StepExecutor } from "./step-executor.js";
import { expectedDurations, remainingPaths } from "./schedule.js";
import { shuffleWeights } from "./shuffle.js";
import { StepStates } from "./step-states.js";

/** A step in the executor. It keeps its slot until its promise settles or its grace time has passed. */
interface RunningStep {
  readonly index: number;
  readonly step: Step;
  readonly startedAtMs: number;
  readonly controller: AbortController;
  /** Stops the present timer: first the time-out, then the grace time. */
  stopTimer: () => void;
  /** The promise no longer matters, because its last event has been sent. */
  reported: boolean;
  /** An interrupt has cancelled the step. */
  cancelled: boolean;
}

/** How many steps it starts at once before other callbacks of the process have a turn. */
const STARTS_A_TURN = 256;

const noTimer = (): void => undefined;

/**
 * One run of one plan; `runPlan` is its public function. All its code runs in callbacks of steps, timers and signals.
 */
export class PlanRun {
  readonly events = new EventQueue();
  readonly #plan: Plan;
  readonly #settings: RunSettings;
  readonly #states: StepStates;
  readonly #frontier: Frontier;
  readonly #running = new Set<RunningStep>();
  readonly #startedAtMs: number;
  readonly #onSignal = (): void => this.interrupt("stop");
  readonly #onCancelSignal = (): void => this.interrupt("cancel");

  #dependents: Dependents | undefined;
  #stopCause: StopCause | undefined;
  #interrupted: "no" | "stop" | "cancel" = "no";
  #stopCancelTimer = noTimer;
  #startsLeft = STARTS_A_TURN;
  #nextTurn: NodeJS.Immediate | undefined;
  #finished = false;

  constructor(plan: Plan, settings: RunSettings) {
    this.#plan = plan;
    this.#settings = settings;
    this.#states = new StepStates(plan.steps.length);
    this.#frontier = new Frontier(plan.dag, weightsOf(plan, settings));
    this.#startedAtMs = settings.clock.nowMs();
  }

  /** Whether `summary` has been emitted. */
  get finished(): boolean {
    return this.#finished;
  }

  begin(): void {
    const { clock, jobs, shuffle, signal, cancelSignal } = this.#settings;
    this.events.push({
      type: "plan",
      atMs: 0,
      stepCount: this.#plan.steps.length,
      jobs,
      epochMs: clock.epochMs(),
      ...(shuffle === undefined ? {} : { shuffle: shuffle.text }),
    });
    signal?.addEventListener("abort", this.#onSignal);
    cancelSignal?.addEventListener("abort", this.#onCancelSignal);
    if (signal?.aborted === true) this.interrupt("stop");
    if (cancelSignal?.aborted === true) this.interrupt("cancel");
    this.#advance();
  }

  /** `stop`: starts nothing more, and cancels running steps a while later. `cancel`: does both at once. */
  interrupt(stage: "stop" | "cancel"): void {
    if (this.#finished || this.#interrupted === stage || this.#interrupted === "cancel") return;
    this.#interrupted = stage;
    this.#stopCause ??= { kind: "interrupted" };
    this.events.push({ type: "interrupt", atMs: this.#elapsedMs(), stage });
    this.#stopCancelTimer();
    this.#stopCancelTimer = noTimer;
    if (stage === "stop") {
      const { clock, cancelAfterMs } = this.#settings;
      this.#stopCancelTimer = clock.after(cancelAfterMs, this.#onCancelSignal);
    } else {
      for (const running of this.#running) this.#cancel(running);
    }
    this.#finishIfOver();
  }

  /**
   * Fills the free slots from the ready steps. Never nests, because calls come only from the top of a
   * callback.
   */
  #advance(): void {
    while (this.#canStart()) {
      if (this.#startsLeft === 0) {
        this.#advanceLater();
        return;
      }
      this.#startsLeft--;
      const next = this.#frontier.take();
      const step = next === undefined ? undefined : this.#plan.steps[next];
      if (next !== undefined && step !== undefined) this.#start(next, step);
    }
    this.#finishIfOver();
  }

  #canStart(): boolean {
    return (
      this.#stopCause === undefined &&
      this.#running.size < this.#settings.jobs &&
      this.#frontier.readyCount > 0
    );
  }

  /** Steps that end at once would otherwise delay timers and signals for as long as there are such steps. */
  #advanceLater(): void {
    this.#nextTurn ??= setImmediate(() => {
      this.#nextTurn = undefined;
      this.#startsLeft = STARTS_A_TURN;
      this.#advance();
    });
  }

  #start(index: number, step: Step): void {
    const { clock, executor } = this.#settings;
    const running: RunningStep = {
      index,
      step,
      startedAtMs: this.#elapsedMs(),
      controller: new AbortController(),
      stopTimer: noTimer,
      reported: false,
      cancelled: false,
    };
    this.#states.set(index, "running");
    this.#running.add(running);
    this.events.push({ type: "start", atMs: running.startedAtMs, ...named(step) });
    const timeoutMs = limitOf(step);
    if (timeoutMs !== undefined && timeoutMs !== Infinity) {
      running.stopTimer = clock.after(timeoutMs, () => this.#timeOut(running, timeoutMs));
    }
    execute(executor, step, running.controller.signal).then(
      () => this.#settled(running, undefined),
      (cause: unknown) => this.#settled(running, asError(cause, step)),
    );
  }

  /** The promise of a step settled. The result counts unless its last event has already been sent. */
  #settled(running: RunningStep, error: Error | undefined): void {
    if (!this.#running.delete(running)) return;
    running.stopTimer();
    if (!running.reported) {
      if (error === undefined) this.#succeed(running);
      else if (running.cancelled) this.#reportCancelled(running);
      else this.#fail(running, error);
    }
    this.#advance();
  }

  #succeed(running: RunningStep): void {
    running.reported = true;
    this.#states.set(running.index, "done");
    this.events.push({ type: "end", ...this.#ending(running) });
    this.#frontier.pass(running.index);
  }

  #fail(running: RunningStep, error: Error): void {
    running.reported = true;
    const optional = this.#optional(running.step);
    this.events.push({
      type: "fail",
      ...this.#ending(running),
      message: messageOf(error),
      error,
      ...optional,
    });
    this.#failed(running);
  }

  #timeOut(running: RunningStep, timeoutMs: number): void {
    running.reported = true;
    const message = `timed out after ${durationText(timeoutMs)}`;
    const error = new SluiceError("RUN_TIMEOUT", message, { unit: running.step.unit.name });
    const optional = this.#optional(running.step);
    this.events.push({ type: "timeout", ...this.#ending(running), timeoutMs, message, error, ...optional });
    this.#failed(running);
    this.#giveUp(running, error);
    this.#advance();
  }

  #cancel(running: RunningStep): void {
    if (running.reported || running.cancelled) return;
    running.cancelled = true;
    running.stopTimer();
    this.#giveUp(running, new SluiceError("RUN_CANCELLED", "cancelled", { unit: running.step.unit.name }));
  }

  /** Informs the executor, and waits for it for a limited time. */
  #giveUp(running: RunningStep, reason: SluiceError): void {
    const { clock, graceMs } = this.#settings;
    running.stopTimer = clock.after(graceMs, () => {
      this.#running.delete(running);
      if (!running.reported) this.#reportCancelled(running);
      this.#advance();
    });
    running.controller.abort(reason);
  }

  #reportCancelled(running: RunningStep): void {
    running.reported = true;
    this.#states.set(running.index, "cancelled");
    this.events.push({ type: "cancel", ...this.#ending(running), message: "cancelled" });
  }

  #failed({ index, step }: RunningStep): void {
    if (this.#isTolerated(step)) {
      this.#states.set(index, "skipped");
      this.#skipDependentsOf(index, "needs");
      this.#frontier.pass(index);
      return;
    }
    this.#states.set(index, "failed");
    if (!this.#goesOnAfter(step)) {
      this.#stopCause ??= { kind: "failed", unit: step.unit.name };
      return;
    }
    this.#skipDependentsOf(index, "requires");
    this.#frontier.pass(index);
  }

  /** One removal that fails must not block the others (docs/design/planning.md §6). */
  #goesOnAfter(step: Step): boolean {
    const { kind } = this.#plan.request;
    return this.#settings.keepGoing || step.action === "remove" || kind === "stop" || kind === "remove";
  }

  /** An optional unit may fail, unless the user asked for it by name. */
  #isTolerated(step: Step): boolean {
    if (!step.unit.optional || step.action === "remove") return false;
    return step.action === "run" || !step.explicit;
  }

  #optional(step: Step): { readonly optional?: true } {
    return this.#isTolerated(step) ? { optional: true } : {};
  }

  /** @param link `needs`: steps that only require it run without it */
  #skipDependentsOf(failed: number, link: "requires" | "needs"): void {
    this.#dependents ??= new Dependents(this.#plan);
    const skipped = this.#dependents.skippedBy(failed, link, (step) => this.#states.isWaiting(step));
    for (const { step: index, because, via } of skipped) {
      const step = this.#plan.steps[index];
      if (step === undefined) continue;
      this.#states.set(index, "skipped");
      this.#frontier.withdraw(index);
      const message = `skipped, because ${because} failed`;
      this.events.push({ type: "skip", atMs: this.#elapsedMs(), ...named(step), because, via, message });
    }
  }

  #finishIfOver(): void {
    if (this.#finished || this.#running.size > 0) return;
    if (this.#stopCause === undefined && this.#frontier.readyCount > 0) return;
    this.#finished = true;
    clearImmediate(this.#nextTurn);
    this.#stopCancelTimer();
    this.#settings.signal?.removeEventListener("abort", this.#onSignal);
    this.#settings.cancelSignal?.removeEventListener("abort", this.#onCancelSignal);
    if (this.#stopCause !== undefined) this.#reportNotStarted(this.#stopCause);
    this.#reportSummary();
  }

  #reportNotStarted(because: StopCause): void {
    const reason = because.kind === "failed" ? `${because.unit} failed` : "the run was interrupted";
    const message = `not started, because ${reason}`;
    const atMs = this.#elapsedMs();
    for (const [index, step] of this.#plan.steps.entries()) {
      if (this.#states.isWaiting(index)) {
        this.events.push({ type: "not-started", atMs, ...named(step), because, message });
      }
    }
  }

  #reportSummary(): void {
    const { done, failed, cancelled, skipped, waiting: notStarted } = this.#states.count();
    const outcome = this.#interrupted !== "no" ? "interrupted" : failed > 0 ? "failed" : "ok";
    const atMs = this.#elapsedMs();
    this.events.push({ type: "summary", atMs, outcome, done, failed, cancelled, skipped, notStarted });
  }

  #ending({ step, startedAtMs }: RunningStep): Ending {
    const atMs = this.#elapsedMs();
    return { atMs, ...named(step), durationMs: atMs - startedAtMs };
  }

  #elapsedMs(): number {
    return this.#settings.clock.nowMs() - this.#startedAtMs;
  }
}

/**
 * Which of the ready steps goes first: by the weights of the shuffle, else the step with the longest remaining path.
 */
function weightsOf(plan: Plan, { shuffle, durationsMs }: RunSettings): Float64Array {
  const paths = remainingPaths(plan.dag, expectedDurations(plan, durationsMs));
  if (shuffle === undefined) return paths;
  const names = plan.steps.map(({ unit }) => unit.name);
  return shuffleWeights(names, shuffle);
}

interface Ending {
  unit: string;
  action: Step["action"];
  atMs: number;
  durationMs: number;
}

function named(step: Step): { unit: string; action: Step["action"] } {
  return { unit: step.unit.name, action: step.action };
}

/** Turns an error that an executor throws before it returns a promise into a rejection. */
async function execute(executor: StepExecutor, step: Step, signal: AbortSignal): Promise<void> {
  await executor.execute(step, signal);
}

function asError(cause: unknown, step: Step): Error {
  if (cause instanceof Error) return cause;
  return new SluiceError("RUN_FAILED", messageOf(cause), { cause, unit: step.unit.name });
}

/** How long a step may take. The broker stops a program within the time that the unit of the program sets. */
function limitOf({ action, unit }: Step): number | undefined {
  return action === "remove" && unit.command !== undefined ? undefined : unit.timeoutMs;
}
