import type { LogLevel } from "../../messages/index.js";
import type { Attributes } from "../attributes.js";
import type { Clock } from "../clock.js";
import { type LogEntry, LogRing, parseLogLevel, reaches } from "./log-ring.js";

interface LogOptions {
  readonly clock: Clock;
  readonly attributes: Attributes;
  readonly onStderr: ((entry: LogEntry) => void) | undefined;
  readonly onLog: ((entry: LogEntry) => void) | undefined;
}

/** The log of one broker: keeps lines, and passes them on. */
export class BrokerLog {
  readonly ring = new LogRing();
  readonly #options: LogOptions;

  constructor(options: LogOptions) {
    this.#options = options;
  }

  append(name: string, level: LogLevel, text: string): void {
    const { clock, attributes, onStderr, onLog } = this.#options;
    const entry = { time: clock.now() / 1000, level, name, text };
    this.ring.append(entry);
    onLog?.(entry);
    const threshold = parseLogLevel(attributes.get("log-stderr-level") ?? "") ?? "err";
    if (reaches(level, threshold)) onStderr?.(entry);
  }
}
