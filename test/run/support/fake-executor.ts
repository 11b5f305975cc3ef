import type { Step } from "../../../src/graph/index.js";
import type { Clock, StepExecutor } from "../../../src/run/index.js";

/** Takes the time that a test says, on the test's clock, and fails where the test says so. */
export class SleepingExecutor implements StepExecutor {
  readonly #clock: Clock;
  readonly #durationMs: (name: string) => number;
  readonly #failures: ReadonlyMap<string, unknown>;
  running = 0;
  mostRunning = 0;
  readonly aborted: string[] = [];

  constructor(
    clock: Clock,
    durationMs: (name: string) => number,
    failures: ReadonlyMap<string, unknown> = new Map(),
  ) {
    this.#clock = clock;
    this.#durationMs = durationMs;
    this.#failures = failures;
  }

  async execute(step: Step, signal: AbortSignal): Promise<void> {
    const { name } = step.unit;
    this.running++;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    try {
      await new Promise<void>((resolve, reject) => {
        const stop = this.#clock.after(this.#durationMs(name), resolve);
        signal.addEventListener("abort", () => {
          stop();
          this.aborted.push(name);
          reject(new Error("given up"));
        });
      });
      if (this.#failures.has(name)) throw this.#failures.get(name);
    } finally {
      this.running--;
    }
  }
}

/** Holds every step until the test settles it. */
export class HeldExecutor implements StepExecutor {
  readonly #held = new Map<
    string,
    { resolve: () => void; reject: (error: Error) => void; signal: AbortSignal }
  >();
  /** In the order in which they were handed out. */
  readonly started: string[] = [];

  execute(step: Step, signal: AbortSignal): Promise<void> {
    this.started.push(step.unit.name);
    return new Promise((resolve, reject) => {
      this.#held.set(step.unit.name, { resolve, reject, signal });
    });
  }

  finish(name: string): void {
    this.#take(name).resolve();
  }

  fail(name: string, message: string): void {
    this.#take(name).reject(new Error(message));
  }

  isAborted(name: string): boolean {
    return this.#held.get(name)?.signal.aborted ?? false;
  }

  #take(name: string): { resolve: () => void; reject: (error: Error) => void } {
    const held = this.#held.get(name);
    if (held === undefined) throw new Error(`${name} does not run`);
    this.#held.delete(name);
    return held;
  }
}
