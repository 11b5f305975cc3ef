import type { Duplex } from "node:stream";
import { FrameDecoder } from "./decoder.js";
import { encodeMessage, WIRE_LIMITS, type WireLimits } from "./encode.js";
import { Fifo } from "./fifo.js";
import { Inbox } from "./inbox.js";
import type { Backlog, Channel, Message } from "./types.js";

/** Beyond this, a sender whose requests are held back is not read from any more. */
const HELD_MESSAGES = 10_000;
const HELD_BYTES = 64 * 1024 * 1024;

/** Frames are joined up to this size: one large write costs less than many buffers handed to the kernel. */
const JOIN_BYTES = 64 * 1024;

/** Milliseconds that the other end is given to close its side once all of ours has left. */
const LINGER_MS = 1000;

/**
 * A channel over a byte stream, in the wire form of modules.md §2.
 *
 * What is sent within one turn of the loop leaves as one write. When the stream is full, frames wait here until it has
 * drained. `close()` sends what waits and then ends the stream. Anything malformed destroys this stream alone; the cause
 * given to `onClose` is then a SluiceError `BROKER_PROTOCOL`.
 * @param stream a `net.Socket` or any other duplex stream of bytes, in nobody else's use
 * @param limits of frames in both directions; default {@link WIRE_LIMITS}
 */
export function socketChannel(stream: Duplex, limits: WireLimits = WIRE_LIMITS): Channel {
  return new SocketChannel(stream, limits);
}

class SocketChannel implements Channel {
  readonly #stream: Duplex;
  readonly #limits: WireLimits;
  readonly #decoder: FrameDecoder;
  readonly #inbox = new Inbox();
  readonly #frames = new Fifo<Buffer>();
  readonly #drainListeners: (() => void)[] = [];
  #unsentMessages = 0;
  #unsentBytes = 0;
  #flushScheduled = false;
  #full = false;
  #state: "open" | "closing" | "ending" | "closed" = "open";

  constructor(stream: Duplex, limits: WireLimits) {
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
    const frame = encodeMessage(message, this.#limits);
    this.#frames.push(frame);
    this.#unsentMessages++;
    this.#unsentBytes += frame.length;
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
    return { messages: this.#unsentMessages, bytes: this.#unsentBytes };
  }

  holdRequests(on: boolean): void {
    this.#inbox.hold(on);
    if (!this.#isOverfull() && this.#stream.isPaused()) this.#stream.resume();
  }

  close(): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#decoder.stop();
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
    if (this.#state !== "open") return;
    try {
      this.#decoder.push(chunk, (message) => this.#inbox.receive(message));
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (this.#isOverfull()) this.#stream.pause();
  }

  #isOverfull(): boolean {
    return this.#inbox.heldMessages >= HELD_MESSAGES || this.#inbox.heldBytes >= HELD_BYTES;
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
      if (this.#frames.size === 0) this.#write(frame, 1);
      else this.#writeJoined(frame);
    }
    if (this.#state === "closing" && this.#frames.size === 0) this.#finish();
  }

  /** Writes as many of the next frames as make one sensible write. */
  #writeJoined(first: Buffer): void {
    const joined = [first];
    let bytes = first.length;
    while (bytes < JOIN_BYTES) {
      const next = this.#frames.shift();
      if (next === undefined) break;
      joined.push(next);
      bytes += next.length;
    }
    this.#write(Buffer.concat(joined, bytes), joined.length);
  }

  #write(bytes: Buffer, messages: number): void {
    this.#full = !this.#stream.write(bytes, () => {
      this.#unsentMessages -= messages;
      this.#unsentBytes -= bytes.length;
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

  #fail(error: unknown): void {
    this.#gone(error instanceof Error ? error : new Error(String(error)));
    this.#stream.destroy();
  }

  #gone(cause: Error | undefined): void {
    if (this.#state === "closed") return;
    const byUs = this.#state !== "open";
    this.#state = "closed";
    this.#decoder.stop();
    this.#frames.clear();
    if (byUs) this.#inbox.abandon();
    else this.#inbox.end(cause);
  }
}

function isSocketLike(stream: Duplex): stream is Duplex & { ref(): void; unref(): void } {
  return "ref" in stream && typeof stream.ref === "function" && "unref" in stream;
}
