import { messageOf, requestError } from "../../errors/index.js";
import { fields, type JsonValue } from "../../messages/index.js";
import type { Call } from "../builtin-service.js";
import type { Clock, Timer } from "../clock.js";
import type { KnownModules } from "../modules/known-modules.js";
import { Pulse } from "../pulse.js";
import { type BrokerFacts, moduleUsage } from "./module-usage.js";

/** The default time between two checks of the modules. */
const PERIOD_MS = 1000;
const SHORTEST_PERIOD_MS = 100;

/** A burst of changes makes one report. */
const BURST_MS = 20;

/** Answers that a watcher may leave unread. After that it gets the next ones together, once it has read. */
const MOST_UNREAD = 4;

interface WatchOptions {
  readonly facts: BrokerFacts;
  readonly clock: Clock;
}

/**
 * Streams the states of the modules of this rank: first all modules, then those that have changed. It does so at once
 * when a module starts or ends, else once a period (docs/services.md).
 * @returns a function that ends the stream
 */
export function watchModules(call: Call, modules: KnownModules, options: WatchOptions): () => void {
  const { periodMs = PERIOD_MS } = call.fields({ periodMs: "number?" });
  call.requireStreaming();
  if (!(periodMs >= SHORTEST_PERIOD_MS)) {
    throw requestError("EINVAL", `invalid periodMs ${periodMs}: it must be at least ${SHORTEST_PERIOD_MS}`);
  }
  const watch = new ModuleWatch(call, modules, { ...options, periodMs });
  return () => watch.stop();
}

class ModuleWatch {
  readonly #call: Call;
  readonly #modules: KnownModules;
  readonly #options: WatchOptions;
  readonly #unlisten: () => void;
  readonly #pulse: Pulse;
  /** The last report to the watcher, by name, as text. */
  #told = new Map<string, string>();
  #toldFailures = "";
  #burst: Timer | undefined;
  /** The report in progress. A second one would answer out of order. */
  #look: Promise<void> | undefined;
  #isFirst = true;
  #isStopped = false;

  constructor(call: Call, modules: KnownModules, options: WatchOptions & { readonly periodMs: number }) {
    this.#call = call;
    this.#modules = modules;
    this.#options = options;
    this.#unlisten = modules.onChange(() => this.#changed());
    this.#pulse = new Pulse(options.clock, options.periodMs, () => this.#next(true));
    this.#next(true);
  }

  stop(): void {
    this.#isStopped = true;
    this.#unlisten();
    this.#pulse.cancel();
    this.#burst?.cancel();
  }

  #changed(): void {
    this.#burst ??= this.#options.clock.after(BURST_MS, () => {
      this.#burst = undefined;
      if (this.#look === undefined) this.#next(false);
      else this.#changed();
    });
  }

  /** @param isDue whether to report even without a change */
  #next(isDue: boolean): void {
    if (this.#isStopped || this.#look !== undefined || this.#isBehind()) return;
    this.#look = this.#tell(isDue)
      .catch((error: unknown) => {
        if (this.#isStopped) return;
        this.stop();
        this.#call.fail("EIO", messageOf(error));
      })
      .finally(() => (this.#look = undefined));
  }

  #isBehind(): boolean {
    return (this.#call.peer.queue?.backlog().messages ?? 0) > MOST_UNREAD;
  }

  async #tell(isDue: boolean): Promise<void> {
    const { facts, clock } = this.#options;
    const payload = await moduleUsage(this.#modules, facts, clock);
    if (this.#isStopped) return;
    const { time, broker, modules: all } = fields(payload, USAGE);
    const before = this.#told;
    this.#told = new Map();
    const modules = all.map((module) => timed(module, time)).filter((module) => this.#isNew(module, before));
    const gone = [...before.keys()].filter((name) => !this.#told.has(name));
    const failed = this.#newFailures();
    const isChanged = modules.length > 0 || gone.length > 0 || failed !== undefined;
    if (!isDue && !isChanged) return;
    const full = this.#isFirst;
    this.#isFirst = false;
    this.#call.respond({ full, time, broker, modules, gone, ...(failed !== undefined && { failed }) });
  }

  #isNew(module: Readonly<Record<string, JsonValue>>, before: ReadonlyMap<string, string>): boolean {
    const name = fields(module, { name: "string" }).name;
    const text = JSON.stringify(module);
    this.#told.set(name, text);
    return before.get(name) !== text;
  }

  /** All failures, if they differ from the failures of the last report. */
  #newFailures(): JsonValue[] | undefined {
    const failures = [...this.#modules.failures].map(([name, { message, timeMs }]) => {
      return { name, message, time: timeMs / 1000 };
    });
    const text = JSON.stringify(failures);
    if (text === this.#toldFailures) return undefined;
    this.#toldFailures = text;
    return failures;
  }
}

const USAGE = { time: "number", broker: "object", modules: "array" } as const;
const AGES = { idleSeconds: "number", ageSeconds: "number" } as const;

/** In place of values that grow with time it has times, which change only when the module does something. */
function timed(module: JsonValue, time: number): Readonly<Record<string, JsonValue>> {
  const { idleSeconds, ageSeconds } = fields(module, AGES);
  const rest = Object.entries(module as Readonly<Record<string, JsonValue>>).filter(
    ([key]) => !Object.hasOwn(AGES, key),
  );
  // A millisecond of jitter is no change.
  return {
    ...Object.fromEntries(rest),
    activeTime: Math.round(time - idleSeconds),
    startTime: Math.round((time - ageSeconds) * 10) / 10,
  };
}
