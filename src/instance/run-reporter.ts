import { randomUUID } from "node:crypto";
import { messageOf } from "../errors/index.js";
import type { Plan } from "../graph/index.js";
import type { Handle, JsonValue } from "../messages/index.js";
import { eventToJson, type RunEvent } from "../run/index.js";
import { startTimer, type Timer } from "../processes/index.js";

/**
 * It reports events within this time together, because a run has thousands of them, and must not wait for its
 * readers.
 */
const TOGETHER_MS = 20;

/** Reports a run to the broker, which streams it to its readers (docs/services.md, `run.watch`). */
export class RunReporter {
  readonly #handle: Handle;
  readonly #id = randomUUID();
  #first: Readonly<Record<string, JsonValue>>;
  #events: JsonValue[] = [];
  #timer: Timer | undefined;

  /** @returns undefined without an instance, and for an empty plan */
  static open(plan: Plan, handle: Handle | undefined, command: string): RunReporter | undefined {
    return handle === undefined || plan.steps.length === 0
      ? undefined
      : new RunReporter(plan, handle, command);
  }

  private constructor(plan: Plan, handle: Handle, command: string) {
    this.#handle = handle;
    this.#first = { command, steps: plan.steps.map(({ unit, action }) => ({ unit: unit.name, action })) };
  }

  show(event: RunEvent): void {
    this.#events.push({ ...eventToJson(event) });
    this.#timer ??= startTimer(TOGETHER_MS, () => void this.#flush({}), { keepsAlive: false });
  }

  /**
   * Reports the rest of the run.
   * @param recorded whether the run has been recorded
   */
  async close(recorded: boolean): Promise<void> {
    await this.#flush({ recorded });
  }

  /** A failed report does not affect the run. */
  async #flush(more: Readonly<Record<string, JsonValue>>): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    const payload = { id: this.#id, ...this.#first, events: this.#events, ...more };
    this.#first = {};
    this.#events = [];
    try {
      await this.#handle.rpc("run.report", payload);
    } catch (error) {
      this.#handle.log("debug", `run.report: ${messageOf(error)}`);
    }
  }
}
