import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  type Broker,
  type RegisteredInstance,
  registerInstance,
  type Registration,
} from "../../broker/index.js";
import type { BrokerCommandOptions, BrokerPlace } from "./broker-place.js";

/** Registers an instance that `sluice start` is about to start. */
export function registerStart(
  instance: Pick<RegisteredInstance, "id" | "name" | "rundir" | "size" | "files">,
): Registration {
  return register({ ...instance, rank: 0, uri: `local://${instance.rundir}/local-0` });
}

/**
 * Registers a broker that was started by itself. A rank that shares the run directory of rank 0 gets no entry,
 * because rank 0 has one.
 */
export async function registerBroker(
  broker: Broker,
  { instance }: BrokerCommandOptions,
  { instanceId: id, size }: BrokerPlace,
): Promise<Registration | undefined> {
  const { uri, rundir, rank } = broker;
  if (uri === undefined || (rank > 0 && existsSync(join(rundir, "local-0")))) return undefined;
  await broker.ensureSocket();
  return register({ id, name: instance ?? id, uri, rundir, rank, size, files: [] });
}

/** This process runs the instance. */
function register(instance: Omit<RegisteredInstance, "pid" | "startTime">): Registration {
  return registerInstance({ ...instance, pid: process.pid, startTime: Date.now() / 1000 }, process.env);
}
