import type { Channel } from "../types.js";

/** Streams wait when this many messages are under way. */
const AHEAD_MESSAGES = 256;

/**
 * Keeps streams from running ahead of a channel: an endless stream would fill the memory and starve all other work.
 */
export class StreamFlowControl {
  readonly #channel: Channel;
  #waiting: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;
  #closed = false;

  constructor(channel: Channel) {
    this.#channel = channel;
    channel.onDrain(() => {
      if (!this.#isAhead()) this.#resume();
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

  /** No stream has to wait any more, because the channel has closed. */
  close(): void {
    this.#closed = true;
    this.#resume();
  }

  #isAhead(): boolean {
    return this.#channel.underWay() >= AHEAD_MESSAGES;
  }

  #resume(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }
}
