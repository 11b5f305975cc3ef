import type { LoadedModule } from "../graph/index.js";
import { fields, type Handle } from "../messages/index.js";
import { configFromJson, LayeredConfiguration } from "../units/index.js";

/** The facts of an instance. */
export interface InstanceFacts {
  readonly rank: number;
  readonly size: number;
  readonly attrs: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
}

/** Requests from an instance all facts that planning needs. */
export async function askInstance(
  handle: Handle,
): Promise<
  InstanceFacts & { readonly configuration: LayeredConfiguration; readonly loaded: readonly LoadedModule[] }
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
    configuration: LayeredConfiguration.of(
      configFromJson(fields(config, { value: "object" }).value),
      "the configuration of the instance",
    ),
    loaded: fields(modules, { modules: "array" }).modules.map((module) =>
      fields(module, { name: "string", services: "string[]", explicit: "boolean" }),
    ),
  };
}

function stringsOf(table: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(Object.entries(table).map(([name, value]) => [name, String(value)]));
}
