import { signal } from "@preact/signals";

/** A module in the form of `module.watch`. */
export interface ModuleRow {
  readonly name: string;
  readonly uuid: string;
  readonly state: string;
  readonly phase: string;
  readonly restarts: number;
  readonly activeTime: number;
  readonly startTime: number;
  readonly owedSeconds: number;
  readonly probe?: { readonly failures: number; readonly limit: number };
  readonly sendq: number;
  readonly recvq: number;
  readonly rx: number;
  readonly tx: number;
  readonly pid?: number;
  readonly cpuSeconds?: number;
  readonly rssBytes?: number;
  readonly services: readonly string[];
}

/** Per second, since the sample before. */
export interface Rates {
  readonly rx: number;
  readonly tx: number;
  readonly cpuPercent: number;
}

export interface Failure {
  readonly name: string;
  readonly message: string;
  readonly time: number;
}

/** The modules of a rank. */
export interface RankModules {
  readonly rank: number;
  time: number;
  failed: readonly Failure[];
  readonly modules: Map<string, ModuleRow>;
  readonly rates: Map<string, Rates>;
  /** The base of rates: the rows of the previous sample. */
  base: { readonly time: number; readonly rows: Map<string, ModuleRow> };
}

export interface LogLine {
  readonly rank: number;
  readonly time: number;
  readonly text: string;
  readonly level?: string;
  readonly name?: string;
  readonly unit?: string;
  readonly stream?: string;
}

export interface RankRow {
  readonly rank: number;
  readonly state: string;
  readonly since: number;
  readonly host?: string;
}

type StepRow = readonly [unit: string, state: string, action: string, message: string | null];

export interface Run {
  readonly id: string;
  readonly command: string;
  readonly time: number;
  readonly steps: Map<string, StepRow>;
  state: string;
  recorded: boolean;
}

interface WireModules {
  readonly rank: number;
  readonly time: number;
  readonly full?: boolean;
  readonly modules: readonly ModuleRow[];
  readonly gone?: readonly string[];
  readonly failed?: readonly Failure[];
}

interface WireRun {
  readonly id: string;
  readonly command?: string;
  readonly time?: number;
  readonly state: string;
  readonly recorded: boolean;
  readonly steps: readonly StepRow[];
}

/** All data, in the form for a page that opens. */
export interface Picture {
  readonly ranks?: {
    readonly size: number;
    readonly state: string;
    readonly ranks: readonly RankRow[];
  } | null;
  readonly modules?: readonly WireModules[];
  readonly runs?: readonly WireRun[];
  readonly log?: readonly LogLine[];
  readonly output?: readonly LogLine[];
  readonly waits?: readonly string[] | null;
}

export type Change =
  | { readonly part: "ranks"; readonly ranks: NonNullable<Picture["ranks"]> }
  | { readonly part: "rank-gone"; readonly rank: number }
  | ({ readonly part: "modules" } & WireModules)
  | ({ readonly part: "run" } & WireRun)
  | { readonly part: "log" | "output"; readonly lines: readonly LogLine[] }
  | { readonly part: "waits"; readonly lines: readonly string[] };

const KEPT_LINES = 2000;
const KEPT_RUNS = 3;
/** Rates over shorter times have no meaning. */
const SHORTEST_SAMPLE_SECONDS = 0.3;

/** The data of the page. Views read `version`, so that they redraw when it changes. */
export class Model {
  readonly version = signal(0);
  /** Counts recorded runs, and changes of the loaded modules. */
  readonly recorded = signal(0);
  ranks: Picture["ranks"] = null;
  byRank = new Map<number, RankModules>();
  runs = new Map<string, Run>();
  log: LogLine[] = [];
  output: LogLine[] = [];
  /** The waits of the instance; null before the first report. */
  waits: readonly string[] | null = null;
  #isDrawn = true;

  show(picture: Picture): void {
    this.ranks = picture.ranks ?? null;
    this.byRank = new Map();
    for (const one of picture.modules ?? []) this.#takeModules({ ...one, full: true });
    this.runs = new Map();
    for (const run of picture.runs ?? []) this.#takeRun(run);
    this.log = [...(picture.log ?? [])];
    this.output = [...(picture.output ?? [])];
    this.waits = picture.waits ?? null;
    this.recorded.value++;
    this.#draw();
  }

  /** All data in the same form, for a tab that opens beside this one. */
  picture(): Picture {
    return {
      ranks: this.ranks ?? null,
      modules: [...this.byRank.values()].map(({ rank, time, failed, modules }) => {
        return { rank, time, failed, modules: [...modules.values()] };
      }),
      runs: [...this.runs.values()].map((run) => ({ ...run, steps: [...run.steps.values()] })),
      log: this.log,
      output: this.output,
      waits: this.waits,
    };
  }

