import type { Clock, Timer } from "../clock.js";

const MIB = 1024 * 1024;

/** How long a connection may take from the first byte of a message to its last. */
const FINISH_MS = 30_000;

/** What all connections together may have begun and not finished. */
const BUDGET_BYTES = 256 * MIB;

interface Unfinished {
  bytes: number;
  readonly timer: Timer;
  readonly drop: (why: string) => void;
}

/**
 * What connections have sent of messages that are not all there, which is the one thing of theirs that has to be kept
 * before it can be judged. Whoever does not come to the end of a message, or has been at it longest when there is too
 * much of it, is closed; so that a thousand connections that never finish cost no more than a few.
 */
export class UnfinishedMessages {
  readonly #clock: Clock;
  /** In the order in which they began. */
  readonly #byConnection = new Map<object, Unfinished>();
  #bytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Bytes that are kept now. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Takes how much of a message a connection has sent, each time that this has changed; 0 when it is finished or gone.
   * @param drop closes the connection
   */
  report(connection: object, bytes: number, drop: (why: string) => void): void {
    const known = this.#byConnection.get(connection);
    this.#bytes += bytes - (known?.bytes ?? 0);
    // Less than before is the beginning of another message.
    if (known !== undefined && bytes >= known.bytes) known.bytes = bytes;
    else this.#begin(connection, bytes, known, drop);
    if (this.#bytes > BUDGET_BYTES) this.#dropOldest();
  }

  #begin(
    connection: object,
    bytes: number,
    previous: Unfinished | undefined,
    drop: Unfinished["drop"],
  ): void {
    previous?.timer.cancel();
    this.#byConnection.delete(connection);
    if (bytes === 0) return;
    const timer = this.#clock.after(FINISH_MS, () =>
      drop(`a message was not finished in ${FINISH_MS / 1000} s`),
    );
    this.#byConnection.set(connection, { bytes, timer, drop });
  }

  #dropOldest(): void {
    for (const { drop } of this.#byConnection.values()) {
      drop("too much is begun and not finished, and it has been at it longest");
      return;
    }
  }
}
