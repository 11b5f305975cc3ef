import type { OutputStream } from "../../messages/index.js";

/**
 * This passes a line on in pieces of at most this many bytes, because output without line ends must not fill the
 * memory.
 */
const LONGEST_LINE = 1024 * 1024;

const NEWLINE = 0x0a;

/** Cuts output of one rank into whole lines, so that lines of several ranks do not mix. It does not change bytes. */
export class RankLines {
  readonly #label: Buffer | undefined;
  #held: Buffer[] = [];
  #heldBytes = 0;

  /** @param label put before each line; undefined: no label */
  constructor(label: string | undefined) {
    this.#label = label === undefined ? undefined : Buffer.from(label);
  }

  /** @returns the lines that are whole now */
  push(bytes: Buffer): Buffer[] {
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    const whole = end === 0 ? [] : this.#labelled([...this.#taken(), bytes.subarray(0, end)]);
    if (end < bytes.length) {
      this.#held.push(bytes.subarray(end));
      this.#heldBytes += bytes.length - end;
    }
    if (this.#heldBytes < LONGEST_LINE) return whole;
    return [...whole, ...this.end()];
  }

  /** @returns the last line, if it has no end; with a label it gets one, because other lines follow it */
  end(): Buffer[] {
    if (this.#heldBytes === 0) return [];
    const rest = this.#taken();
    return this.#label === undefined ? rest : [this.#label, ...rest, Buffer.from("\n")];
  }

  #taken(): Buffer[] {
    const held = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    return held;
  }

  #labelled(pieces: Buffer[]): Buffer[] {
    if (this.#label === undefined) return pieces;
    const text = Buffer.concat(pieces);
    const lines: Buffer[] = [];
    for (let start = 0; start < text.length;) {
      const end = text.indexOf(NEWLINE, start) + 1;
      lines.push(this.#label, text.subarray(start, end));
      start = end;
    }
    return lines;
  }
}

/** How the output of several ranks is put together: line by line, or as one JSON object by rank. */
export type Gathering = "lines" | "json";

/** Writes the output of one rank to our outputs. */
export interface RankOutput {
  /** Resolves when all of it has been written, or is held until its line is whole. */
  write(stream: OutputStream, bytes: Buffer): Promise<void> | undefined;
  /** Writes the bytes that it holds back. */
  end(): Promise<void>;
}

/** How to write an output of a rank: in whole lines, each with a label in front if there is one. */
export interface LineOptions {
  readonly label?: string | undefined;
}

/** Without a label, the output passes unchanged, which is right for a single rank. */
export interface RankOutputOptions {
  readonly stdout?: LineOptions | undefined;
  readonly stderr?: LineOptions | undefined;
}

/** Writes the output of one rank to our own standard output and error. */
export function rankOutput(options: RankOutputOptions): RankOutput {
  const splitters = { stdout: splitterOf(options.stdout), stderr: splitterOf(options.stderr) };
  return {
    write: (stream, bytes) => written(stream, splitters[stream]?.push(bytes) ?? [bytes]),
    end: async () => {
      await written("stdout", splitters.stdout?.end() ?? []);
      await written("stderr", splitters.stderr?.end() ?? []);
    },
  };
}

/** The same, but keeps its standard output, for a command that prints one value. */
export function gatheredOutput(pieces: Buffer[], stderr: LineOptions): RankOutput {
  const errors = rankOutput({ stderr });
  return {
    write: (stream, bytes) => {
      if (stream === "stderr") return errors.write(stream, bytes);
      pieces.push(bytes);
      return undefined;
    },
    end: () => errors.end(),
  };
}

function splitterOf(options: LineOptions | undefined): RankLines | undefined {
  return options && new RankLines(options.label);
}

/** Resolves when the reader, or the pipe to it, has taken all. A disconnected reader counts as having taken all. */
function written(stream: OutputStream, pieces: readonly Buffer[]): Promise<void> | undefined {
  if (pieces.length === 0) return undefined;
  return new Promise((resolve) => process[stream].write(Buffer.concat(pieces), () => resolve()));
}
