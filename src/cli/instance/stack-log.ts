import { readerGone } from "../reader.js";
import { finishWithoutReader } from "../terminal/output-stream.js";
import { LabelledLines, printProgramLine } from "../terminal/program-line.js";

interface StackLogOptions {
  readonly uri: string;
  /** Prints a line where a live view may have to make room for it. */
  readonly print: (text: string) => void;
  /** Called when the reader of standard output has gone. */
  readonly onReaderGone: () => void;
}

/**
 * Prints the output of the programs and tasks of an instance in the foreground, until the instance ends. The instance
 * needs its supervisor for an orderly stop, so this process outlives its standard output.
 */
export class StackLog {
  readonly #options: StackLogOptions;
  readonly #isTerminal = process.stdout.isTTY;
  #following: Promise<void> | undefined;

  constructor(options: StackLogOptions) {
    this.#options = options;
    finishWithoutReader();
  }

  /** Clients can connect. On a terminal the live view of the start comes first. */
  serving(): void {
    if (!this.#isTerminal) this.#following ??= this.#follow();
  }

  /** rc1 is done. */
  running(): void {
    this.#following ??= this.#follow();
  }

  /** Resolves when all written lines have been printed. The instance has ended. */
  async end(): Promise<void> {
    await this.#following;
  }

  async #follow(): Promise<void> {
    readerGone().addEventListener("abort", this.#options.onReaderGone, { once: true });
    const labelled = new LabelledLines();
    const { connect, fields } = await import("../../messages/index.js");
    try {
      const handle = await connect(this.#options.uri);
      for await (const line of handle.rpcStream("log.output", { follow: true })) {
        const { task, stream } = fields(line, { task: "boolean?", stream: "string" });
        // The phase itself has already printed it.
        if (task === true && stream === "stderr") continue;
        if (this.#isTerminal) this.#options.print(labelled.text(line));
        else printProgramLine(line);
      }
    } catch {
      // The instance and its log have ended. Other messages give the reason.
    }
  }
}
