import { Fifo } from "../fifo.js";

/** A message in its wire form. */
export interface Frame {
  readonly bytes: Buffer;
  readonly isRequest: boolean;
}

/**
 * What a channel over a byte stream has not written yet. It goes out in the order that it came in, until the other end
 * takes its leave to send requests back: then the requests stay, and the rest goes ahead of them. With leave again they go
 * on as the stream takes them, so that each is moved once however often they are stopped.
 */
export class FrameQueue {
  /** As long as there is none that waits, requests are among them. */
  readonly #frames = new Fifo<Frame>();
  readonly #waiting = new Fifo<Frame>();
  #hasLeave = true;

  /** Number of requests that wait for leave, or behind such. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Whether nothing may be written. */
  get isIdle(): boolean {
    return this.#frames.size === 0 && (!this.#hasLeave || this.#waiting.size === 0);
  }

  push(frame: Frame): void {
    const mustWait = frame.isRequest && (!this.#hasLeave || this.#waiting.size > 0);
    (mustWait ? this.#waiting : this.#frames).push(frame);
  }

  /** What is to be written next, if anything may. */
  shift(): Frame | undefined {
    return this.#frames.shift() ?? (this.#hasLeave ? this.#waiting.shift() : undefined);
  }

  /** Lets requests go, or has them wait. */
  setLeave(hasLeave: boolean): void {
    this.#hasLeave = hasLeave;
    if (hasLeave || this.#waiting.size > 0) return;
    for (let count = this.#frames.size; count > 0; count--) {
      const frame = this.#frames.shift();
      if (frame !== undefined) this.push(frame);
    }
  }

  clear(): void {
    this.#frames.clear();
    this.#waiting.clear();
  }
}
