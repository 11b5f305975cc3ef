import { LOG_LEVELS, type LogLevel } from "../../messages/index.js";

/** How many lines a broker keeps (docs/design/instance.md §3). */
const LOG_RING_SIZE = 1024;

/** One line of the log. */
export interface LogEntry {
  /** Seconds since 1970. */
  readonly time: number;
  readonly level: LogLevel;
  /** The module or connection that wrote it, or `broker`. */
  readonly name: string;
  readonly text: string;
}

/** The level that a number or a name stands for, or undefined. */
export function parseLogLevel(text: string): LogLevel | undefined {
  return /^\d$/.test(text) ? LOG_LEVELS[Number(text)] : LOG_LEVELS.find((level) => level === text);
}

/** Whether a level is at least as grave as a threshold. */
export function reaches(level: LogLevel, threshold: LogLevel): boolean {
  return LOG_LEVELS.indexOf(level) <= LOG_LEVELS.indexOf(threshold);
}

/** The last lines of the log, and its followers. */
export class LogRing {
  readonly #entries: LogEntry[] = [];
  /** The place of the next line. Once the ring is full, it is the place of the oldest line. */
  #next = 0;
  readonly #followers = new Set<(entry: LogEntry) => void>();
  /** The number of lines that the log has dropped for later ones. */
  dropped = 0;

  append(entry: LogEntry): void {
    if (this.#entries[this.#next] !== undefined) this.dropped += 1;
    this.#entries[this.#next] = entry;
    this.#next = (this.#next + 1) % LOG_RING_SIZE;
    for (const follower of [...this.#followers]) follower(entry);
  }

  /** The oldest first. */
  entries(): LogEntry[] {
    return [...this.#entries.slice(this.#next), ...this.#entries.slice(0, this.#next)];
  }

  clear(): void {
    this.#entries.length = 0;
    this.#next = 0;
  }

  /** Calls with every line from now on; returns a function that ends that. */
  follow(follower: (entry: LogEntry) => void): () => void {
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }
}
