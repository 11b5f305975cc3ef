import type { JsonValue } from "../../messages/index.js";
import type { Clock } from "../clock.js";
import type { InstanceUsage } from "../modules/module-instance.js";
import type { ModuleTable } from "../modules/module-table.js";
import { ownUsage, processUsage } from "../modules/process-usage.js";

/** What `module.usage` tells of the broker itself. */
export interface BrokerFacts {
  readonly rank: number;
  readonly size: number;
  /** Connections that are no modules. */
  clients(): number;
  /** Requests that were passed on and not answered yet. */
  pendingRequests(): number;
}

const NOT_STARTED: InstanceUsage = { pid: undefined, ageSeconds: 0, tx: 0, rx: 0 };

/** What the modules of a broker have done and used up to now, all of it at one time (`sluice top`). */
export async function moduleUsage(
  modules: ModuleTable,
  facts: BrokerFacts,
  clock: Clock,
): Promise<Readonly<Record<string, JsonValue>>> {
  const all = modules.list();
  const processes = await Promise.all(
    all.map(async ({ usage }) => (usage?.pid === undefined ? undefined : processUsage(usage.pid))),
  );
  const { rank, size } = facts;
  return {
    time: clock.now() / 1000,
    broker: {
      ...{ rank, size, pid: process.pid, uptimeSeconds: process.uptime() },
      ...{ clients: facts.clients(), pendingRequests: facts.pendingRequests(), ...ownUsage() },
    },
    modules: all.map(({ listed, usage: { pid, ageSeconds, tx, rx } = NOT_STARTED }, at) => ({
      ...{ ...listed, ageSeconds, tx, rx },
      ...(pid !== undefined && { pid, ...processes[at] }),
    })),
  };
}
