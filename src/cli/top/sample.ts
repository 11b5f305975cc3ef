import { fields, type Handle, type NodeId, type Payload } from "../../messages/index.js";

/** A module at one time, with its rates per second since the time before. */
export interface ModuleSample {
  readonly name: string;
  readonly uuid: string;
  readonly state: string;
  /** The current phase: `up`, `starting`, `removing`, `reloading` or `backoff`. */
  readonly phase: string;
  /** How often it was restarted after a failure. */
  readonly restarts: number;
  /** `ok`, `silent`, `failing` or `failed`; absent without a probe. */
  readonly health?: string | undefined;
  /** Failed attempts of its probe in a row, and the number that counts as a failure. */
  readonly probe?: { readonly failures: number; readonly limit: number } | undefined;
  readonly idleSeconds: number;
  /** How long an answer to a ping of its watchdog has been due; 0 if none is due. */
  readonly owedSeconds: number;
  readonly sendq: number;
  readonly recvq: number;
  readonly services: readonly string[];
  /** Messages that it has received and sent. */
  readonly rxPerSecond: number;
  readonly txPerSecond: number;
  /** Id of its process; absent for a module in a thread of the broker. */
  readonly pid?: number | undefined;
  /** 100 is one processor. */
  readonly cpuPercent?: number | undefined;
  readonly rssBytes?: number | undefined;
}

/** The process of the broker, with the threads of its modules. */
export interface BrokerSample {
  readonly rank: number;
  readonly size: number;
  readonly pid: number;
  readonly uptimeSeconds: number;
  readonly clients: number;
  readonly pendingRequests: number;
  readonly cpuPercent: number;
  readonly rssBytes: number;
}

/** The data that `sluice top` shows, and prints with `--json`. */
export interface Sample {
  /** Seconds since 1970. */
  readonly time: number;
  readonly broker: BrokerSample;
  readonly modules: readonly ModuleSample[];
}

const WATCH = {
  full: "boolean",
  time: "number",
  broker: "object",
  modules: "array",
  gone: "string[]",
} as const;

const BROKER = {
  rank: "integer",
  size: "integer",
  pid: "integer",
  uptimeSeconds: "number",
  clients: "integer",
  pendingRequests: "integer",
  cpuSeconds: "number",
  rssBytes: "integer",
} as const;

const PROBE = { failures: "integer", limit: "integer" } as const;

const MODULE = {
  name: "string",
  uuid: "string",
  state: "string",
  phase: "string",
  restarts: "integer",
  health: "string?",
  probe: "object?",
  activeTime: "number",
  owedSeconds: "number",
  sendq: "integer",
  recvq: "integer",
  services: "string[]",
  startTime: "number",
  tx: "integer",
  rx: "integer",
  pid: "integer?",
  cpuSeconds: "number?",
  rssBytes: "integer?",
} as const;

type Row = ReturnType<typeof fields<typeof MODULE>>;

/** The counts up to a time. */
interface Counted {
  readonly atSeconds: number;
  readonly rx: number;
  readonly tx: number;
  readonly cpuSeconds: number;
}

interface Rates {
  readonly rxPerSecond: number;
  readonly txPerSecond: number;
  readonly cpuPercent: number;
}

/** A sample that comes this much sooner than its period was caused by a change. */
const PART_OF_PERIOD = 0.9;

/**
 * Reads the broker's reports about its modules, and computes rates. The first rates are the means since each module
 * was started, as in top(1). Rates change once a period, even if reports arrive in between.
 */
export class Sampler {
  readonly #handle: Handle;
  readonly #rank: NodeId;
  readonly #periodMs: number;
  readonly #rows = new Map<string, Row>();
  #stream: AsyncIterator<Payload, unknown> | undefined;
  /** The time of the last rates. */
  #dueSeconds = -Infinity;
  /** Counts of that time, by uuid. The broker's own have an empty uuid. */
  #before = new Map<string, Counted>();
  #rates = new Map<string, Rates>();

  /** @param rank the rank whose broker answers; default: the rank of the handle */
  constructor(
    handle: Handle,
    { rank = "any", periodMs }: { readonly rank?: NodeId; readonly periodMs: number },
  ) {
    this.#handle = handle;
    this.#rank = rank;
    this.#periodMs = periodMs;
  }

