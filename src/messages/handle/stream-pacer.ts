import type { Channel } from "../types.js";

/** Streams wait when this many messages are under way. */
const AHEAD_MESSAGES = 256;

/** Keeps streams from running ahead of a channel: an endless one would fill the memory and leave no turn to anybody. */
export class StreamPacer {
  readonly #channel: Channel;
  #waiting: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;
  #closed = false;

  constructor(channel: Channel) {
    this.#channel = channel;
    channel.onDrain(() => {
      if (!this.#isAhead()) this.#release();
    });
  }

  /** Resolves when the channel takes more; undefined if it does now. */
  ready(): Promise<void> | undefined {
    if (this.#closed || !this.#isAhead()) return undefined;
    if (this.#waiting === undefined) {
      let resolve = (): void => undefined;
      const promise = new Promise<void>((settle) => {
        resolve = settle;
      });
      this.#waiting = { promise, resolve };
    }
    return this.#waiting.promise;
  }

  /** Nothing waits any more, as nothing is sent. */
  close(): void {
    this.#closed = true;
    this.#release();
  }

  #isAhead(): boolean {
    return this.#channel.underWay() >= AHEAD_MESSAGES;
  }

  #release(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }
}
