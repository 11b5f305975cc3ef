import { mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Result, SluiceError, systemMessage } from "../errors/index.js";
import { readLimited } from "../processes/index.js";
import type { RunRecord } from "./record.js";
import { recordFromText, recordToText } from "./record-text.js";

/** The number of recorded runs that the store keeps. */
const KEPT = 10;
/** The limit for all of them together. The store removes the oldest first. */
const TOTAL_BYTES = 64 * 1024 * 1024;
/** The unfinished file of a process that ended during a write. */
const STALE_MS = 3_600_000;

const NAME = /^(\d{15})-(\d+)-([a-z0-9]+)\.jsonl$/;

/** A recorded run, from its name alone. */
export interface StoredRun {
  /** 1 is the last. */
  readonly number: number;
  readonly file: string;
  /** Wall clock at its start, since 1970. */
  readonly epochMs: number;
  readonly command: string;
}

/** The recorded runs of one rank, files of one directory: the last 10, and 64 MiB at most. */
export class RecordStore {
  readonly directory: string;

  /** @param stateDirectory the directory of durable state, or the directory that lasts as long as the instance */
  constructor(stateDirectory: string, rank: number) {
    this.directory = join(stateDirectory, `runs-${rank}`);
  }

  /**
   * Keeps a run, and removes the oldest runs above the limit. A concurrent reader reads the whole file or none of it.
   * @throws SluiceError `RUN_RECORD` if it cannot be written, or is larger than all may be together
   */
  save(record: RunRecord): void {
    const text = recordToText(record);
    if (Buffer.byteLength(text) > TOTAL_BYTES) {
      throw new SluiceError("RUN_RECORD", `the run is too large for a record, over ${TOTAL_BYTES} bytes`);
    }
    const [plan] = record.events;
    const epochMs = plan?.type === "plan" ? Math.round(plan.epochMs) : 0;
    const name = `${String(epochMs).padStart(15, "0")}-${process.pid}-${record.command}.jsonl`;
    const draft = join(this.directory, `.${name}`);
    try {
      mkdirSync(this.directory, { recursive: true, mode: 0o700 });
      try {
        writeFileSync(draft, text, { mode: 0o600, flag: "wx" });
        renameSync(draft, join(this.directory, name));
      } catch (error) {
        rmSync(draft, { force: true });
        throw error;
      }
      this.#prune();
    } catch (cause) {
      throw new SluiceError(
        "RUN_RECORD",
        `cannot record the run in ${this.directory}: ${systemMessage(cause)}`,
        { cause },
      );
    }
  }

  /**
   * The recorded runs, the last one first. Empty if the directory is missing.
   * @throws the system error if it cannot be read
   */
  list(): StoredRun[] {
    return this.#names().flatMap((name, index) => {
      const [, epochMs, , command = ""] = NAME.exec(name) ?? [];
      return [{ number: index + 1, file: join(this.directory, name), epochMs: Number(epochMs), command }];
    });
  }

  /** Newest first. */
  #names(): string[] {
    return this.#entries()
      .filter((name) => NAME.test(name))
      .sort()
      .reverse();
  }

  #entries(): string[] {
    try {
      return readdirSync(this.directory);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
      throw error;
    }
  }

  #prune(): void {
    let bytes = 0;
    for (const [index, name] of this.#names().entries()) {
      const file = join(this.directory, name);
      bytes += sizeOf(file);
      if (index >= KEPT || (index > 0 && bytes > TOTAL_BYTES)) rmSync(file, { force: true });
    }
    for (const name of this.#entries()) {
      if (!name.startsWith(".")) continue;
      const draft = join(this.directory, name);
      const stats = statSync(draft, { throwIfNoEntry: false });
      if (stats !== undefined && Date.now() - stats.mtimeMs > STALE_MS) rmSync(draft, { force: true });
    }
  }
}

/**
 * Reads a recorded run.
 * @returns `RUN_RECORD` with the invalid line
 * @throws SluiceError `RUN_RECORD` if the file is missing or unreadable
 */
export function readRecord(file: string): Result<RunRecord> {
  let text: string;
  try {
    text = readLimited(file).toString("utf8");
  } catch (cause) {
    throw new SluiceError("RUN_RECORD", `${file}: ${systemMessage(cause)}`, { cause });
  }
  return recordFromText(text, file);
}

/**
 * The durations of the units of a run, by name, which the next run expects (docs/design/planning.md §7). Includes
 * only units that succeeded.
 */
export function recordedDurations({ events }: RunRecord): Map<string, number> {
  return new Map(
    events.flatMap((event) => (event.type === "end" ? [[event.unit, event.durationMs] as const] : [])),
  );
}

/** Another process may have removed it meanwhile. */
function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
