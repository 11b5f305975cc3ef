import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parseDelay } from "../../broker/index.js";
import { fields, type Handle } from "../../messages/index.js";
import { configFromJson, LayeredConfiguration } from "../../units/index.js";
import { configInputs, type ConfigOptions } from "../config-inputs.js";
import type { InsecureOption } from "../insecure.js";
import type { ModulesOption } from "./modules-option.js";
import { ExitError, UsageError } from "../terminal/output.js";
import { instanceUri, withConnection } from "../session.js";

/** The command line of `sluice broker`. */
export interface BrokerCommandOptions extends ConfigOptions, InsecureOption, ModulesOption {
  readonly rank: number;
  readonly size?: number;
  readonly rundir?: string;
  readonly setattr?: readonly (readonly [string, string])[];
  readonly logFile?: string;
  readonly supervisedProgram?: boolean;
  readonly verbose?: boolean;
  readonly quiet?: boolean;
  readonly eventsFd?: number;
}

/** Which broker of which instance is to be started. */
export interface BrokerPlace {
  readonly rank: number;
  readonly size: number;
  /** Undefined: a fresh one. */
  readonly rundir: string | undefined;
  readonly instanceId: string;
  readonly joinTimeoutMs: number;
  /** That of the instance, for a rank that comes to it without one of its own. */
  readonly configuration: LayeredConfiguration | undefined;
}

/** How long a rank waits for rank 0, if `broker.quorum-timeout` is not given. */
const JOIN_TIMEOUT_MS = 60_000;

/**
 * Works out what the command line leaves open; a rank other than 0 asks the instance that it is to join.
 * @throws UsageError if the flags do not go together, ExitError if there is no such instance
 */
export async function brokerPlace(options: BrokerCommandOptions): Promise<BrokerPlace> {
  const attributes = new Map(options.setattr ?? []);
  const joinTimeoutMs = parseDelay(attributes.get("broker.quorum-timeout") ?? "") ?? JOIN_TIMEOUT_MS;
  const given = attributes.get("instance-id");
  const place =
    options.rank === 0
      ? leaderPlace(options, given ?? randomBytes(8).toString("hex"))
      : await followerPlace(options, given);
  if (place.rank >= place.size) {
    throw new UsageError(`--rank must be less than --size, which is ${place.size}`);
  }
  return { ...place, joinTimeoutMs };
}

type KnownPlace = Omit<BrokerPlace, "joinTimeoutMs">;

function leaderPlace({ size = 1, rundir }: BrokerCommandOptions, instanceId: string): KnownPlace {
  if (size > 1 && rundir === undefined) {
    throw new UsageError(`an instance of ${size} brokers needs --rundir, where they meet`);
  }
  const place = rundir === undefined ? undefined : resolve(rundir);
  return { rank: 0, size, rundir: place, instanceId, configuration: undefined };
}

async function followerPlace(options: BrokerCommandOptions, given: string | undefined): Promise<KnownPlace> {
  const { rank, size } = options;
  const named = options.rundir ?? rundirOf(instanceUri({}));
  const rundir = named === undefined ? undefined : resolve(named);
  if (rundir === undefined) {
    throw new UsageError(`rank ${rank} needs --rundir, or SLUICE_URI, to find the instance that it joins`);
  }
  if (!existsSync(rundir)) throw new ExitError(1, `there is no instance in ${rundir}: no such directory`);
  if (given !== undefined && size !== undefined) {
    return { rank, size, rundir, instanceId: given, configuration: undefined };
  }
  const hasOwn = configInputs(options).length > 0;
  return withConnection(`local://${rundir}/local-0`, async (handle) => ({
    rank,
    size: size ?? handle.size,
    rundir,
    instanceId: given ?? (await handle.attr("instance-id")) ?? "",
    configuration: hasOwn ? undefined : await configurationFrom(handle),
  }));
}

async function configurationFrom(handle: Handle): Promise<LayeredConfiguration> {
  const { value } = fields(await handle.rpc("config.get", {}), { value: "object" });
  return LayeredConfiguration.of(configFromJson(value), "the instance's configuration");
}

function rundirOf(uri: string | undefined): string | undefined {
  const match = /^local:\/\/(\/.*)$/.exec(uri ?? "");
  return match?.[1] === undefined ? undefined : dirname(match[1]);
}
