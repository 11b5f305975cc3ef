import { isErrno, messageOf } from "../errors/index.js";
import { fields, type Handle, type JsonValue, type Payload } from "../messages/index.js";
import { sleep } from "../processes/index.js";
import type { Change } from "./change.js";
import { LiveRuns } from "./live-runs.js";

/** The number of lines that a page gets when it opens. */
const KEPT_LINES = 1000;

/** The most ranks whose modules the server watches. */
const MOST_RANKS = 128;

interface RankModules {
  readonly modules: Map<string, JsonValue>;
  time: number;
  broker: JsonValue;
  failed: JsonValue;
}

/** The last report of a rank. */
export interface RankState {
  readonly rank: number;
  /** Null before the first answer. */
  readonly broker: JsonValue;
  readonly modules: readonly JsonValue[];
  /** The number of modules that failed and do not run. */
  readonly failed: number;
}

export interface LiveOptions {
  readonly handle: Handle;
  readonly periodMs: number;
  readonly onChange: (change: Change) => void;
  readonly onProblem: (text: string) => void;
  /** Gives the wait-for graph as lines; called once a period while a page is open. */
  readonly waits?: { readonly ask: () => Promise<readonly string[]>; readonly hasReaders: () => boolean };
}

/** The state of an instance, from the streams of its brokers. */
export class LiveInstance {
  readonly #options: LiveOptions;
  readonly #ended = new AbortController();
  readonly #byRank = new Map<number, RankModules>();
  readonly #log = new Lines();
  readonly #output = new Lines();
  readonly #runs = new LiveRuns();
  /** Ranks that have been watched before. */
  readonly #seen = new Set<number>();
  #ranks: JsonValue = null;
  /** Null before the first look. */
  #waits: readonly string[] | null = null;
  #isAskingWaits = false;

  constructor(options: LiveOptions) {
    this.#options = options;
  }

