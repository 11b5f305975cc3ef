import type { OutputLine } from "./host-port.js";
import { LineSplitter } from "./line-splitter.js";

type Stream = OutputLine["stream"];

/** A line in the form for the log: with the name of the task that printed it, if known. */
export function labelled({ unit, text }: Pick<OutputLine, "unit" | "text">): string {
  return unit === undefined ? text : `${unit}: ${text}`;
}

/** Joins the output of several parallel units into complete lines, each of one unit. */
export class OutputLines {
  readonly #onLine: (line: OutputLine) => void;
  readonly #splitters = new Map<string | undefined, Record<Stream, LineSplitter>>();

  constructor(onLine: (line: OutputLine) => void) {
    this.#onLine = onLine;
  }

  push(unit: string | undefined, stream: Stream, chunk: Buffer | string): void {
    let splitters = this.#splitters.get(unit);
    if (splitters === undefined) {
      splitters = { stdout: this.#splitter(unit, "stdout"), stderr: this.#splitter(unit, "stderr") };
      this.#splitters.set(unit, splitters);
    }
    splitters[stream].push(chunk);
  }

  /** The unit prints no more. Its last lines may lack their ends. */
  end(unit: string | undefined): void {
    const splitters = this.#splitters.get(unit);
    this.#splitters.delete(unit);
    splitters?.stdout.end();
    splitters?.stderr.end();
  }

  /** No more is printed. */
  endAll(): void {
    for (const unit of [...this.#splitters.keys()]) this.end(unit);
  }

  #splitter(unit: string | undefined, stream: Stream): LineSplitter {
    return new LineSplitter((text) => this.#onLine({ unit, stream, text }));
  }
}
