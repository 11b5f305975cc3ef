import type { JsonValue } from "../../messages/index.js";
import type { Clock } from "../clock.js";
import type { InstanceUsage } from "../modules/module-instance.js";
import type { KnownModules } from "../modules/known-modules.js";
import { ownUsage, processUsage } from "../modules/process-usage.js";
import type { RunTotals } from "./run-totals.js";

/** The fields of `module.usage` about the broker itself. */
export interface BrokerFacts {
  readonly rank: number;
  readonly size: number;
  /** Connections that are no modules. */
  clients(): number;
  /** Requests that were passed on and not answered yet. */
  pendingRequests(): number;
  /** Requests for modules that are being reloaded, and senders that wait for an overloaded receiver. */
  heldRequests(): number;
  /** Events that were published here. */
  publishedEvents(): number;
  /** Lines of the log, and of the output of programs, that were dropped for later ones. */
  droppedLogLines(): number;
  /** The totals of the runs so far. */
  runs(): readonly RunTotals[];
}

const NOT_STARTED: InstanceUsage = { pid: undefined, ageSeconds: 0, tx: 0, rx: 0 };

/** The counts and resource usage of a broker's modules, all at one time (`sluice top`). */
export async function moduleUsage(
  modules: KnownModules,
  facts: BrokerFacts,
  clock: Clock,
): Promise<Readonly<Record<string, JsonValue>>> {
  // Ages count up to now, not up to the end of the reading.
  const time = clock.now() / 1000;
  const all = modules.list();
  const processes = await Promise.all(
    all.map(async ({ usage }) => (usage?.pid === undefined ? undefined : processUsage(usage.pid))),
  );
  const { rank, size } = facts;
  return {
    time,
    broker: {
      ...{ rank, size, pid: process.pid, uptimeSeconds: process.uptime() },
      ...{ clients: facts.clients(), pendingRequests: facts.pendingRequests(), ...ownUsage() },
      ...{ heldRequests: facts.heldRequests(), publishedEvents: facts.publishedEvents() },
      ...{ droppedLogLines: facts.droppedLogLines(), runs: facts.runs().map((run) => ({ ...run })) },
    },
    modules: all.map(({ listed, usage = NOT_STARTED, phase, restarts, health }, at) => {
      const { pid, ageSeconds, tx, rx } = usage;
      const own = pid === undefined ? {} : { pid, ...processes[at] };
      return { ...listed, phase, restarts, ...health, ageSeconds, tx, rx, ...own };
    }),
  };
}
