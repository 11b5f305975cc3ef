import type { OutputLine, ProgramLog } from "../../loaders/index.js";
import { Fifo } from "../../messages/index.js";
import type { Clock } from "../clock.js";

/** How much output the broker keeps for each program (docs/design/programs.md §1), in bytes as they were written. */
const RING_BYTES = 1024 * 1024;

/** A longer line of a task is kept in parts of this length, in UTF-16 units. */
const PART_LENGTH = 64 * 1024;

/** The number of last lines in the report of a failed program. */
const LAST_LINES = 5;

/** A program that writes only line ends must not fill the memory either. */
const RING_LINES = 65_536;

/**
 * The broker keeps the output of this many programs. Above that number, it drops the output of the programs that
 * started longest ago.
 */
const PROGRAMS_KEPT = 4096;

/** A line of a program, or a gap where the broker did not keep its output. */
export interface ProgramLine {
  /** Seconds since 1970. */
  readonly time: number;
  readonly unit: string;
  readonly stream: OutputLine["stream"];
  readonly text: string;
  readonly part?: number | undefined;
  readonly hasMore?: boolean | undefined;
  /** The number of bytes missing here. The text is empty. */
  readonly leftOutBytes?: number | undefined;
  /** A task of rc1 or rc3 has printed it. */
  readonly isTask?: boolean | undefined;
}

/** A line that a task of rc1 or rc3, or the process that runs its code, has printed. */
export interface TaskLine {
  /** The task, if it is known. */
  readonly unit: string | undefined;
  readonly stream: OutputLine["stream"];
  readonly text: string;
}

/** The output of a program in bytes: written is the sum of kept and dropped. */
export interface ProgramLogSize {
  readonly unit: string;
  readonly written: number;
  readonly kept: number;
  readonly dropped: number;
}

interface Kept {
  readonly line: ProgramLine;
  readonly bytes: number;
}

class Ring {
  readonly lines = new Fifo<Kept>();
  keptBytes = 0;
  droppedBytes = 0;
  droppedLines = 0;
  #linesBefore = 0;

  /** The unit starts anew. */
  begin(): void {
    this.#linesBefore = this.#pushedLines;
  }

  /** The kept lines since the last start, up to a number of them. */
  newest(count: number): readonly Kept[] {
    const own = Math.min(count, this.#pushedLines - this.#linesBefore, this.lines.size);
    return [...this.lines].slice(this.lines.size - own);
  }

  get #pushedLines(): number {
    return this.lines.size + this.droppedLines;
  }

  push(line: ProgramLine, bytes: number): void {
    this.lines.push({ line, bytes });
    this.keptBytes += bytes;
    while (this.keptBytes > RING_BYTES || this.lines.size > RING_LINES) {
      const oldest = this.lines.shift();
      if (oldest === undefined) return;
      this.keptBytes -= oldest.bytes;
      this.droppedBytes += oldest.bytes;
      this.droppedLines += 1;
    }
  }
}

/** The output of the programs and tasks of one broker, a ring for each. */
export class ProgramLogs {
  readonly #clock: Clock;
  readonly #onLine: (line: ProgramLine) => void;
  readonly #rings = new Map<string, Ring>();
  readonly #followers = new Set<(line: ProgramLine) => void>();
  /** The totals of removed rings. */
  #forgottenLines = 0;

  /** @param onLine gets every line that the broker keeps */
  constructor(clock: Clock, onLine: (line: ProgramLine) => void) {
    this.#clock = clock;
    this.#onLine = onLine;
  }

  /** The output of one start of a program; output of earlier starts stays before it. */
  of(unit: string): ProgramLog {
    const ring = this.#newest(unit);
    ring.begin();
    return {
      line: ({ stream, text, bytes, part, hasMore }) => {
        const parts = part === undefined ? {} : { part, hasMore: hasMore === true };
        this.#add(ring, { time: this.#now(), unit, stream, text, ...parts }, bytes);
      },
      leftOut: (stream, bytes) => {
        ring.droppedBytes += bytes;
        this.#add(ring, { time: this.#now(), unit, stream, text: "", leftOutBytes: bytes }, 0);
      },
    };
  }

  /** Keeps a line of a task. The log of the broker has it too. */
  task(unit: string, stream: OutputLine["stream"], text: string): void {
    const ring = this.#rings.get(unit) ?? this.#newest(unit);
    const parts = partsOf(text);
    parts.forEach((part, at) => {
      const hasMore = at < parts.length - 1;
      const place = parts.length === 1 ? {} : { part: at + 1, hasMore };
      const bytes = Buffer.byteLength(part) + (hasMore ? 0 : 1);
      this.#keep(ring, { time: this.#now(), unit, stream, text: part, isTask: true, ...place }, bytes);
    });
  }

  /** Names of programs that have been started, and how much of them is kept. */
  sizes(): ProgramLogSize[] {
    return [...this.#rings].map(([unit, { keptBytes: kept, droppedBytes: dropped }]) => ({
      ...{ unit, written: kept + dropped, kept, dropped },
    }));
  }

  /** The number of lines that the broker has dropped for later ones. */
  get droppedLines(): number {
    let lines = this.#forgottenLines;
    for (const ring of this.#rings.values()) lines += ring.droppedLines;
    return lines;
  }

  /** The kept output of some programs, or of all, by time. */
  lines(units: readonly string[] | undefined): ProgramLine[] {
    const rings =
      units === undefined ? [...this.#rings.values()] : units.map((unit) => this.#rings.get(unit));
    const lines = rings.flatMap((ring) => [...(ring?.lines ?? [])].map(({ line }) => line));
    return rings.length === 1 ? lines : lines.sort((a, b) => a.time - b.time);
  }

  /** The last lines of the newest start of a program, without those that the log has left out. */
  lastLines(unit: string): readonly string[] {
    const kept = this.#rings.get(unit)?.newest(LAST_LINES) ?? [];
    return kept.flatMap(({ line: { text, leftOutBytes } }) => (leftOutBytes === undefined ? [text] : []));
  }

  has(unit: string): boolean {
    return this.#rings.has(unit);
  }

  /** Calls with every line from now on; returns a function that ends that. */
  follow(follower: (line: ProgramLine) => void): () => void {
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  /** The ring of a unit that starts. */
  #newest(unit: string): Ring {
    const ring = this.#rings.get(unit) ?? new Ring();
    this.#rings.delete(unit);
    this.#rings.set(unit, ring);
    const [oldest] = this.#rings;
    if (this.#rings.size > PROGRAMS_KEPT && oldest !== undefined) {
      const [name, { lines, droppedLines }] = oldest;
      this.#forgottenLines += lines.size + droppedLines;
      this.#rings.delete(name);
    }
    return ring;
  }

  #add(ring: Ring, line: ProgramLine, bytes: number): void {
    this.#onLine(line);
    this.#keep(ring, line, bytes);
  }

  #keep(ring: Ring, line: ProgramLine, bytes: number): void {
    ring.push(line, bytes);
    for (const follower of [...this.#followers]) follower(line);
  }

  #now(): number {
    return this.#clock.now() / 1000;
  }
}

/** The parts of a long line. No character is divided. */
function partsOf(text: string): string[] {
  const parts: string[] = [];
  let rest = text;
  while (rest.length > PART_LENGTH) {
    const isPair = /[\ud800-\udbff]/.test(rest.charAt(PART_LENGTH - 1));
    const length = isPair ? PART_LENGTH - 1 : PART_LENGTH;
    parts.push(rest.slice(0, length));
    rest = rest.slice(length);
  }
  return [...parts, rest];
}
