import { type Command, Option } from "commander";
import type { Facts, LoadedModule } from "../graph/index.js";
import type { Handle } from "../messages/index.js";
import { LayeredConfiguration, type FileGuard, readConfiguration } from "../units/index.js";
import { assignment, collect, positiveInteger, wholeNumber } from "./arguments.js";
import { configInputs, type ConfigOptions, withConfig } from "./config-inputs.js";
import { guardFor, type InsecureOption, withInsecure } from "./insecure.js";
import type { InstanceFacts } from "../instance/instance-facts.js";
import { ExitError, sayDiagnostics, UsageError } from "./terminal/output.js";
import { instanceUri, withConnection, withUri } from "./session.js";

/** Options that say for which instance to plan; those of an instance count where they are absent. */
export interface FactOptions extends ConfigOptions, InsecureOption {
  readonly uri?: string;
  readonly rank?: number;
  readonly size?: number;
  readonly attr?: readonly (readonly [string, string])[];
  /** Of the instance that this process was started in, whatever `uri` says. */
  readonly here?: boolean;
}

/** Adds the options that give facts without an instance (docs/design/planning.md §3). */
export function withFacts(command: Command): Command {
  const located = withUri(command)
    .addOption(new Option("--rank <n>", "plan for this rank").argParser(wholeNumber))
    .addOption(new Option("--size <n>", "of an instance of this size").argParser(positiveInteger));
  const configured = withInsecure(withConfig(located, "--config, --config-path <path>"));
  return configured.addOption(
    new Option("--attr <name=value>", "with this attribute").argParser(collect(assignment)),
  );
}

/** Everything that planning asks of the world. */
export interface PlanningContext {
  readonly facts: Facts;
  readonly configuration: LayeredConfiguration;
  /** What runs already; empty without an instance. */
  readonly loaded: readonly LoadedModule[];
  /** Of the instance, if there is one. */
  readonly handle: Handle | undefined;
  /** What the files that are read for it must pass. */
  readonly guard: FileGuard;
}

/** Gathers the facts, from the instance if there is one, with what flags say on top, and runs the function with them. */
export async function withPlanningContext<T>(
  options: FactOptions,
  run: (context: PlanningContext) => Promise<T>,
): Promise<T> {
  refuseImpossibleRank(options);
  const guard = guardFor(options);
  const flags = await configurationOf(options, guard, "sluice-modprobe");
  const uri = instanceUri(options.here ? {} : options);
  if (uri === undefined) {
    const facts = factsOf(options, flags, { rank: 0, size: 1, attrs: {}, env: {} });
    return run({ facts, configuration: flags, loaded: [], handle: undefined, guard });
  }
  return withConnection(uri, async (handle) => {
    const { askInstance } = await import("../instance/instance-facts.js");
    const instance = await askInstance(handle);
    const configuration = new LayeredConfiguration([...instance.configuration.layers, ...flags.layers]);
    const facts = factsOf(options, configuration, instance);
    return run({ facts, configuration, loaded: instance.loaded, handle, guard });
  });
}

/** A size that nobody gave is no more than a default; one that somebody did says which ranks there are. */
function refuseImpossibleRank({ rank = 0, size = Infinity }: FactOptions): void {
  if (rank >= size) throw new UsageError(`there is no rank ${rank} in an instance of size ${size}`);
}

/**
 * Reads the configuration that flags name.
 * @throws ExitError after the problems were printed
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

function factsOf(options: FactOptions, configuration: LayeredConfiguration, base: InstanceFacts): Facts {
  return {
    rank: options.rank ?? base.rank,
    size: options.size ?? base.size,
    config: configuration.table,
    attrs: { ...base.attrs, ...Object.fromEntries(options.attr ?? []) },
    // The local environment counts; the broker's is asked where that lacks a variable.
    env: { ...base.env, ...process.env },
  };
}
