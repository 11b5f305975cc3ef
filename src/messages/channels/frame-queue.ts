import { Fifo } from "../fifo.js";
import type { FlowControl } from "../types.js";

/** A message in its wire form. */
export interface Frame {
  readonly bytes: Buffer;
  readonly isRequest: boolean;
}

/**
 * The frames that a channel over a byte stream has not written yet. Frames leave in the order of arrival
 * until the other end holds requests. Then the requests stay. Other frames overtake them. After a resume, the
 * queue sends them at the speed of the stream. It moves each of them once, for any number of holds.
 */
export class FrameQueue {
  /** While no request is held, requests are among these. */
  readonly #frames = new Fifo<Frame>();
  readonly #held = new Fifo<Frame>();
  #isHolding = false;

  /** Number of requests that are held, or queued behind held ones. */
  get held(): number {
    return this.#held.size;
  }

  /** Whether there is no frame to write now. */
  get isIdle(): boolean {
    return this.#frames.size === 0 && (this.#isHolding || this.#held.size === 0);
  }

  push(frame: Frame): void {
    const mustWait = frame.isRequest && (this.#isHolding || this.#held.size > 0);
    (mustWait ? this.#held : this.#frames).push(frame);
  }

  /** The next frame to write, if there is one. */
  shift(): Frame | undefined {
    return this.#frames.shift() ?? (this.#isHolding ? undefined : this.#held.shift());
  }

  /** Holds the requests, or releases them. */
  setFlow(flow: FlowControl): void {
    this.#isHolding = flow === "hold";
    if (!this.#isHolding || this.#held.size > 0) return;
    for (let count = this.#frames.size; count > 0; count--) {
      const frame = this.#frames.shift();
      if (frame !== undefined) this.push(frame);
    }
  }

  clear(): void {
    this.#frames.clear();
    this.#held.clear();
  }
}
