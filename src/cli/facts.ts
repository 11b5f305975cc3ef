import { join } from "node:path";
import { type Command, Option } from "commander";
import type { Facts, LoadedModule } from "../graph/index.js";
import type { Handle } from "../messages/index.js";
import { LayeredConfiguration, type FileGuard, FragmentCache, readConfiguration } from "../units/index.js";
import { assignment, collect, positiveInteger, wholeNumber } from "./arguments.js";
import { configInputs, configPathAttribute, type ConfigOptions, withConfig } from "./config-inputs.js";
import { guardFor, type InsecureOption, withInsecure } from "./insecure.js";
import type { FluxDriver } from "../instance/flux-driver.js";
import type { InstanceFacts } from "../instance/instance-facts.js";
import { ExitError, say, sayDiagnostics, UsageError } from "./terminal/output.js";
import { instanceUri, namedOrOnlyInstance, withConnection, withUri } from "./session.js";

/** Options with the facts of the plan. A missing option takes the value of the instance. */
export interface FactOptions extends ConfigOptions, InsecureOption {
  readonly uri?: string;
  readonly rank?: number;
  readonly size?: number;
  readonly attr?: readonly (readonly [string, string])[];
  /** False for `--no-cache`. */
  readonly cache?: boolean;
  /** The other system whose instance is driven. Only `flux` is supported. */
  readonly on?: string;
  /** Takes the instance that this process was started in, whatever the value of `uri`. */
  readonly here?: boolean;
}

interface Planning {
  /** The plan is to be carried out, so that the only instance of this user counts as named. */
  readonly isLive?: boolean;
}

/** Adds the options that give facts without an instance (docs/design/planning.md §3). */
export function withFacts(command: Command): Command {
  const located = withUri(command)
    .addOption(new Option("--rank <n>", "plan for this rank").argParser(wholeNumber))
    .addOption(new Option("--size <n>", "plan for an instance of this size").argParser(positiveInteger));
  const configured = withInsecure(withConfig(located, "--config, --config-path <path>"));
  return withCache(withOn(configured)).addOption(
    new Option("--attr <name=value>", "plan with this attribute").argParser(collect(assignment)),
  );
}

/** Adds `--no-cache`. */
export function withCache(command: Command): Command {
  return command.option("--no-cache", "parse every file, without the cache");
}

/** Adds `--on`. */
export function withOn(command: Command): Command {
  return command.addOption(
    new Option("--on <system>", "use the live instance of another system, at FLUX_URI")
      .choices(["flux"])
      .conflicts(["uri", "onRanks"]),
  );
}

/** All data that planning needs from outside. */
export interface PlanningContext {
  readonly facts: Facts;
  readonly configuration: LayeredConfiguration;
  /** The running modules; empty without an instance. */
  readonly loaded: readonly LoadedModule[];
  /** The handle of the instance, if there is one. */
  readonly handle: Handle | undefined;
  /** Where the driver listens if the instance is a Flux instance, which has no record of Sluice's actions. */
  readonly fluxUri?: string | undefined;
  /** The guard for the files that planning reads. */
  readonly guard: FileGuard;
  /** The cache of earlier reads. */
  readonly cache: FragmentCache | undefined;
}

/** Gathers the facts, from the instance if there is one, overridden by flags, and runs the function with them. */
export async function withPlanningContext<T>(
  options: FactOptions,
  run: (context: PlanningContext) => Promise<T>,
  { isLive = false }: Planning = {},
): Promise<T> {
  refuseImpossibleRank(options);
  const guard = guardFor(options);
  const flags = await configurationOf(options, guard, "sluice-modprobe");
  if (options.on === "flux") {
    return withFlux(({ handle, uri }) => fromInstance(handle, { options, flags, guard, fluxUri: uri }, run));
  }
  const named = options.here ? {} : options;
  const uri = isLive ? await namedOrOnlyInstance(named) : instanceUri(named);
  if (uri === undefined) {
    const attrs = configPathAttribute(options);
    const facts = factsOf(options, flags, { rank: 0, size: 1, attrs, env: {} });
    const cache = cacheOf(options, undefined);
    return run({ facts, configuration: flags, loaded: [], handle: undefined, guard, cache });
  }
  return withConnection(uri, (handle) => fromInstance(handle, { options, flags, guard }, run));
}

/** The facts before a request to an instance. */
interface Asking {
  readonly options: FactOptions;
  readonly flags: LayeredConfiguration;
  readonly guard: FileGuard;
  readonly fluxUri?: string;
}

async function fromInstance<T>(
  handle: Handle,
  { options, flags, guard, fluxUri }: Asking,
  run: (context: PlanningContext) => Promise<T>,
): Promise<T> {
  const { askInstance } = await import("../instance/instance-facts.js");
  const instance = await askInstance(handle);
  const configuration = new LayeredConfiguration([...instance.configuration.layers, ...flags.layers]);
  const facts = factsOf(options, configuration, instance);
  const cache = cacheOf(options, facts.attrs["cachedir"]);
  return run({ facts, configuration, loaded: instance.loaded, handle, fluxUri, guard, cache });
}

/** Runs the function with a driver of the Flux instance that this process is in. */
export async function withFlux<T>(run: (driver: FluxDriver) => Promise<T>): Promise<T> {
  const { startFluxDriver } = await import("../instance/flux-driver.js");
  const driver = await startFluxDriver(process.env, (text) => say(`sluice-modprobe: ${text}`));
  try {
    return await run(driver);
  } finally {
    await driver.close();
  }
}

/**
 * As {@link withPlanningContext}. A command that does more than plan is for the only instance of this user, if it
 * names none.
 */
export function withLiveContext<T>(
  options: FactOptions & { readonly dryRun?: boolean; readonly onRanks?: unknown },
  run: (context: PlanningContext) => Promise<T>,
): Promise<T> {
  return withPlanningContext(options, run, {
    isLive: options.dryRun !== true || options.onRanks !== undefined,
  });
}

/** A missing size is only a default. A given size limits the ranks. */
function refuseImpossibleRank({ rank = 0, size = Infinity }: FactOptions): void {
  if (rank >= size)
    throw new UsageError(`invalid rank ${rank}: an instance of size ${size} has ranks 0 to ${size - 1}`);
}

/**
 * Reads the configuration that flags name.
 * @throws ExitError after it has printed the problems
 */
async function configurationOf(
  options: ConfigOptions,
  guard: FileGuard,
  prefix: string,
): Promise<LayeredConfiguration> {
  const read = await readConfiguration(configInputs(options), guard);
  if (read.ok) return read.value;
  sayDiagnostics(read.diagnostics, prefix);
  throw new ExitError(1);
}

/**
 * @param directory attribute `cachedir` of an instance, which lasts as long as the instance; without an instance, the
 * user's
 */
function cacheOf({ cache }: FactOptions, directory: string | undefined): FragmentCache | undefined {
  if (cache === false) return undefined;
  return directory === undefined || directory === ""
    ? FragmentCache.ofUser(process.env)
    : FragmentCache.in(join(directory, "catalogs"));
}

function factsOf(options: FactOptions, configuration: LayeredConfiguration, base: InstanceFacts): Facts {
  return {
    rank: options.rank ?? base.rank,
    size: options.size ?? base.size,
    config: configuration.table,
    attrs: { ...base.attrs, ...Object.fromEntries(options.attr ?? []) },
    // The local environment counts. A variable that it lacks comes from the broker.
    env: { ...base.env, ...process.env },
  };
}