  /** The next sample that is due. The first one comes at once. */
  async next(signal: AbortSignal): Promise<Sample> {
    for (;;) {
      const { isDue, sample } = await this.change(signal);
      if (isDue) return sample;
    }
  }

  /** The next sample, whether it is due or a module has started or ended. */
  async change(signal: AbortSignal): Promise<{ readonly isDue: boolean; readonly sample: Sample }> {
    this.#stream ??= this.#open(signal);
    const answer = await this.#stream.next();
    if (answer.done === true) throw new Error("module.watch has ended");
    return this.#take(answer.value);
  }

  /** Takes the next sample from a new stream. */
  reopen(): void {
    this.#stream = undefined;
  }

  #open(signal: AbortSignal): AsyncIterator<Payload, unknown> {
    const options = { rank: this.#rank, signal };
    const stream = this.#handle.rpcStream("module.watch", { periodMs: this.#periodMs }, options);
    return stream[Symbol.asyncIterator]();
  }

  #take(payload: Payload): { readonly isDue: boolean; readonly sample: Sample } {
    const { full, time, modules, gone, ...watched } = fields(payload, WATCH);
    if (full) this.#rows.clear();
    for (const name of gone) this.#rows.delete(name);
    for (const module of modules) {
      const row = fields(module, MODULE);
      this.#rows.set(row.name, row);
    }
    const broker = fields(watched.broker, BROKER);
    const isDue = (time - this.#dueSeconds) * 1000 >= this.#periodMs * PART_OF_PERIOD;
    if (isDue) this.#measure(time, broker);
    const { cpuSeconds, ...facts } = broker;
    const rates = this.#rates.get("") ?? ratesOf(countedAt(time, { cpuSeconds }), countedAt(time));
    const all = [...this.#rows.values()].map((row) => this.#sampled(row, time));
    return { isDue, sample: { time, broker: { ...facts, cpuPercent: rates.cpuPercent }, modules: all } };
  }

  /** Works out the rates since the sample before. */
  #measure(time: number, broker: { uptimeSeconds: number; cpuSeconds: number }): void {
    const before = this.#before;
    this.#before = new Map();
    this.#rates = new Map();
    this.#dueSeconds = time;
    const count = (uuid: string, now: Counted, startSeconds: number): void => {
      this.#before.set(uuid, now);
      this.#rates.set(uuid, ratesOf(now, before.get(uuid) ?? countedAt(startSeconds)));
    };
    count("", countedAt(time, broker), time - broker.uptimeSeconds);
    for (const row of this.#rows.values()) count(row.uuid, countedAt(time, row), row.startTime);
  }

  #sampled(row: Row, time: number): ModuleSample {
    const { name, uuid, state, phase, restarts, health, owedSeconds, sendq, recvq, services } = row;
    const { probe, pid, cpuSeconds, rssBytes } = row;
    const rates = this.#rates.get(uuid) ?? ratesOf(countedAt(time, row), countedAt(row.startTime));
    const { rxPerSecond, txPerSecond, cpuPercent } = rates;
    return {
      ...{
        name,
        uuid,
        state,
        phase,
        restarts,
        owedSeconds,
        sendq,
        recvq,
        services,
        rxPerSecond,
        txPerSecond,
      },
      idleSeconds: Math.max(0, time - row.activeTime),
      ...(health !== undefined && { health }),
      ...(probe !== undefined && { probe: fields(probe, PROBE) }),
      ...(pid !== undefined && { pid }),
      ...(cpuSeconds !== undefined && { cpuPercent, rssBytes }),
    };
  }
}

/** Counts up to a time; zero at the start. */
function countedAt(
  atSeconds: number,
  { rx = 0, tx = 0, cpuSeconds = 0 }: { rx?: number; tx?: number; cpuSeconds?: number | undefined } = {},
): Counted {
  return { atSeconds, rx, tx, cpuSeconds };
}

/** Two samples within a millisecond give no useful rate. */
const SHORTEST_SECONDS = 0.001;

function ratesOf(now: Counted, before: Counted): Rates {
  const seconds = Math.max(now.atSeconds - before.atSeconds, SHORTEST_SECONDS);
  return {
    rxPerSecond: (now.rx - before.rx) / seconds,
    txPerSecond: (now.tx - before.tx) / seconds,
    cpuPercent: ((now.cpuSeconds - before.cpuSeconds) / seconds) * 100,
  };
}
