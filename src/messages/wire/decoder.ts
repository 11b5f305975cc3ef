import { isUtf8 } from "node:buffer";
import { PRELUDE_BYTES, WIRE_LIMITS, type WireLimits } from "./encode.js";
import { type PayloadKind, parseMessage, protocolError } from "./wire-header.js";
import type { Message, RawPayload } from "../types.js";

const FIRST_CAPACITY = 4096;

const NOTHING = Buffer.alloc(0);

/**
 * Reads messages from a byte stream that arrives in pieces of any size.
 *
 * It reads frames in place if they lie in one piece, and keeps only the remaining part of a piece. Its buffer grows
 * by doubling as bytes arrive, never to a length that a header merely declares. So it copies each byte a bounded
 * number of times.
 */
export class FrameDecoder {
  readonly #limits: WireLimits;
  /** The beginning of an incomplete frame; valid up to `#kept`. */
  #partial = Buffer.alloc(0);
  #kept = 0;
  #stopped = false;

  constructor(limits: WireLimits = WIRE_LIMITS) {
    this.#limits = limits;
  }

  /**
   * Takes the next bytes, and delivers each completed message in order. Messages share no memory with the chunk.
   * @param atMost the largest number of messages
   * @returns the rest of the chunk after these, to be given first the next time; empty when all of it was taken
   * @throws SluiceError `BROKER_PROTOCOL` if the bytes are no message; earlier whole messages have been delivered,
   *   and nothing further can be decoded
   */
  push(chunk: Uint8Array, deliver: (message: Message) => void, atMost = Infinity): Buffer {
    let count = 0;
    let rest = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    while (rest.length > 0 && !this.#stopped && count < atMost) {
      if (this.#kept === 0) {
        const size = this.#frameSize(rest);
        if (size === undefined || rest.length < size) {
          this.#keep(rest);
          return NOTHING;
        }
        const whole = rest;
        rest = rest.subarray(size);
        deliver(this.#decode(whole));
      } else {
        rest = this.#complete(rest, deliver);
      }
      count++;
    }
    return rest;
  }

  /** Kept bytes of an incomplete message. */
  get incompleteBytes(): number {
    return this.#kept;
  }

  /**
   * Call this when the stream has ended.
   * @throws SluiceError `BROKER_PROTOCOL` if it ended inside a message
   */
  end(): void {
    if (this.#kept > 0 && !this.#stopped) {
      this.#stopped = true;
      throw protocolError(`malformed message: the stream ended ${this.#kept} bytes into it`);
    }
  }

  /** Drops the bytes that it keeps. It delivers nothing any more, not even by a `push` that is under way. */
  stop(): void {
    this.#stopped = true;
    this.#partial = Buffer.alloc(0);
    this.#kept = 0;
  }

  /** Adds the bytes of the frame to its kept beginning, and returns the others. */
  #complete(chunk: Buffer, deliver: (message: Message) => void): Buffer {
    let rest = chunk;
    if (this.#kept < PRELUDE_BYTES) rest = this.#take(rest, PRELUDE_BYTES);
    const size = this.#frameSize(this.#partial.subarray(0, this.#kept));
    if (size === undefined) return rest;
    rest = this.#take(rest, size);
    if (this.#kept < size) return rest;
    const frame = this.#partial.subarray(0, size);
    this.#partial = Buffer.alloc(0);
    this.#kept = 0;
    deliver(this.#decode(frame));
    return rest;
  }

  /** Keeps as much of a chunk as is missing up to `size`, and returns the remaining part. */
  #take(chunk: Buffer, size: number): Buffer {
    const lacking = size - this.#kept;
    this.#keep(chunk.subarray(0, lacking));
    return chunk.subarray(lacking);
  }

  #keep(bytes: Buffer): void {
    const needed = this.#kept + bytes.length;
    if (needed > this.#partial.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#partial.length * 2, FIRST_CAPACITY));
      this.#partial.copy(grown, 0, 0, this.#kept);
      this.#partial = grown;
    }
    bytes.copy(this.#partial, this.#kept);
    this.#kept = needed;
  }

  /** Length of the frame that begins here, or undefined before its length words have arrived. */
  #frameSize(bytes: Buffer): number | undefined {
    if (bytes.length < PRELUDE_BYTES) return undefined;
    const headerBytes = bytes.readUInt32BE(0);
    const payloadBytes = bytes.readUInt32BE(4);
    this.#checkLength("header", headerBytes, this.#limits.headerBytes);
    this.#checkLength("payload", payloadBytes, this.#limits.payloadBytes);
    return PRELUDE_BYTES + headerBytes + payloadBytes;
  }

  #checkLength(what: string, declared: number, maximum: number): void {
    if (declared <= maximum) return;
    this.stop();
    throw protocolError(
      `malformed message: it declares a ${what} of ${declared} bytes, over the limit of ${maximum}`,
    );
  }

  #decode(frame: Buffer): Message {
    try {
      return decodeFrame(frame);
    } catch (error) {
      this.stop();
      throw error;
    }
  }
}

/** @param bytes begin with a whole frame */
function decodeFrame(bytes: Buffer): Message {
  const headerEnd = PRELUDE_BYTES + bytes.readUInt32BE(0);
  const end = headerEnd + bytes.readUInt32BE(4);
  return parseMessage(textAt(bytes, PRELUDE_BYTES, headerEnd, "header"), (kind) =>
    payloadAt(bytes, headerEnd, end, kind),
  );
}

function payloadAt(bytes: Buffer, start: number, end: number, kind: PayloadKind): RawPayload {
  switch (kind) {
    case "json":
      return textAt(bytes, start, end, "payload");
    case "bytes":
      // A separate copy, which the receiver may keep or change (docs/design/embedding.md §2.4).
      return new Uint8Array(bytes.subarray(start, end));
    case undefined:
      if (end > start) throw protocolError("malformed message: the header does not announce a payload");
      return undefined;
  }
}

function textAt(bytes: Buffer, start: number, end: number, what: string): string {
  const text = bytes.toString("utf8", start, end);
  // The decoding puts this character in the place of invalid UTF-8. The check of all bytes is slow. It
  // therefore runs only for texts with the character.
  if (text.includes("\ufffd") && !isUtf8(bytes.subarray(start, end))) {
    throw protocolError(`malformed message: the ${what} is not UTF-8`);
  }
  return text;
}
