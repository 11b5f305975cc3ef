import type { Duplex } from "node:stream";
import { FrameDecoder } from "../wire/decoder.js";
import { encodeMessage, WIRE_LIMITS, type WireLimits } from "../wire/encode.js";
import { type Frame, FrameQueue } from "./frame-queue.js";
import { Inbox, isHoldable } from "./inbox.js";
import { leaveOf, leaveMessage } from "../flow-control.js";
import { isSocketLike } from "./socket-like.js";
import { Tally, type TallyCounts } from "./tally.js";
import type { Backlog, Channel, Message, RequestMessage } from "../types.js";

/** Beyond this, a sender that sends requests although it was told to wait is not read from any more. */
const HELD_MESSAGES = 10_000;
const HELD_BYTES = 64 * 1024 * 1024;

/** Requests that may wait for their turn before their sender is told to keep what follows, and when it may go on. */
const PACED = { most: 256, goOn: 64 } as const;

/** Messages that are taken in one turn of the loop: usually, and of an end that has not heard yet that it is to wait. */
const TURN_MESSAGES = { usual: 64, held: 16 } as const;

const NOTHING = Buffer.alloc(0);

/** Frames are joined up to this size: one large write costs less than many buffers handed to the kernel. */
const JOIN_BYTES = 64 * 1024;

/** Milliseconds that the other end is given to close its side once all of ours has left. */
const LINGER_MS = 1000;

/** What a channel over a byte stream may be told. */
export interface SocketChannelOptions {
  /** Told how many bytes of a message are there that is not all there, each time that this has changed. */
  readonly onUnfinished?: (bytes: number) => void;
}

/**
 * A channel over a byte stream, in the wire form of modules.md §2.
 *
 * What is sent within one turn of the loop leaves as one write. When the stream is full, frames wait here until it has
 * drained. `close()` sends what waits and then ends the stream. Anything malformed destroys this stream alone; the cause
 * given to `onClose` is then a SluiceError `BROKER_PROTOCOL`.
 * @param stream a `net.Socket` or any other duplex stream of bytes, in nobody else's use
 * @param limits of frames in both directions; default {@link WIRE_LIMITS}
 */
export function socketChannel(
  stream: Duplex,
  limits: WireLimits = WIRE_LIMITS,
  options: SocketChannelOptions = {},
): Channel {
  return new SocketChannel(stream, limits, options);
}

class SocketChannel implements Channel {
  readonly #stream: Duplex;
  readonly #limits: WireLimits;
  readonly #decoder: FrameDecoder;
  readonly #inbox = new Inbox();
  readonly #frames = new FrameQueue();
  readonly #onUnfinished: ((bytes: number) => void) | undefined;
  readonly #receive = (message: Message): void => this.#arrived(message);
  readonly #drainListeners: (() => void)[] = [];
  readonly #unsent = new Tally();
  #flushScheduled = false;
  #full = false;
  #isHolding = false;
  /** Whether the other end may send requests. */
  #givesLeave = true;
  #unfinished = 0;
  /** Has arrived, and not been decoded. */
  #unread: Buffer = NOTHING;
  #state: "open" | "closing" | "ending" | "closed" = "open";

