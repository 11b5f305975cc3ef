import type { OutputStreamName } from "../../processes/index.js";
import type { OutputLine } from "../module-loader.js";

/** This cuts a longer line into numbered parts (docs/design/programs.md §1), in bytes. */
const LONGEST_LINE_BYTES = 64 * 1024;

const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** Cuts the output of one stream of a program into lines. */
export class OutputLines {
  readonly #stream: OutputStreamName;
  readonly #onLine: (line: OutputLine) => void;
  #pieces: Buffer[] = [];
  #pending = 0;
  /** Parts of the line that have been passed on. */
  #parts = 0;

  constructor(stream: OutputStreamName, onLine: (line: OutputLine) => void) {
    this.#stream = stream;
    this.#onLine = onLine;
  }

  push(bytes: Buffer): void {
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      this.#append(bytes.subarray(start, end + 1));
      this.#end();
      start = end + 1;
    }
    this.#append(bytes.subarray(start));
  }

  /** The last output may lack a newline. The next output begins a new line. */
  end(): void {
    if (this.#pending > 0 || this.#parts > 0) this.#end();
  }

  #append(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#pieces.push(bytes);
    this.#pending += bytes.length;
    // The end of a line is no part of its text.
    while (this.#pending > LONGEST_LINE_BYTES + 1) this.#cut();
  }

  /** Passes on a part, which ends between two characters. */
  #cut(): void {
    const whole = Buffer.concat(this.#pieces);
    let at = LONGEST_LINE_BYTES;
    // Bytes that continue a character. A cut in text that is no UTF-8 may be anywhere.
    for (let back = 0; back < 3 && ((whole[at] ?? 0) & 0xc0) === 0x80; back++) at--;
    if (((whole[at] ?? 0) & 0xc0) === 0x80) at = LONGEST_LINE_BYTES;
    this.#parts += 1;
    this.#emit(whole.subarray(0, at), { part: this.#parts, hasMore: true });
    this.#pieces = [whole.subarray(at)];
    this.#pending = whole.length - at;
  }

  #end(): void {
    const whole = this.#pieces.length === 1 ? this.#pieces[0] : Buffer.concat(this.#pieces);
    const part = this.#parts === 0 ? {} : { part: this.#parts + 1, hasMore: false };
    this.#pieces = [];
    this.#pending = 0;
    this.#parts = 0;
    this.#emit(whole ?? Buffer.alloc(0), part);
  }

  #emit(bytes: Buffer, part: Pick<OutputLine, "part" | "hasMore">): void {
    let end = bytes.length;
    if (bytes[end - 1] === NEWLINE) end--;
    if (bytes[end - 1] === RETURN && end < bytes.length) end--;
    this.#onLine({
      stream: this.#stream,
      text: bytes.toString("utf8", 0, end),
      bytes: bytes.length,
      ...part,
    });
  }
}
