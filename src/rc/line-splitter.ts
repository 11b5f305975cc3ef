import { StringDecoder } from "node:string_decoder";

/**
 * This passes a line on in pieces of at most this length, because output without line ends must not fill the memory.
 */
const LONGEST_LINE = 1024 * 1024;

/**
 * Cuts a stream of bytes or text into lines, without their ends. It joins a UTF-8 character that two chunks share.
 */
export class LineSplitter {
  readonly #onLine: (line: string) => void;
  readonly #decoder = new StringDecoder("utf8");
  readonly #longest: number;
  /** Pieces of the unfinished line. It joins them once, so that the time for many small chunks is linear. */
  #pieces: string[] = [];
  #pending = 0;

  /** @param longest length at which it passes on an unfinished line */
  constructor(onLine: (line: string) => void, longest = LONGEST_LINE) {
    this.#onLine = onLine;
    this.#longest = longest;
  }

  push(chunk: Buffer | string): void {
    const text = typeof chunk === "string" ? chunk : this.#decoder.write(chunk);
    let start = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
      this.#append(text.slice(start, end));
      this.#emit();
      start = end + 1;
    }
    this.#append(text.slice(start));
    if (this.#pending >= this.#longest) this.#emit();
  }

  /** Passes on the last line if it has no end. */
  end(): void {
    this.#append(this.#decoder.end());
    if (this.#pending > 0) this.#emit();
  }

  #append(text: string): void {
    if (text === "") return;
    this.#pieces.push(text);
    this.#pending += text.length;
  }

  #emit(): void {
    const line = this.#pieces.join("");
    this.#pieces = [];
    this.#pending = 0;
    this.#onLine(line.endsWith("\r") ? line.slice(0, -1) : line);
  }
}
