import type { WriteStream } from "node:tty";

/** The shortest time between two updates of the line. */
const PERIOD_MS = 200;

/** The progress of a transfer, on one line of standard error if that is a terminal. */
export class Progress {
  readonly #label: string;
  readonly #stream: WriteStream | undefined;
  #bytes = 0;
  /** Undefined until the first chunk, which is shown at once. */
  #shownAtMs: number | undefined;

  constructor(label: string) {
    this.#label = label;
    this.#stream = process.stderr.isTTY ? process.stderr : undefined;
  }

  /** @param totalBytes the total if it is known */
  add(bytes: number, totalBytes?: number): void {
    this.#bytes += bytes;
    const nowMs = performance.now();
    if (this.#stream === undefined || nowMs - (this.#shownAtMs ?? -Infinity) < PERIOD_MS) return;
    this.#shownAtMs = nowMs;
    const total = totalBytes === undefined ? "" : ` of ${megabytes(totalBytes)}`;
    this.#stream.write(`\r\u001b[K${this.#label}: ${megabytes(this.#bytes)}${total} MB`);
  }

  /** Removes the line. */
  end(): void {
    if (this.#shownAtMs !== undefined) this.#stream?.write("\r\u001b[K");
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
