import { startTimer, type Timer } from "../../processes/index.js";
import { attemptOf, attemptWithin, type ProbePlace } from "./attempts.js";
import type { ProgramEvents } from "./program-events.js";
import { ATTEMPT_MS, INTERVAL_MS } from "./readiness.js";
import type { ProbeState } from "../module-loader.js";
import type { Probe } from "../program-options.js";

/** The default number of failed attempts in a row that count as a failure. */
const FAILURES = 3;

/** The watched program, and its probe. */
export interface AlivenessOptions {
  readonly probe: Probe;
  readonly place: ProbePlace;
  readonly events: ProgramEvents;
  /** Called once, with the words of the last attempt. */
  readonly onDead: (words: string) => void;
}

/**
 * Checks repeatedly whether a ready program is alive, for the first time one interval from now.
 *
 * A call that is late by more than an interval means that this process had stopped or the machine slept. That
 * attempt and the failures before it do not count.
 */
export class Aliveness {
  readonly #options: AlivenessOptions;
  readonly #intervalMs: number;
  readonly #timeoutMs: number;
  readonly #stopped = new AbortController();
  #timer: Timer;
  #dueMs = 0;
  #failures = 0;

  constructor(options: AlivenessOptions) {
    this.#options = options;
    this.#intervalMs = options.probe.intervalMs ?? INTERVAL_MS;
    this.#timeoutMs = options.probe.timeoutMs ?? ATTEMPT_MS;
    this.#timer = this.#schedule();
  }

  /** How many attempts have failed in a row, and how many count as a failure. */
  get state(): ProbeState {
    return { failures: this.#failures, limit: this.#options.probe.failures ?? FAILURES };
  }

  stop(): void {
    this.#timer.cancel();
    this.#stopped.abort();
  }

  #schedule(): Timer {
    this.#dueMs = performance.now() + this.#intervalMs;
    // Its probe keeps this process alive.
    return startTimer(this.#intervalMs, () => void this.#ask(), { keepsAlive: false });
  }

  async #ask(): Promise<void> {
    const beganMs = performance.now();
    const isLate = beganMs - this.#dueMs > this.#intervalMs;
    const words = await this.#attempt();
    if (this.#stopped.signal.aborted) return;
    const tookMs = performance.now() - beganMs;
    const isCut = tookMs > this.#timeoutMs + this.#intervalMs;
    if (words === undefined || isLate || isCut) this.#failures = 0;
    else if (++this.#failures >= this.state.limit) {
      this.stop();
      this.#options.onDead(words);
      return;
    }
    this.#timer = this.#schedule();
  }

  async #attempt(): Promise<string | undefined> {
    const { probe, place, events } = this.#options;
    const attempt = attemptOf(probe, place);
    if (attempt !== undefined) return attemptWithin(attempt, this.#timeoutMs, this.#stopped.signal);
    const silentMs = performance.now() - (events.lastKeepAliveMs ?? -Infinity);
    return silentMs <= this.#intervalMs ? undefined : "the program has not sent WATCHDOG=1";
  }
}
