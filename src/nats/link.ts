import { Duplex } from "node:stream";
import { overlayStateError, SluiceError } from "../errors/index.js";
import { startInterval, startTimer, type Timer } from "../processes/index.js";
import { type LinkFrame, type LinkFrameKind, UNKNOWN } from "./link-frame.js";
import { LinkSender } from "./link-sender.js";

/** How long an acknowledgement waits for a message that it can go with. */
const ACK_DELAY_MS = 20;

/** The first retry interval for an end without an answer, which may not have joined. It doubles each time. */
const FIRST_RETRY_MS = 25;

/** The limit of the interval, because the other end may join at any time. */
const MAX_UNKNOWN_RETRY_MS = 200;

/**
 * When to repeat a request after the service has found no receiver, because a new subscription does not reach
 * all servers at once.
 */
const NO_RESPONDERS_DELAYS_MS = [100, 250, 500];

/** The pause doubles after each retry without an answer, up to this factor. */
const MAX_RETRY_FACTOR = 8;

/** How long the other end may take to receive the last written data. */
const END_TIMEOUT_MS = 10_000;

/** The number of checks in a row that the other end may leave unanswered. */
const MISSED_BEATS = 3;

/** From this number on, retries do not become rarer. */
const MAX_RETRY_COUNT = 20;

export interface LinkOptions {
  /** The uuid of this run of this broker. */
  readonly self: string;
  /** The uuid of the other end; undefined if any broker may answer. */
  readonly peer: string | undefined;
  /** The limit of unread bytes under way or waiting here; called each time. */
  readonly windowBytes: () => number;
  /** The most bytes for one message; called each time. */
  readonly segmentBytes: () => number;
  /** The time without an acknowledgement after which sent data may be lost, in milliseconds. */
  readonly retryMs: () => number;
  /** Sends a message, which may be lost, doubled or late. */
  readonly send: (frame: LinkFrame, bytes: Uint8Array | undefined) => void;
}

/**
 * A stream of bytes between two brokers over a service that loses, doubles and delays messages. Written bytes arrive
 * once, in order (docs/design/hosts.md §2). It ends when both sides have ended it, or at once when a side is
 * destroyed.
 */
export class Link extends Duplex {
  readonly #options: LinkOptions;
  readonly #sender: LinkSender;
  readonly #heardListeners: (() => void)[] = [];
  #peer: string | undefined;
  /** Whether the other end has sent a message. */
  #hasHeard = false;
  /** This end has sent its greeting, and waits for an answer. */
  #isGreeting = false;
  /** The number of received bytes. */
  #received = 0;
  /** The number of bytes at which a gap was last reported. */
  #gapReportedAt = -1;
  /** The last acknowledgement to the other end. */
  #told = { ack: 0, room: 0 };
  #ackTimer: NodeJS.Timeout | undefined;
  #retryTimer: Timer | undefined;
  #askTimer: Timer | undefined;
  #endTimer: NodeJS.Timeout | undefined;
  #beat: Pick<Timer, "cancel"> | undefined;
  /** The other end has sent its last byte. */
  #hasEnd = false;
  /** Called when the other end has received all written bytes. */
  #finished: (() => void) | undefined;
  #retryCount = 0;
  #noRespondersCount = 0;
  #progressAtMs = performance.now();

