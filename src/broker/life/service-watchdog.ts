import { startInterval, type Timer } from "../../processes/index.js";

interface WatchdogOptions {
  readonly intervalMs: number;
  /** Sends a request to the broker. Without an answer, the manager gets no message. */
  readonly ask: () => Promise<unknown>;
  readonly keepAlive: () => void;
}

/** Reports to a service manager that the broker still answers, at half of the manager's time-out. */
export class ServiceWatchdog {
  readonly #options: WatchdogOptions;
  readonly #timer: Pick<Timer, "cancel">;
  #isAsking = false;

  constructor(options: WatchdogOptions) {
    this.#options = options;
    this.#timer = startInterval(options.intervalMs, () => void this.#ask(), { keepsAlive: false });
    void this.#ask();
  }

  close(): void {
    this.#timer.cancel();
  }

  async #ask(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      await this.#options.ask();
      this.#options.keepAlive();
    } catch {
      // A broker that is closing does not answer. The manager has a notice that it stops.
    } finally {
      this.#isAsking = false;
    }
  }
}

/**
 * How often a manager expects a message from this process (sd_watchdog_enabled(3)).
 * @param pids this process, and the one that runs it in its place
 * @returns milliseconds; undefined if it expects none
 */
export function watchdogInterval(
  env: Readonly<Record<string, string | undefined>>,
  pids: readonly number[],
): number | undefined {
  const usec = Number(env["WATCHDOG_USEC"]);
  const pid = env["WATCHDOG_PID"];
  if (!Number.isSafeInteger(usec) || usec <= 0) return undefined;
  return pid === undefined || pids.includes(Number(pid)) ? usec / 2000 : undefined;
}
