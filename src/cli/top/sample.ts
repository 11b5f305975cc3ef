import { fields, type Handle, type JsonValue } from "../../messages/index.js";

/** A module at one time, with what it did per second since the time before. */
export interface ModuleSample {
  readonly name: string;
  readonly uuid: string;
  readonly state: string;
  readonly idleSeconds: number;
  /** How long it has owed the answer to a ping of its watchdog; 0 if it owes none. */
  readonly owedSeconds: number;
  readonly sendq: number;
  readonly recvq: number;
  readonly services: readonly string[];
  /** Messages that it was given, and that it has sent. */
  readonly rxPerSecond: number;
  readonly txPerSecond: number;
  /** Of its process; absent for one in a thread of the broker. */
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

/** What `sluice top` shows, and prints with `--json`. */
export interface Sample {
  /** Seconds since 1970. */
  readonly time: number;
  readonly broker: BrokerSample;
  readonly modules: readonly ModuleSample[];
}

const USAGE = { time: "number", broker: "object", modules: "array" } as const;

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

const MODULE = {
  name: "string",
  uuid: "string",
  state: "string",
  idleSeconds: "number",
  owedSeconds: "number",
  sendq: "integer",
  recvq: "integer",
  services: "string[]",
  ageSeconds: "number",
  tx: "integer",
  rx: "integer",
  pid: "integer?",
  cpuSeconds: "number?",
  rssBytes: "integer?",
} as const;

/** What was counted up to some time. */
interface Counted {
  readonly atSeconds: number;
  readonly rx: number;
  readonly tx: number;
  readonly cpuSeconds: number;
}

/**
 * Asks the broker what its modules do, again and again, and makes rates of it. The first ones are the means since each
 * module was started, as top(1) has it.
 */
export class Sampler {
  readonly #handle: Handle;
  /** Of the sample before, by uuid; the broker's own is under the empty one. */
  #before = new Map<string, Counted>();

  constructor(handle: Handle) {
    this.#handle = handle;
  }

  async next(signal: AbortSignal): Promise<Sample> {
    const usage = fields(await this.#handle.rpc("module.usage", {}, { signal }), USAGE);
    const before = this.#before;
    this.#before = new Map();
    const { time } = usage;
    return {
      time,
      broker: this.#broker(usage.broker, time, before),
      modules: usage.modules.map((module) => this.#module(module, time, before)),
    };
  }

  #broker(payload: JsonValue, time: number, before: ReadonlyMap<string, Counted>): BrokerSample {
    const { cpuSeconds, ...broker } = fields(payload, BROKER);
    const now = { atSeconds: time, rx: 0, tx: 0, cpuSeconds };
    this.#before.set("", now);
    const rates = ratesOf(now, before.get("") ?? startedAt(time - broker.uptimeSeconds));
    return { ...broker, cpuPercent: rates.cpuPercent };
  }

  #module(payload: JsonValue, time: number, before: ReadonlyMap<string, Counted>): ModuleSample {
    const { ageSeconds, rx, tx, cpuSeconds, rssBytes, pid, ...module } = fields(payload, MODULE);
    const now = { atSeconds: time, rx, tx, cpuSeconds: cpuSeconds ?? 0 };
    this.#before.set(module.uuid, now);
    const rates = ratesOf(now, before.get(module.uuid) ?? startedAt(time - ageSeconds));
    const { rxPerSecond, txPerSecond, cpuPercent } = rates;
    return {
      ...{ ...module, rxPerSecond, txPerSecond },
      ...(pid !== undefined && { pid }),
      ...(cpuSeconds !== undefined && { cpuPercent, rssBytes }),
    };
  }
}

function startedAt(atSeconds: number): Counted {
  return { atSeconds, rx: 0, tx: 0, cpuSeconds: 0 };
}

/** Two looks within a millisecond tell nothing of a rate. */
const SHORTEST_SECONDS = 0.001;

function ratesOf(
  now: Counted,
  before: Counted,
): { readonly rxPerSecond: number; readonly txPerSecond: number; readonly cpuPercent: number } {
  const seconds = Math.max(now.atSeconds - before.atSeconds, SHORTEST_SECONDS);
  return {
    rxPerSecond: (now.rx - before.rx) / seconds,
    txPerSecond: (now.tx - before.tx) / seconds,
    cpuPercent: ((now.cpuSeconds - before.cpuSeconds) / seconds) * 100,
  };
}
