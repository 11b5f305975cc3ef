import type { Backlog, JsonValue } from "../../messages/index.js";
import type { Clock, Timer } from "../clock.js";

/** How much may wait for a reader that is too slow. */
const LIMITS = { messages: 1000, bytes: 8 * 1024 * 1024 } as const;

/** How often the sink checks whether the reader has caught up, so that it gets the count even without new records. */
const RETRY_MS = 100;

interface SinkOptions {
  readonly clock: Clock;
  /** The records that the reader has not taken yet. */
  readonly backlog: () => Backlog;
  readonly send: (record: Readonly<Record<string, JsonValue>>) => void;
}

/**
 * Passes records on to a reader as long as it keeps up. While the reader is behind, the sink counts the records that
 * come, and sends the count in their place: `{dropped}`.
 */
export class BoundedSink {
  readonly #options: SinkOptions;
  #dropped = 0;
  #timer: Timer | undefined;

  constructor(options: SinkOptions) {
    this.#options = options;
  }

  put(record: Readonly<Record<string, JsonValue>>): void {
    if (this.#isFull()) {
      this.#dropped += 1;
      this.#timer ??= this.#options.clock.after(RETRY_MS, () => this.#retry());
      return;
    }
    this.#tellDropped();
    this.#options.send(record);
  }

  /** Drops the count that it has not yet passed on. */
  close(): void {
    this.#timer?.cancel();
  }

  #retry(): void {
    this.#timer = undefined;
    if (!this.#isFull()) this.#tellDropped();
    else this.#timer = this.#options.clock.after(RETRY_MS, () => this.#retry());
  }

  #tellDropped(): void {
    if (this.#dropped === 0) return;
    const dropped = this.#dropped;
    this.#dropped = 0;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#options.send({ dropped });
  }

  #isFull(): boolean {
    const { messages, bytes } = this.#options.backlog();
    return messages >= LIMITS.messages || bytes >= LIMITS.bytes;
  }
}
