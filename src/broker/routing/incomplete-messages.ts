import type { Clock, Timer } from "../clock.js";

const MIB = 1024 * 1024;

/** How long a connection may take from the first byte of a message to its last. */
const COMPLETE_MS = 30_000;

/** Buffered bytes of incomplete messages of all connections together. */
const MAX_BYTES = 256 * MIB;

interface Incomplete {
  bytes: number;
  readonly timer: Timer;
  readonly close: (why: string) => void;
}

/**
 * Bounds the incomplete messages of all connections, because the broker must buffer a message before it can check it.
 * It closes a connection that does not complete a message in time, and the oldest one when the buffers hold too much.
 * So a thousand connections that never complete a message need no more memory than a few.
 */
export class IncompleteMessages {
  readonly #clock: Clock;
  /** The incomplete messages, in the order of their first bytes. */
  readonly #byConnection = new Map<object, Incomplete>();
  #bytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The number of bytes that are buffered now. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Takes the number of buffered bytes of a connection each time it changes. The number is 0 when the message is
   * complete or the connection has gone.
   * @param close closes the connection
   */
  report(connection: object, bytes: number, close: (why: string) => void): void {
    const known = this.#byConnection.get(connection);
    this.#bytes += bytes - (known?.bytes ?? 0);
    // A smaller number than before means that another message has begun.
    if (known !== undefined && bytes >= known.bytes) known.bytes = bytes;
    else this.#begin(connection, bytes, known, close);
    if (this.#bytes > MAX_BYTES) this.#closeOldest();
  }

  #begin(
    connection: object,
    bytes: number,
    previous: Incomplete | undefined,
    close: Incomplete["close"],
  ): void {
    previous?.timer.cancel();
    this.#byConnection.delete(connection);
    if (bytes === 0) return;
    const timer = this.#clock.after(COMPLETE_MS, () =>
      close(`its message was incomplete for ${COMPLETE_MS / 1000} s`),
    );
    this.#byConnection.set(connection, { bytes, timer, close });
  }

  #closeOldest(): void {
    for (const { close } of this.#byConnection.values()) {
      close("over 256 MiB of incomplete messages wait, and this message is the oldest");
      return;
    }
  }
}
