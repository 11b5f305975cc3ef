import type { Channel } from "../messages/index.js";

/** Requests that a sender may have heard at once, before it has to take turns with others. */
const BURST = 256;

/** In how many milliseconds it may have as many again. */
const REFILL_MS = 4;

/** Requests of one sender in its turn: with nobody else, with others that take turns, with others in a hurry. */
const SLICE = { alone: 512, shared: 128, polite: 16 } as const;

/** For how many milliseconds somebody who has sent little counts as in a hurry. */
const HURRY_MS = 2;

/** Between two turns while somebody is in a hurry. Without a pause those who flood would keep every core busy. */
const POLITE_PAUSE_MS = 1;

interface Sender {
  /** Requests that may be heard at once. */
  left: number;
  /** When it was given them, or had its last turn. */
  refilledAtMs: number;
  /** Whether it sends so little that it has not had to take turns of late. */
  isLight: boolean;
  readonly goOn: () => void;
}

/**
 * Shares the broker's time between those who send requests. Whoever sends few is heard at once; whoever floods takes turns
 * with others that do, a slice in each turn of the event loop, so that what anybody else sends waits for a slice at most.
 * One that floods and is alone is hardly slowed down. Responses are not concerned: there are as many as there were requests.
 */
export class Turns {
  readonly #waiting = new Set<Sender>();
  #isScheduled = false;
  /** When somebody who sends little was last heard while others took turns. */
  #lastHurryMs = -Infinity;
  /** Whose slice it is. */
  #current: Sender | undefined;

  /** Has the requests of a channel take turns with those of others. */
  add(channel: Channel): void {
    let goOn = (): void => undefined;
    const sender: Sender = {
      left: BURST,
      refilledAtMs: performance.now(),
      isLight: true,
      goOn: () => goOn(),
    };
    goOn = channel.paceRequests(() => this.#admit(sender));
    channel.onClose(() => this.#waiting.delete(sender));
  }

  #admit(sender: Sender): boolean {
    if (sender.left === 0 && !this.#refill(sender)) {
      sender.isLight = false;
      this.#waiting.add(sender);
      this.#schedule();
      return false;
    }
    sender.left--;
    if (sender.isLight && this.#waiting.size > 0) this.#lastHurryMs = performance.now();
    return true;
  }

  /** Not while it takes turns: then it is its turn that counts. */
  #refill(sender: Sender): boolean {
    if (sender === this.#current || this.#waiting.has(sender)) return false;
    const nowMs = performance.now();
    if (nowMs - sender.refilledAtMs < REFILL_MS) return false;
    sender.refilledAtMs = nowMs;
    sender.left = BURST;
    sender.isLight = true;
    return true;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const next = (): void => {
      this.#isScheduled = false;
      this.#nextTurn();
    };
    if (this.#isHurrying()) setTimeout(next, POLITE_PAUSE_MS);
    else setImmediate(next);
  }

  #nextTurn(): void {
    for (const sender of this.#waiting) {
      this.#waiting.delete(sender);
      sender.left = this.#slice();
      sender.refilledAtMs = performance.now();
      this.#current = sender;
      sender.goOn();
      this.#current = undefined;
      break;
    }
    if (this.#waiting.size > 0) this.#schedule();
  }

  #slice(): number {
    if (this.#isHurrying()) return SLICE.polite;
    return this.#waiting.size > 0 ? SLICE.shared : SLICE.alone;
  }

  #isHurrying(): boolean {
    return performance.now() - this.#lastHurryMs < HURRY_MS;
  }
}