  constructor(options: LinkOptions) {
    super({ allowHalfOpen: true });
    this.#options = options;
    this.#peer = options.peer;
    this.#sender = new LinkSender({
      send: (start, bytes) => this.#sendFrame(bytes === undefined ? "end" : "data", start, bytes),
      segmentBytes: options.segmentBytes,
    });
  }

  /** The other end, once it is known. */
  get peer(): string | undefined {
    return this.#peer;
  }

  /** Calls back whenever a message has come from the other end. */
  onHeard(listener: () => void): void {
    this.#heardListeners.push(listener);
  }

  /** Begins the link without data, because the other end writes first. */
  greet(): void {
    this.#isGreeting = true;
    this.#sendFrame("data");
    this.#watch();
  }

  /**
   * Checks the other end once a period. Ends the link after three checks without an answer.
   * It counts turns of the timer, so that a process that was stopped itself does not end the link.
   * @param periodMs milliseconds
   */
  keepAlive(periodMs: number): void {
    let missed = 0;
    this.onHeard(() => (missed = 0));
    this.#beat?.cancel();
    this.#beat = startInterval(
      periodMs,
      () => {
        missed += 1;
        if (missed > 1) this.#sendFrame("ask", this.#sender.sentBytes);
        if (missed <= MISSED_BEATS) return;
        // Bytes that have arrived may not have been read yet, because timers come before input.
        setImmediate(() => {
          if (missed > MISSED_BEATS) this.destroy(silentError(periodMs * MISSED_BEATS));
        });
      },
      { keepsAlive: false },
    );
  }

  /** A message of the other end has arrived. */
  receive(frame: LinkFrame, bytes: Uint8Array): void {
    if (this.destroyed) {
      if (frame.kind === "data" || frame.kind === "end" || frame.kind === "ask") this.#sendFrame("reset");
      return;
    }
    this.#peer ??= frame.from;
    this.#hasHeard = true;
    this.#noRespondersCount = 0;
    for (const listener of this.#heardListeners) listener();
    if (frame.kind === "reset") {
      this.#reset();
      return;
    }
    if (this.#sender.acknowledged(frame.ack, frame.room)) this.#progress();
    if (frame.kind === "data" || frame.kind === "end") this.#receiveSegment(frame, bytes);
    else if (frame.kind === "ask") this.#sendFrame("answer", frame.number);
    else if (frame.kind === "gap") this.#sender.rewind();
    else if (frame.kind === "answer" && frame.number > frame.ack) this.#sender.rewind();
    this.#sender.pump();
    this.#watch();
  }

  /**
   * The connection to the service was interrupted. Sent data may be lost. Data of the other end may be lost too: it
   * may use another server, which does not report the loss.
   */
  reconnected(): void {
    this.#recover();
    if (!this.destroyed && this.#hasHeard) this.#sendFrame("gap");
  }

  /** Sends again all bytes that may be lost. */
  #recover(): void {
    if (this.destroyed) return;
    if (this.#awaitsAnswer) this.#sendFrame("data");
    if (!this.#hasHeard) this.#retry();
    else this.#sendFrame("ask", this.#sender.sentBytes);
  }

  /** The service found no receiver of the sent data. */
  noResponders(): void {
    const delayMs = NO_RESPONDERS_DELAYS_MS[this.#noRespondersCount];
    if (this.destroyed || this.#askTimer !== undefined || delayMs === undefined) return;
    this.#noRespondersCount += 1;
    const again = (): void => {
      this.#askTimer = undefined;
      this.#recover();
    };
    this.#askTimer = startTimer(delayMs, again, { keepsAlive: false });
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, sent: () => void): void {
    if (chunk.length === 0) sent();
    else this.#sender.add(chunk, sent);
    this.#sender.pump();
    this.#watch();
  }

  override _final(done: () => void): void {
    this.#sender.add(undefined);
    this.#finished = done;
    this.#endTimer = setTimeout(() => this.destroy(), END_TIMEOUT_MS).unref();
    this.#sender.pump();
    this.#watch();
  }

  /** The reader has taken a part of the received data. */
  override _read(): void {
    if (this.readableLength === 0) return;
    // Data counts as waiting until its delivery.
    process.nextTick(() => {
      if (!this.destroyed && this.#hasRoomToTell()) this.#sendFrame("ack");
    });
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    for (const timer of [this.#ackTimer, this.#endTimer]) clearTimeout(timer);
    for (const timer of [this.#retryTimer, this.#askTimer, this.#beat]) timer?.cancel();
    const isOver = this.readableEnded && this.writableFinished;
    if (this.#peer !== undefined) this.#sendFrame(isOver ? "ack" : "reset");
    this.#sender.clear();
    done(error);
  }

  #receiveSegment({ kind, number }: LinkFrame, bytes: Uint8Array): void {
    if (number > this.#received) {
      if (this.#gapReportedAt !== this.#received) {
        this.#gapReportedAt = this.#received;
        this.#sendFrame("gap");
      }
    } else if (kind === "data") {
      // The receiver may already have a part of the bytes that are sent again.
      const fresh = bytes.subarray(this.#received - number);
      this.#received += fresh.length;
      if (fresh.length > 0) this.push(fresh);
    } else if (number === this.#received && !this.#hasEnd) {
      this.#hasEnd = true;
      this.#received += 1;
      this.push(null);
    }
    this.#acknowledge();
  }

  /** Acknowledges soon, with the next bytes; at once when the other end may be about to wait for it. */
  #acknowledge(): void {
    if (this.#hasRoomToTell()) this.#sendFrame("ack");
    else if (this.#ackTimer === undefined) {
      this.#ackTimer = setTimeout(() => {
        this.#ackTimer = undefined;
        this.#sendFrame("ack");
      }, ACK_DELAY_MS).unref();
    }
  }

  #hasRoomToTell(): boolean {
    return this.#room() - this.#told.room >= this.#options.windowBytes() / 4;
  }

  #room(): number {
    return this.#received - this.readableLength + this.#options.windowBytes();
  }

  #sendFrame(kind: LinkFrameKind, number = 0, bytes?: Uint8Array): void {
    clearTimeout(this.#ackTimer);
    this.#ackTimer = undefined;
    const { self, send } = this.#options;
    this.#told = { ack: this.#received, room: this.#room() };
    send({ from: self, to: this.#peer ?? UNKNOWN, kind, number, ...this.#told }, bytes);
  }

  #progress(): void {
    this.#progressAtMs = performance.now();
    this.#retryCount = 0;
    if (this.#sender.isIdle) this.#finish();
  }

  /** All written data has arrived, including the end, if any. */
  #finish(): void {
    const done = this.#finished;
    this.#finished = undefined;
    done?.();
  }

  /** The other end has no such link, or no longer has it. */
  #reset(): void {
    const hasAll = this.#hasEnd && this.writableEnded;
    // The other link has received our end, or it would still exist. Only its acknowledgement was lost.
    if (hasAll) this.#finish();
    else this.destroy(new SluiceError("BROKER_STATE", "the other end has closed the connection"));
  }

  /** Ensures that unacknowledged data does not wait for ever. */
  #watch(): void {
    if (this.#retryTimer !== undefined || this.destroyed || this.#isIdle) return;
    this.#progressAtMs = performance.now();
    this.#schedule(this.#retryDelayMs());
  }

  #schedule(delayMs: number): void {
    this.#retryTimer = startTimer(delayMs, () => this.#checkProgress(), { keepsAlive: false });
  }

  #checkProgress(): void {
    this.#retryTimer = undefined;
    if (this.#isIdle) return;
    const restMs = this.#progressAtMs + this.#retryDelayMs() - performance.now();
    if (restMs <= 0) {
      this.#retryCount = Math.min(this.#retryCount + 1, MAX_RETRY_COUNT);
      this.#recover();
    }
    this.#schedule(restMs > 0 ? restMs : this.#retryDelayMs());
  }

  get #awaitsAnswer(): boolean {
    return this.#isGreeting && !this.#hasHeard;
  }

  /** This end has no unacknowledged data. */
  get #isIdle(): boolean {
    return this.#sender.isIdle && !this.#awaitsAnswer;
  }

  #retryDelayMs(): number {
    const retryMs = this.#options.retryMs();
    const mostMs = retryMs * MAX_RETRY_FACTOR;
    if (this.#hasHeard) return Math.min(retryMs * 2 ** this.#retryCount, mostMs);
    const soonMs = FIRST_RETRY_MS * 2 ** this.#retryCount;
    return Math.min(soonMs, this.#peer === undefined ? MAX_UNKNOWN_RETRY_MS : mostMs);
  }

  #retry(): void {
    this.#sender.rewind();
    this.#sender.pump();
  }
}

function silentError(silentMs: number): SluiceError {
  return overlayStateError(`the other end has not answered for ${silentMs / 1000} s`, "EHOSTUNREACH");
}
