import { type Command, Option } from "commander";
import type { Facts, LoadedModule } from "../graph/index.js";
import { fields, type Handle } from "../messages/index.js";
import { configFromJson, type ConfigInput, Configuration, readConfiguration } from "../units/index.js";
import { assignment, collect, positiveInteger, wholeNumber } from "./arguments.js";
import { ExitError, sayDiagnostics } from "./output.js";
import { instanceUri, withConnection, withUri } from "./session.js";

/** Options that say for which instance to plan; those of an instance count where they are absent. */
export interface FactOptions {
  readonly uri?: string;
  readonly rank?: number;
  readonly size?: number;
  readonly config?: readonly string[];
  readonly conf?: readonly string[];
  readonly attr?: readonly (readonly [string, string])[];
}

/** Adds the options that give facts without an instance (planning.md §3). */
export function withFacts(command: Command): Command {
  return withUri(command)
    .addOption(new Option("--rank <n>", "plan for this rank").argParser(wholeNumber))
    .addOption(new Option("--size <n>", "of an instance of this size").argParser(positiveInteger))
    .addOption(
      new Option("--config <path>", "with this configuration file or directory").argParser(collect(String)),
    )
    .addOption(
      new Option("--conf <key=value|file>", "with this configuration value or file").argParser(
        collect(String),
      ),
    )
    .addOption(new Option("--attr <name=value>", "with this attribute").argParser(collect(assignment)));
}

/** Everything that planning asks of the world. */
export interface Circumstances {
  readonly facts: Facts;
  readonly configuration: Configuration;
  /** What runs already; empty without an instance. */
  readonly loaded: readonly LoadedModule[];
  /** Of the instance, if there is one. */
  readonly handle: Handle | undefined;
}

/** Gathers the facts, from the instance if there is one, with what flags say on top, and runs the function with them. */
export async function withCircumstances<T>(
  options: FactOptions,
  run: (circumstances: Circumstances) => Promise<T>,
): Promise<T> {
  const flags = await configurationOf(options, "sluice-modprobe");
  const uri = instanceUri(options);
  if (uri === undefined) {
    const facts = factsOf(options, flags, { rank: 0, size: 1, attrs: {}, env: {} });
    return run({ facts, configuration: flags, loaded: [], handle: undefined });
  }
  return withConnection(uri, async (handle) => {
    const instance = await askInstance(handle);
    const configuration = new Configuration([...instance.configuration.layers, ...flags.layers]);
    const facts = factsOf(options, configuration, instance);
    return run({ facts, configuration, loaded: instance.loaded, handle });
  });
}

/**
 * Reads the configuration that flags name.
 * @throws ExitError after the problems were printed
 */
export async function configurationOf(
  options: { readonly config?: readonly string[]; readonly conf?: readonly string[] },
  prefix: string,
): Promise<Configuration> {
  const inputs: ConfigInput[] = [
    ...(options.config ?? []).map((path) => ({ kind: "path", path }) as const),
    ...(options.conf ?? []).map((text) => ({ kind: "flag", text }) as const),
  ];
  const read = await readConfiguration(inputs);
  if (read.ok) return read.value;
  sayDiagnostics(read.diagnostics, prefix);
  throw new ExitError(1);
}

interface InstanceFacts {
  readonly rank: number;
  readonly size: number;
  readonly attrs: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
}

function factsOf(options: FactOptions, configuration: Configuration, base: InstanceFacts): Facts {
  return {
    rank: options.rank ?? base.rank,
    size: options.size ?? base.size,
    config: configuration.table,
    attrs: { ...base.attrs, ...Object.fromEntries(options.attr ?? []) },
    // The local environment counts; the broker's is asked where that lacks a variable.
    env: { ...base.env, ...process.env },
  };
}

async function askInstance(
  handle: Handle,
): Promise<
  InstanceFacts & { readonly configuration: Configuration; readonly loaded: readonly LoadedModule[] }
> {
  const [attrs, env, config, modules] = await Promise.all([
    handle.rpc("attr.list"),
    handle.rpc("broker.getenv", {}),
    handle.rpc("config.get", {}),
    handle.rpc("module.list"),
  ]);
  return {
    rank: handle.rank,
    size: handle.size,
    attrs: stringsOf(fields(attrs, { attrs: "object" }).attrs),
    env: stringsOf(fields(env, { env: "object" }).env),
    configuration: Configuration.of(
      configFromJson(fields(config, { value: "object" }).value),
      "the instance's configuration",
    ),
    loaded: fields(modules, { modules: "array" }).modules.map((module) =>
      fields(module, { name: "string", services: "string[]", explicit: "boolean" }),
    ),
  };
}

function stringsOf(table: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(Object.entries(table).map(([name, value]) => [name, String(value)]));
}
