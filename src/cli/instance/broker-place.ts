import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import {
  formatNatsServers,
  natsOverlay,
  type NatsOverlayOptions,
  type Overlay,
  parseDelay,
} from "../../broker/index.js";
import { fields, type Handle, type JsonValue } from "../../messages/index.js";
import { configFromJson, LayeredConfiguration } from "../../units/index.js";
import { configInputs, type ConfigOptions } from "../config-inputs.js";
import type { InsecureOption } from "../insecure.js";
import type { FilesOption } from "./files-option.js";
import type { LogOptions } from "./log-options.js";
import type { ModulesOption } from "./modules-option.js";
import { ExitError, UsageError } from "../terminal/output.js";
import { type OverlayOptions, type OverlayPlace, overlayPlace } from "./overlay-options.js";
import { instanceUri, withConnection } from "../session.js";

/** The command line of `sluice broker`. */
export interface BrokerCommandOptions
  extends ConfigOptions, FilesOption, InsecureOption, ModulesOption, LogOptions, OverlayOptions {
  /** `auto`: over hosts, a free number. */
  readonly rank: number | "auto";
  readonly size?: number;
  readonly rundir?: string;
  readonly setattr?: readonly (readonly [string, string])[];
  readonly rejoin: boolean;
  readonly standby?: boolean;
  readonly supervisedProgram?: boolean;
  readonly verbose?: boolean;
  readonly quiet?: boolean;
  readonly eventsFd?: number;
}

/** The broker to start, and its instance. */
export interface BrokerPlace {
  readonly rank: number;
  readonly size: number;
  /** Undefined: a new directory. */
  readonly rundir: string | undefined;
  readonly instanceId: string;
  readonly joinTimeoutMs: number;
  /** The configuration of the instance, for a rank without its own. */
  readonly configuration: LayeredConfiguration | undefined;
  /** The overlay over several machines. It has already found rank 0. */
  readonly overlay?: Overlay | undefined;
  /** The NATS servers of the overlay, for people. */
  readonly servers?: string | undefined;
  /** This rank 0 was a standby, and another broker has led before. */
  readonly isSuccessor?: boolean | undefined;
}

/** How long a rank waits for rank 0, if `broker.quorum-timeout` is not given. */
const JOIN_TIMEOUT_MS = 60_000;

/**
 * The defaults of `overlay.heartbeat-period`, `overlay.retry` and `overlay.lease`, which are needed before attributes
 * exist.
 */
const OVERLAY_MS = { heartbeat: 2000, retry: 1000, lease: 20_000 } as const;

/** The number of heartbeats that another broker of the same rank may miss. */
const MISSED_BEATS = 3;

/**
 * Works out the values that the command line leaves open. A rank other than 0 sends requests to the instance
 * that it is to join.
 * @param signal ends the search for the instance
 * @param onWaiting called with the reason for which rank 0 waits before it leads
 * @throws UsageError if the flags do not go together, ExitError if the directory of the instance is missing, SluiceError `BROKER_STATE` if
 *   it cannot be reached
 */
export async function brokerPlace(
  options: BrokerCommandOptions,
  signal: AbortSignal,
  onWaiting: (text: string) => void,
): Promise<BrokerPlace> {
  const attributes = new Map(options.setattr ?? []);
  const joinTimeoutMs = parseDelay(attributes.get("broker.quorum-timeout") ?? "") ?? JOIN_TIMEOUT_MS;
  const at = overlayPlace(options);
  if (at !== undefined)
    return { ...(await hostPlace(options, at, { joinTimeoutMs, signal, onWaiting })), joinTimeoutMs };
  if (options.standby === true) throw new UsageError("--standby needs --overlay");
  const given = attributes.get("instance-id");
  const { rank } = options;
  if (rank === "auto") throw new UsageError("--rank=auto needs --overlay");
  const place =
    rank === 0
      ? leaderPlace(options, given ?? randomBytes(8).toString("hex"))
      : await followerPlace({ ...options, rank }, given);
  if (place.rank >= place.size) throw rankError(place.size);
  return { ...place, joinTimeoutMs };
}

function rankError(size: number): UsageError {
  return new UsageError(`--rank must be less than --size, which is ${size}`);
}

/** A rank of an instance over hosts. */
async function hostPlace(
  options: BrokerCommandOptions,
  at: OverlayPlace,
  joining: Pick<NatsOverlayOptions, "joinTimeoutMs" | "signal" | "onWaiting">,
): Promise<KnownPlace> {
  const { rank, size, rundir, instance, setattr = [] } = options;
  if (instance === undefined) throw new UsageError("--overlay needs --instance, the name of the instance");
  if (rank !== 0 && options.standby === true) throw new UsageError("--standby is for rank 0");
  if (rank === 0 && size === undefined) throw new UsageError("rank 0 needs --size, the number of brokers");
  if (size !== undefined && rank !== "auto" && rank >= size) throw rankError(size);
  const attributes = new Map(setattr);
  const delay = (name: string): number | undefined => parseDelay(attributes.get(name) ?? "");
  const { overlay, about, isSuccessor } = await natsOverlay({
    ...at.files,
    ...joining,
    directory: process.env["CREDENTIALS_DIRECTORY"],
    servers: at.servers,
    connectTimeoutMs: at.connectTimeoutMs,
    instance,
    rank,
    size,
    silenceMs: (delay("overlay.heartbeat-period") ?? OVERLAY_MS.heartbeat) * MISSED_BEATS,
    retryMs: delay("overlay.retry") ?? OVERLAY_MS.retry,
    leaseMs: delay("overlay.lease") ?? OVERLAY_MS.lease,
    standby: options.standby,
  });
  const isFollower = rank !== 0 && configInputs(options).length === 0;
  return {
    rank: overlay.rank,
    size: overlay.size,
    rundir: rundir === undefined ? undefined : resolve(rundir),
    instanceId: about.instanceId,
    configuration: isFollower ? configurationOf(about.config) : undefined,
    overlay,
    servers: formatNatsServers(at.servers),
    isSuccessor,
  };
}

type KnownPlace = Omit<BrokerPlace, "joinTimeoutMs">;

function leaderPlace({ size = 1, rundir }: BrokerCommandOptions, instanceId: string): KnownPlace {
  if (size > 1 && rundir === undefined) {
    throw new UsageError(`an instance of ${size} brokers needs --rundir, through which they connect`);
  }
  const place = rundir === undefined ? undefined : resolve(rundir);
  return { rank: 0, size, rundir: place, instanceId, configuration: undefined };
}

async function followerPlace(
  options: BrokerCommandOptions & { readonly rank: number },
  given: string | undefined,
): Promise<KnownPlace> {
  const { rank, size } = options;
  const named = options.rundir ?? rundirOf(instanceUri({}));
  const rundir = named === undefined ? undefined : resolve(named);
  if (rundir === undefined) {
    throw new UsageError(`rank ${rank} needs --rundir, or SLUICE_URI, to find the instance that it joins`);
  }
  if (!existsSync(rundir)) throw new ExitError(1, `cannot join the instance in ${rundir}: no such directory`);
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
  return configurationOf(value);
}

function configurationOf(config: Readonly<Record<string, JsonValue>>): LayeredConfiguration {
  return LayeredConfiguration.of(configFromJson(config), "the configuration of the instance");
}

function rundirOf(uri: string | undefined): string | undefined {
  const match = /^local:\/\/(\/.*)$/.exec(uri ?? "");
  return match?.[1] === undefined ? undefined : dirname(match[1]);
}
