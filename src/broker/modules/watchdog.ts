import type { Clock } from "../clock.js";
import { Pulse } from "../pulse.js";

/** How many times a watchdog checks within its time. */
const CHECKS = 4;

/** How a watchdog reaches its module. */
interface WatchedModule {
  /** Sends a ping. Its answer causes a call of {@link Watchdog.answered}. */
  ping(): void;
  /** The number of requests that it has answered. If the number grows, a ping behind other requests is on its way. */
  answers(): number;
  /** Whether the broker holds messages to it back on purpose. */
  isDeferred(): boolean;
  /** It has not answered a ping within its time. */
  expired(): void;
}

/**
 * Pings a module, and reports when it leaves a ping unanswered for too long (docs/design/modules.md §3).
 *
 * Time counts only while this process runs: a check that comes late by more than its period resets the time. A
 * request that the module answers also resets the time, because the ping may wait behind it.
 */
export class Watchdog {
  readonly #clock: Clock;
  readonly #module: WatchedModule;
  readonly #pulse: Pulse;
  /** When the unanswered ping was sent; undefined when no answer is due. */
  #owedSinceMs: number | undefined;
  /** Checks since the ping, or since the last check that reset the time. */
  #checks = 0;
  #answers = 0;
  #isStopped = false;

  /** @param timeMs how long a ping may stay unanswered */
  constructor(clock: Clock, timeMs: number, module: WatchedModule) {
    this.#clock = clock;
    this.#module = module;
    this.#pulse = new Pulse(clock, timeMs / CHECKS, (isLate) => this.#check(isLate));
  }

  /** How long an answer has been due from the module, in seconds; 0 if that is no longer than one check. */
  get owedSeconds(): number {
    if (this.#owedSinceMs === undefined || this.#checks === 0) return 0;
    return (this.#clock.now() - this.#owedSinceMs) / 1000;
  }

  /** The module has answered the ping. */
  answered(): void {
    this.#owedSinceMs = undefined;
    this.#checks = 0;
  }

  stop(): void {
    this.#isStopped = true;
    this.#pulse.cancel();
  }

  #check(isLate: boolean): void {
    const hasAnswered = this.#module.answers() !== this.#answers;
    this.#answers = this.#module.answers();
    if (this.#owedSinceMs === undefined) {
      this.#owedSinceMs = this.#clock.now();
      this.#module.ping();
    } else if (isLate || hasAnswered || this.#module.isDeferred()) {
      this.#checks = 0;
    } else {
      this.#checks += 1;
      // Timers come before input, so an answer may have arrived that was not read yet.
      if (this.#checks >= CHECKS) setImmediate(() => this.#expire());
    }
  }

  #expire(): void {
    if (this.#isStopped || this.#owedSinceMs === undefined || this.#checks < CHECKS) return;
    this.stop();
    this.#module.expired();
  }
}