  apply(change: Change): void {
    switch (change.part) {
      case "ranks":
        this.ranks = change.ranks;
        break;
      case "rank-gone":
        this.byRank.delete(change.rank);
        break;
      case "modules":
        this.#takeModules(change);
        break;
      case "run":
        this.#takeRun(change);
        break;
      case "log":
        this.log = added(this.log, change.lines);
        break;
      case "output":
        this.output = added(this.output, change.lines);
        break;
      case "waits":
        this.waits = change.lines;
        break;
    }
    this.#draw();
  }

  #takeModules({ rank, time, full = false, modules, gone = [], failed }: WireModules): void {
    const known = full ? undefined : this.byRank.get(rank);
    const one: RankModules = known ?? {
      ...{ rank, time, failed: [], modules: new Map(), rates: new Map() },
      base: { time, rows: new Map() },
    };
    for (const name of gone) one.modules.delete(name);
    for (const row of modules) one.modules.set(row.name, row);
    one.time = time;
    one.failed = failed ?? one.failed;
    const seconds = time - one.base.time;
    if (seconds >= SHORTEST_SAMPLE_SECONDS) {
      one.rates.clear();
      for (const [name, row] of one.modules) {
        const before = one.base.rows.get(name);
        if (before?.uuid === row.uuid) one.rates.set(name, ratesOf(row, before, seconds));
      }
      one.base = { time, rows: new Map(one.modules) };
    } else if (one.base.rows.size === 0) one.base = { time, rows: new Map(one.modules) };
    this.byRank.set(rank, one);
  }

  #takeRun({ id, command, time, state, recorded, steps }: WireRun): void {
    const known = this.runs.get(id);
    if (known !== undefined) {
      for (const step of steps) known.steps.set(step[0], step);
      if (recorded && !known.recorded) this.recorded.value++;
      known.state = state;
      known.recorded = recorded;
    } else if (command !== undefined && time !== undefined) {
      const run = {
        id,
        command,
        time,
        state,
        recorded,
        steps: new Map(steps.map((step) => [step[0], step])),
      };
      this.runs.set(id, run);
      const [oldest] = this.runs.keys();
      if (this.runs.size > KEPT_RUNS && oldest !== undefined) this.runs.delete(oldest);
    }
  }

  /** Draws at most once a frame, for any number of changes. */
  #draw(): void {
    if (!this.#isDrawn) return;
    this.#isDrawn = false;
    const draw = (): void => {
      this.#isDrawn = true;
      this.version.value++;
    };
    // A hidden tab has no frames.
    if (document.visibilityState === "hidden") queueMicrotask(draw);
    else requestAnimationFrame(draw);
  }
}

/**
 * Draws a component again at each change of the data that it shows: reading the signal subscribes it. Each component
 * that shows a part of the model needs it, because the component's properties stay the same.
 */
export function redrawnWith({ version }: Model): number {
  return version.value;
}

function ratesOf(row: ModuleRow, before: ModuleRow, seconds: number): Rates {
  return {
    rx: (row.rx - before.rx) / seconds,
    tx: (row.tx - before.tx) / seconds,
    cpuPercent: (((row.cpuSeconds ?? 0) - (before.cpuSeconds ?? 0)) / seconds) * 100,
  };
}

function added(lines: LogLine[], more: readonly LogLine[]): LogLine[] {
  const all = [...lines, ...more];
  return all.length > KEPT_LINES ? all.slice(-KEPT_LINES / 2) : all;
}

export type LiveState = "waiting" | "starting" | "ready" | "failed" | "left-out";

/** The state of a unit on a rank; undefined if it is unknown. */
export function stateOf(model: Model, unit: string, rank: number): LiveState | undefined {
  const here = model.byRank.get(rank);
  const module = here?.modules.get(unit);
  if (module !== undefined) {
    if (module.phase === "backoff") return "failed";
    return module.phase === "up" && module.state === "R" ? "ready" : "starting";
  }
  if (here?.failed.some(({ name }) => name === unit) === true) return "failed";
  const run = [...model.runs.values()].findLast(({ steps }) => steps.has(unit));
  const [, state, action] = run?.steps.get(unit) ?? [];
  switch (state) {
    case "waiting":
      return run?.state === "running" ? "waiting" : undefined;
    case "starting":
      return run?.state === "running" ? "starting" : "failed";
    case "done":
      // A module that was loaded and is missing now has been removed.
      return action === "run" ? "ready" : undefined;
    case "failed":
    case "left-out":
      return state;
    default:
      return undefined;
  }
}