  /** Begins to watch. It runs until {@link close}, or until the instance has ended. */
  start(): void {
    const { handle } = this.#options;
    this.#watchRanks();
    this.#follow("run.watch", { rank: handle.rank }, (payload) => {
      const change = this.#runs.take(payload);
      if (change !== undefined) this.#tell(change);
    });
    this.#watchRank(handle.rank);
  }

  close(): void {
    this.#ended.abort();
  }

  /** All data, in the form for a page that opens. */
  picture(): Readonly<Record<string, unknown>> {
    return {
      ranks: this.#ranks,
      modules: [...this.#byRank].map(([rank, { modules, ...rest }]) => {
        return { rank, ...rest, modules: [...modules.values()] };
      }),
      runs: this.#runs.all(),
      log: this.#log.all,
      output: this.#output.all,
      waits: this.#waits,
    };
  }

  /** Watched ranks without a report so far; undefined before the ranks are known. */
  missing(): number[] | undefined {
    if (this.#ranks === null) return undefined;
    return [...this.#byRank].filter(([, { broker }]) => broker === null).map(([rank]) => rank);
  }

  /** The states of all ranks. */
  rankStates(): readonly string[] {
    if (this.#ranks === null) return [];
    const { ranks } = fields(this.#ranks, { ranks: "array" });
    return ranks.map((item) => fields(item, { state: "string" }).state);
  }

  /** The last reports of the watched ranks. */
  ranks(): readonly RankState[] {
    return [...this.#byRank].map(([rank, { broker, modules, failed }]) => {
      return {
        rank,
        broker,
        modules: [...modules.values()],
        failed: Array.isArray(failed) ? failed.length : 0,
      };
    });
  }

  /** Rank 0 may stall, or another process may replace it. */
  #watchRanks(): void {
    const reopen = (isGone: boolean): void => {
      if (!isGone) return;
      sleep(this.#options.periodMs, this.#ended.signal).then(
        () => this.#watchRanks(),
        () => undefined,
      );
    };
    this.#follow("overlay.watch", { rank: 0 }, (payload) => this.#takeRanks(payload), reopen);
  }

  #takeRanks(payload: Payload): void {
    const { ranks } = fields(payload, { ranks: "array" });
    this.#ranks = payload as JsonValue;
    for (const item of ranks.slice(0, MOST_RANKS)) {
      const { rank, state } = fields(item, { rank: "integer", state: "string" });
      if (state === "online" || state === "joining") this.#watchRank(rank);
    }
    // Now missing() has the new ranks.
    this.#tell({ part: "ranks", ranks: payload });
  }

  #watchRank(rank: number): void {
    if (this.#byRank.has(rank)) return;
    const known: RankModules = { modules: new Map(), time: 0, broker: null, failed: [] };
    this.#byRank.set(rank, known);
    const gone = (): void => {
      if (!this.#byRank.delete(rank)) return;
      this.#tell({ part: "rank-gone", rank });
    };
    const { periodMs } = this.#options;
    this.#follow(
      "module.watch",
      { rank, payload: { periodMs } },
      (payload) => this.#takeModules(rank, payload),
      gone,
    );
    const lines = (part: "log" | "output", kept: Lines) => (payload: Payload) => {
      const line = { rank, ...(payload as object) };
      kept.add(line);
      this.#tell({ part, lines: [line] });
    };
    // A rank that reconnects has sent its older lines before.
    const [log, output] = this.#seen.has(rank) ? [{ new: true }, { lines: 0 }] : [];
    this.#seen.add(rank);
    this.#follow("log.dmesg", { rank, payload: { follow: true, ...log } }, lines("log", this.#log));
    this.#follow("log.output", { rank, payload: { follow: true, ...output } }, lines("output", this.#output));
  }

  #takeModules(rank: number, payload: Payload): void {
    const { full, time, broker, modules, gone, failed } = fields(payload, MODULES);
    const known = this.#byRank.get(rank);
    if (known === undefined) return;
    if (full) known.modules.clear();
    for (const module of modules) known.modules.set(fields(module, { name: "string" }).name, module);
    for (const name of gone) known.modules.delete(name);
    known.time = time;
    known.broker = broker;
    if (failed !== undefined) known.failed = failed;
    const change = { part: "modules", rank, full, time, broker, modules, gone };
    this.#tell({ ...change, ...(failed !== undefined && { failed }) });
    // One rank sets the period for all.
    if (rank === this.#options.handle.rank) void this.#lookAtWaits();
  }

  async #lookAtWaits(): Promise<void> {
    const { waits, onProblem } = this.#options;
    if (waits?.hasReaders() !== true || this.#isAskingWaits) return;
    this.#isAskingWaits = true;
    try {
      const lines = await waits.ask();
      if (lines.join("\n") === this.#waits?.join("\n")) return;
      this.#waits = lines;
      this.#tell({ part: "waits", lines });
    } catch (error) {
      if (!this.#ended.signal.aborted && !GONE.some((name) => isErrno(error, name)))
        onProblem(`waits: ${messageOf(error)}`);
    } finally {
      this.#isAskingWaits = false;
    }
  }

  #follow(
    topic: string,
    { rank, payload }: { readonly rank: number; readonly payload?: Payload },
    take: (payload: Payload) => void,
    onEnd: (isGone: boolean) => void = () => undefined,
  ): void {
    const { handle, onProblem } = this.#options;
    const { signal } = this.#ended;
    const read = async (): Promise<void> => {
      let isGone = true;
      try {
        for await (const answer of handle.rpcStream(topic, payload, { rank, signal })) take(answer);
      } catch (error) {
        // The view of ranks shows a rank that leaves.
        isGone = signal.aborted || GONE.some((name) => isErrno(error, name));
        if (!isGone) onProblem(`${topic} of rank ${rank}: ${messageOf(error)}`);
      }
      onEnd(isGone);
    };
    void read();
  }

  #tell(change: Change): void {
    if (!this.#ended.signal.aborted) this.#options.onChange(change);
  }
}

/** The errors of streams whose rank has left, or whose connection was closed. */
const GONE = ["EHOSTUNREACH", "ECONNRESET", "ECANCELED"] as const;

const MODULES = {
  full: "boolean",
  time: "number",
  broker: "object",
  modules: "array",
  gone: "string[]",
  failed: "array?",
} as const;

/** The last lines. */
class Lines {
  all: unknown[] = [];

  add(line: unknown): void {
    this.all.push(line);
    if (this.all.length > 2 * KEPT_LINES) this.all = this.all.slice(-KEPT_LINES);
  }
}
