/** Below this number of acknowledged chunks, a copy to drop them is too expensive. */
const TRIM_LENGTH = 1024;

/** One write: some bytes, or the end, which counts as one byte. */
interface Chunk {
  /** Number of bytes before it. */
  readonly start: number;
  /** Undefined: the end. */
  readonly bytes: Uint8Array | undefined;
  readonly length: number;
  /** Called once, when all of it has been sent for the first time. */
  sent: (() => void) | undefined;
}

export interface LinkSenderOptions {
  /**
   * Sends some bytes, or the end.
   * @param start number of bytes before them
   */
  readonly send: (start: number, bytes: Uint8Array | undefined) => void;
  /** The most bytes for one message; called each time. */
  readonly segmentBytes: () => number;
}

/**
 * The sending side of a link: keeps written bytes until the other end acknowledges them, and sends no more than the
 * other end has room for. When bytes are lost, it sends all bytes from there on again.
 */
export class LinkSender {
  readonly #options: LinkSenderOptions;
  #chunks: (Chunk | undefined)[] = [];
  /** Chunks before this one are acknowledged. The sender keeps no references to them. */
  #head = 0;
  /** The chunk with the next byte to send. */
  #next = 0;
  #written = 0;
  #acknowledged = 0;
  /** The number of sent bytes. It decreases when the link must send bytes again. */
  #sent = 0;
  #everSent = 0;
  /** Before the first report of the other end, one segment may be under way. */
  #room: number | undefined;

  constructor(options: LinkSenderOptions) {
    this.#options = options;
  }

  /** Whether the other end has acknowledged all added bytes. */
  get isIdle(): boolean {
    return this.#acknowledged === this.#written;
  }

  /** Bytes that have been sent. */
  get sentBytes(): number {
    return this.#sent;
  }

  /** @param sent called when all bytes of it have been sent */
  add(bytes: Uint8Array | undefined, sent?: () => void): void {
    const length = bytes?.length ?? 1;
    this.#chunks.push({ start: this.#written, bytes, length, sent });
    this.#written += length;
  }

  /** Sends as many bytes as there is room for. */
  pump(): void {
    for (let chunk = this.#chunks[this.#next]; chunk !== undefined; chunk = this.#chunks[this.#next]) {
      const length = Math.min(chunk.start + chunk.length - this.#sent, this.#mostBytes());
      if (length <= 0) return;
      const start = this.#sent;
      this.#sent += length;
      this.#everSent = Math.max(this.#everSent, this.#sent);
      const isDone = this.#sent === chunk.start + chunk.length;
      if (isDone) this.#next += 1;
      this.#options.send(start, chunk.bytes?.subarray(start - chunk.start, this.#sent - chunk.start));
      if (isDone) reportSent(chunk);
    }
  }

  /**
   * The other end has received this number of bytes, and has room for this number in all.
   * @returns whether the number of received bytes has increased
   */
  acknowledged(bytes: number, room: number): boolean {
    this.#room = Math.max(this.#room ?? 0, room);
    if (bytes <= this.#acknowledged || bytes > this.#everSent) return false;
    this.#acknowledged = bytes;
    for (let first = this.#chunks[this.#head]; first !== undefined; first = this.#chunks[this.#head]) {
      if (first.start + first.length > bytes) break;
      this.#chunks[this.#head] = undefined;
      this.#head += 1;
    }
    if (this.#sent < bytes) this.rewind();
    if (this.#head >= TRIM_LENGTH && this.#head * 2 >= this.#chunks.length) this.#trim();
    return true;
  }

  /** Sends all unacknowledged data again. */
  rewind(): void {
    this.#next = this.#head;
    this.#sent = this.#acknowledged;
  }

  clear(): void {
    this.#chunks = [];
    this.#head = 0;
    this.#next = 0;
    this.#acknowledged = this.#written;
  }

  /** The data that the link may send now. */
  #mostBytes(): number {
    const limit = this.#options.segmentBytes();
    if (this.#room === undefined) return this.#sent > this.#acknowledged ? 0 : limit;
    return Math.min(limit, this.#room - this.#sent);
  }

  #trim(): void {
    this.#chunks = this.#chunks.slice(this.#head);
    this.#next -= this.#head;
    this.#head = 0;
  }
}

function reportSent(chunk: Chunk): void {
  const { sent } = chunk;
  chunk.sent = undefined;
  sent?.();
}