  constructor(stream: Duplex, limits: WireLimits, { onUnfinished }: SocketChannelOptions) {
    this.#onUnfinished = onUnfinished;
    this.#stream = stream;
    this.#limits = limits;
    this.#decoder = new FrameDecoder(limits);
    stream.on("data", (chunk: Buffer) => this.#read(chunk));
    stream.on("drain", () => this.#resume());
    stream.on("end", () => this.#ended());
    stream.on("error", (error) => this.#gone(error));
    stream.on("close", () => this.#gone(undefined));
  }

  send(message: Message): void {
    if (this.#state !== "open") return;
    // What the ends say to each other of themselves, such as the welcome, is not what limits are for.
    const limits = message.type === "control" ? WIRE_LIMITS : this.#limits;
    const frame = { bytes: encodeMessage(message, limits), isRequest: isHoldable(message) };
    this.#unsent.add(frame.bytes.length, frame.isRequest);
    this.#frames.push(frame);
    this.#scheduleFlush();
  }

  flush(): void {
    if (this.#state === "open") this.#flush();
  }

  onMessage(listener: (message: Message) => void): void {
    this.#inbox.onMessage(listener);
  }

  onClose(listener: (cause: Error | undefined) => void): void {
    this.#inbox.onClose(listener);
  }

  onDrain(listener: () => void): void {
    this.#drainListeners.push(listener);
  }

  backlog(): Backlog {
    return this.#unsent.all();
  }

  requestBacklog(): Backlog {
    return this.#unsent.ofRequests();
  }

  underWay(): number {
    return this.#unsent.messages - this.#frames.waiting;
  }

  unread(): number {
    return this.#inbox.unread;
  }

  holdRequests(on: boolean): void {
    this.#isHolding = on;
    this.#inbox.hold(on);
    this.#tellLeave();
    this.#readOn();
  }

  paceRequests(admit: (request: RequestMessage) => boolean): () => void {
    const goOn = this.#inbox.pace(admit);
    return () => {
      goOn();
      this.#tellLeave();
      this.#readOn();
    };
  }

  abort(): void {
    if (this.#state === "closed") return;
    this.#state = "closing";
    this.#gone(undefined);
    this.#stream.destroy();
  }

  close(): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#frames.setLeave(true);
    this.#decoder.stop();
    this.#unread = NOTHING;
    this.#tellUnfinished(0);
    this.#stream.resume();
    this.#flush();
  }

  ref(): void {
    if (isSocketLike(this.#stream)) this.#stream.ref();
  }

  unref(): void {
    if (isSocketLike(this.#stream)) this.#stream.unref();
  }

  #read(chunk: Buffer): void {
    this.#unread = chunk;
    this.#decodeSome();
  }

  /** A few messages in a turn of the loop, so that a sender of many small ones leaves time for others. */
  #decodeSome(): void {
    if (this.#state !== "open") return;
    this.#decode(this.#givesLeave ? TURN_MESSAGES.usual : TURN_MESSAGES.held);
    this.#tellLeave();
    if (this.#unread.length > 0) {
      this.#stream.pause();
      setImmediate(() => this.#decodeSome());
    } else {
      this.#readOn();
    }
  }

  #decode(atMost?: number): void {
    try {
      this.#unread = this.#decoder.push(this.#unread, this.#receive, atMost);
    } catch (error) {
      this.#unread = NOTHING;
      this.#fail(error);
    }
  }

  /** Takes the next bytes of the stream, unless too many requests wait already. */
  #readOn(): void {
    if (this.#state !== "open" || this.#unread.length > 0) return;
    if (this.#isOverfull()) {
      this.#stream.pause();
      // That it does not finish what it has begun is not its fault now.
      this.#tellUnfinished(0);
      return;
    }
    this.#tellUnfinished(this.#decoder.unfinishedBytes);
    if (this.#stream.isPaused()) this.#stream.resume();
  }

  #tellUnfinished(bytes: number): void {
    if (this.#onUnfinished === undefined || bytes === this.#unfinished) return;
    this.#unfinished = bytes;
    this.#onUnfinished(bytes);
  }

  #arrived(message: Message): void {
    const leave = leaveOf(message);
    if (leave === undefined) {
      this.#inbox.receive(message);
      return;
    }
    this.#frames.setLeave(leave);
    this.#scheduleFlush();
  }

  /** Has the other end keep its requests while too many wait here, so that its responses are not stuck behind them. */
  #tellLeave(): void {
    const { heldMessages } = this.#inbox;
    const gives = !this.#isHolding && heldMessages < (this.#givesLeave ? PACED.most : PACED.goOn);
    if (gives === this.#givesLeave) return;
    this.#givesLeave = gives;
    this.send(leaveMessage(gives));
  }

  #isOverfull(): boolean {
    const { heldMessages, heldBytes } = this.#inbox;
    return heldMessages >= HELD_MESSAGES || heldBytes >= HELD_BYTES;
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled || this.#full) return;
    this.#flushScheduled = true;
    process.nextTick(() => {
      this.#flushScheduled = false;
      this.#flush();
    });
  }

  /** Writes until the stream is full; ends it when all has been written and the channel is closing. */
  #flush(): void {
    while (!this.#full) {
      const frame = this.#frames.shift();
      if (frame === undefined) break;
      this.#writeFrom(frame);
    }
    if (this.#state === "closing" && this.#frames.isIdle) this.#finish();
  }

  /** Writes as many of the next frames as make one sensible write. */
  #writeFrom(first: Frame): void {
    const written = new Tally();
    written.add(first.bytes.length, first.isRequest);
    if (this.#frames.isIdle) {
      this.#write(first.bytes, written);
      return;
    }
    const joined = [first.bytes];
    while (written.bytes < JOIN_BYTES) {
      const next = this.#frames.shift();
      if (next === undefined) break;
      joined.push(next.bytes);
      written.add(next.bytes.length, next.isRequest);
    }
    this.#write(Buffer.concat(joined, written.bytes), written);
  }

  #write(bytes: Buffer, written: TallyCounts): void {
    this.#full = !this.#stream.write(bytes, () => {
      this.#unsent.subtract(written);
      for (const listener of this.#drainListeners) listener();
    });
  }

  #resume(): void {
    this.#full = false;
    if (this.#state !== "closed") this.#flush();
  }

  #finish(): void {
    this.#state = "ending";
    this.#stream.end(() => {
      // Closing at once with unread bytes would make the kernel reset the other end, so it may close first.
      const linger = setTimeout(() => this.#stream.destroy(), LINGER_MS).unref();
      this.#stream.once("close", () => clearTimeout(linger));
      this.unref();
      this.#state = "closed";
      this.#inbox.abandon();
    });
  }

  #ended(): void {
    if (this.#state !== "open") return;
    try {
      this.#decoder.end();
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#gone(undefined);
    // Streams other than sockets stay half open.
    this.#stream.end();
  }

  #isClosed(): boolean {
    return this.#state === "closed";
  }

  #fail(error: unknown): void {
    this.#gone(error instanceof Error ? error : new Error(String(error)));
    this.#stream.destroy();
  }

  #gone(cause: Error | undefined): void {
    if (this.#state === "closed") return;
    if (this.#state === "open" && this.#unread.length > 0) {
      this.#decode();
      if (this.#isClosed()) return;
    }
    const byUs = this.#state !== "open";
    this.#state = "closed";
    this.#decoder.stop();
    this.#unread = NOTHING;
    this.#tellUnfinished(0);
    this.#frames.clear();
    if (byUs) this.#inbox.abandon();
    else this.#inbox.end(cause);
  }
}
