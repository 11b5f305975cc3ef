import type { Duplex } from "node:stream";
import { FrameDecoder } from "../wire/decoder.js";
import { encodeMessage, WIRE_LIMITS, type WireLimits } from "../wire/encode.js";
import { BaseChannel } from "./base-channel.js";
import { type Frame, FrameQueue } from "./frame-queue.js";
import { Inbox, isHoldable } from "./inbox.js";
import { flowControlMessage, flowControlOf } from "../flow-control.js";
import { Tally, type TallyCounts } from "./tally.js";
import type { Channel, FlowControl, Message, RequestMessage } from "../types.js";

/** Above this number, the channel stops reading from an end that ignores the request to hold. */
const MAX_HELD_MESSAGES = 10_000;
const MAX_HELD_BYTES = 64 * 1024 * 1024;

/** The numbers of waiting requests at which the other end has to hold, and to resume, its own requests. */
const WAITING_REQUESTS = { hold: 256, resume: 64 } as const;

/**
 * The number of messages that it decodes in one turn of the loop: usually, and while the other end has not received
 * the hold yet.
 */
const TURN_MESSAGES = { usual: 64, held: 16 } as const;

const NOTHING = Buffer.alloc(0);

/** The channel joins frames up to this size, because one large write is cheaper than many small ones. */
const JOIN_BYTES = 64 * 1024;

/** Milliseconds that the other end has to close its side after all our data has left. */
const LINGER_MS = 1000;

/** Callbacks of a channel over a byte stream. */
export interface SocketChannelOptions {
  /** Called with the number of buffered bytes of an incomplete message each time that this number has changed. */
  readonly onIncomplete?: (bytes: number) => void;
}

/**
 * A channel over a byte stream, in the wire form of docs/design/modules.md §2.
 *
 * Messages sent within one turn of the loop leave as one write. When the stream is full, frames wait here until it
 * has drained. `close()` sends the bytes that wait and then ends the stream. Invalid data destroys only this stream.
 * The cause for `onClose` is then a SluiceError `BROKER_PROTOCOL`.
 * @param stream a `net.Socket` or any other duplex stream of bytes, not used elsewhere
 * @param limits of frames in both directions; default {@link WIRE_LIMITS}
 */
export function socketChannel(
  stream: Duplex,
  limits: WireLimits = WIRE_LIMITS,
  options: SocketChannelOptions = {},
): Channel {
  return new SocketChannel(stream, limits, options);
}

class SocketChannel extends BaseChannel implements Channel {
  readonly #stream: Duplex;
  readonly #limits: WireLimits;
  readonly #decoder: FrameDecoder;
  readonly #frames = new FrameQueue();
  readonly #onIncomplete: ((bytes: number) => void) | undefined;
  readonly #receive = (message: Message): void => this.#arrived(message);
  #flushScheduled = false;
  #full = false;
  #isHolding = false;
  /** The last order to the other end. */
  #flow: FlowControl = "resume";
  #incompleteBytes = 0;
  /** Bytes that have arrived and are not decoded yet. */
  #unread: Buffer = NOTHING;
  #state: "open" | "closing" | "ending" | "closed" = "open";

  constructor(stream: Duplex, limits: WireLimits, { onIncomplete }: SocketChannelOptions) {
    super(new Inbox());
    this.#onIncomplete = onIncomplete;
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
    // Control messages, such as the welcome, are not subject to the limits of payloads.
    const limits = message.type === "control" ? WIRE_LIMITS : this.#limits;
    const frame = { bytes: encodeMessage(message, limits), isRequest: isHoldable(message) };
    this.untaken.add(frame.bytes.length, frame.isRequest);
    this.#frames.push(frame);
    this.#scheduleFlush();
  }

  flush(): void {
    if (this.#state === "open") this.#flush();
  }

  setFlow(flow: FlowControl): void {
    this.#isHolding = flow === "hold";
    this.inbox.setFlow(flow);
    this.#sendFlow();
    this.#readOn();
  }

  override admitRequests(admit: (request: RequestMessage) => boolean): () => void {
    const resume = super.admitRequests(admit);
    return () => {
      resume();
      this.#sendFlow();
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
    this.#frames.setFlow("resume");
    this.#decoder.stop();
    this.#unread = NOTHING;
    this.#reportIncomplete(0);
    this.#stream.resume();
    this.#flush();
  }

  ref(): void {
    if (isSocketLike(this.#stream)) this.#stream.ref();
  }

  unref(): void {
    if (isSocketLike(this.#stream)) this.#stream.unref();
  }

  protected heldRequests(): number {
    return this.#frames.held;
  }

  #read(chunk: Buffer): void {
    this.#unread = chunk;
    this.#decodeSome();
  }

  /** Decodes a few messages in each turn of the loop, so that a sender of many small ones does not starve others. */
  #decodeSome(): void {
    if (this.#state !== "open") return;
    this.#decode(this.#flow === "hold" ? TURN_MESSAGES.held : TURN_MESSAGES.usual);
    this.#sendFlow();
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

  /** Reads the next bytes of the stream, unless too many requests are held already. */
  #readOn(): void {
    if (this.#state !== "open" || this.#unread.length > 0) return;
    if (this.#isOverfull()) {
      this.#stream.pause();
      // The other end cannot complete its message, because this end has stopped reading.
      this.#reportIncomplete(0);
      return;
    }
    this.#reportIncomplete(this.#decoder.incompleteBytes);
    if (this.#stream.isPaused()) this.#stream.resume();
  }

  #reportIncomplete(bytes: number): void {
    if (this.#onIncomplete === undefined || bytes === this.#incompleteBytes) return;
    this.#incompleteBytes = bytes;
    this.#onIncomplete(bytes);
  }

  #arrived(message: Message): void {
    const flow = flowControlOf(message);
    if (flow === undefined) {
      this.inbox.receive(message);
      return;
    }
    this.#frames.setFlow(flow);
    this.#scheduleFlush();
  }

  /** Makes the other end hold its requests while too many wait here. So its responses do not wait behind them. */
  #sendFlow(): void {
    const { hold, resume } = WAITING_REQUESTS;
    const isTooMany = this.inbox.heldMessages >= (this.#flow === "hold" ? resume : hold);
    const flow = this.#isHolding || isTooMany ? "hold" : "resume";
    if (flow === this.#flow) return;
    this.#flow = flow;
    this.send(flowControlMessage(flow));
  }

  #isOverfull(): boolean {
    const { heldMessages, heldBytes } = this.inbox;
    return heldMessages >= MAX_HELD_MESSAGES || heldBytes >= MAX_HELD_BYTES;
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

  /** Writes as many of the next frames as fit into one write. */
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
      this.untaken.subtract(written);
      this.drained();
    });
  }

  #resume(): void {
    this.#full = false;
    if (this.#state !== "closed") this.#flush();
  }

  #finish(): void {
    this.#state = "ending";
    this.#stream.end(() => {
      // Closing at once with unread bytes would make the kernel reset the other end. The other end therefore
      // gets time to close first.
      const linger = setTimeout(() => this.#stream.destroy(), LINGER_MS).unref();
      this.#stream.once("close", () => clearTimeout(linger));
      this.unref();
      this.#state = "closed";
      this.inbox.abandon();
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
    this.#reportIncomplete(0);
    this.#frames.clear();
    if (byUs) this.inbox.abandon();
    else this.inbox.end(cause);
  }
}

/** Whether a stream is a handle of the event loop, and can keep the loop running. */
function isSocketLike(stream: Duplex): stream is Duplex & { ref(): void; unref(): void } {
  return "ref" in stream && typeof stream.ref === "function" && "unref" in stream;
}
