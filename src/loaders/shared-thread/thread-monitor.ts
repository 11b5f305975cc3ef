import type { Worker } from "node:worker_threads";

/** The time between two checks of a shared thread. A thread is blocked if a second of checks has no answer. */
const LOOK_MS = 250;
const LOOKS = 4;

/** A thread that was idle for a larger share of the time between two checks is not blocked. */
const BUSY = 0.95;

/** The functions by which a monitor reaches its thread. */
interface MonitoredThread {
  readonly worker: Worker;
  /** Makes the thread answer as soon as it handles messages. */
  beat(): void;
  /** It has not answered for a second; called once until it answers again. */
  blocked(): void;
}

/** Detects that a thread of several modules is blocked. An idle thread has no cost. */
export class ThreadMonitor {
  readonly #thread: MonitoredThread;
  readonly #timer: NodeJS.Timeout;
  #last: ReturnType<Worker["performance"]["eventLoopUtilization"]> | undefined;
  #lookedAtMs = performance.now();
  /** Checks since the request for an answer; undefined when no answer is due. */
  #owed: number | undefined;
  #isStopped = false;

  constructor(thread: MonitoredThread) {
    this.#thread = thread;
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  /** The thread has answered. */
  answered(): void {
    this.#owed = undefined;
  }

  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#timer);
  }

  #look(): void {
    const { performance: clock } = this.#thread.worker;
    const now = clock.eventLoopUtilization();
    const { utilization } = clock.eventLoopUtilization(now, this.#last);
    this.#last = now;
    const atMs = performance.now();
    // Time in which this thread did not run does not count against the other one.
    const isLate = atMs - this.#lookedAtMs > 2 * LOOK_MS;
    this.#lookedAtMs = atMs;
    if (this.#owed === undefined) {
      if (utilization < BUSY) return;
      this.#owed = 0;
      this.#thread.beat();
    } else if (!isLate) {
      this.#owed += 1;
      // Timers come before input, so an answer may have arrived that was not read yet.
      if (this.#owed === LOOKS) setImmediate(() => this.#report());
    }
  }

  #report(): void {
    if (!this.#isStopped && this.#owed !== undefined) this.#thread.blocked();
  }
}
