import { createHash } from "node:crypto";
import { digestOf } from "../../libraries/index.js";
import { MODULE_OPTION_FIELDS, readEnvironmentFiles } from "../../loaders/index.js";
import type { JsonValue } from "../../messages/index.js";
import type { LoadRequest, ModuleEntry } from "../modules/module-entry.js";
import type { FoundModule } from "../modules/module-finder.js";
import type { GoneModule, KnownModules } from "../modules/known-modules.js";

/** Names of the fields that come from a unit, besides its path and arguments. */
const OPTIONS = [...Object.keys(MODULE_OPTION_FIELDS), "timeoutMs"];

/** The modules that run or have ended by themselves, with the parameters of their loads. */
export async function recordedModules(
  known: KnownModules,
  servicesOf: (entry: ModuleEntry) => readonly string[],
): Promise<JsonValue> {
  const up = known.entries().map(async (entry) => {
    const state = entry.state.kind === "backoff" ? "waits" : "up";
    return recordOf(entry, state, servicesOf(entry));
  });
  return Promise.all([...up, ...known.gone().map(({ entry, state }) => recordOf(entry, state, []))]);
}

async function recordOf(
  entry: ModuleEntry,
  state: "up" | "waits" | GoneModule["state"],
  services: readonly string[],
): Promise<JsonValue> {
  const { name, request, args, file, started } = entry;
  const options = Object.entries(request).filter(
    ([key, value]) => OPTIONS.includes(key) && value !== undefined,
  );
  return {
    name,
    args: [...(request.unitArgs ?? args)],
    options: Object.fromEntries(options) as Record<string, JsonValue>,
    services: services.filter((service) => service !== name),
    state,
    byName: request.explicit === true && request.ofStart !== true,
    isPlanned: request.plan !== undefined,
    file: {
      digest: (await entry.digest) ?? null,
      loader: file?.loader.name ?? null,
      member: file?.member ?? null,
      variables: started?.fileVariables === undefined ? null : digestOfVariables(started.fileVariables),
    },
  };
}

/**
 * The current parts of a module to load. A missing or unreadable part is null: the load reports whether
 * that is a mistake.
 */
export async function fileOf(
  request: LoadRequest,
  find: (request: LoadRequest) => Promise<FoundModule>,
): Promise<JsonValue> {
  const { command, environmentFile = [], directory = process.cwd() } = request;
  const isProgram = command !== undefined;
  const [found, variables] = await Promise.all([
    find(request).catch(() => undefined),
    isProgram
      ? readEnvironmentFiles(environmentFile, directory).then(digestOfVariables, () => null)
      : Promise.resolve(null),
  ]);
  const digest = isProgram || found === undefined ? null : await digestOf(found.path).catch(() => null);
  return {
    ...{ digest, variables },
    loader: found?.loader.name ?? null,
    member: found?.member ?? null,
  };
}

function digestOfVariables(variables: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(variables).sort(([a], [b]) => (a < b ? -1 : 1));
  return `sha256-${createHash("sha256").update(JSON.stringify(sorted)).digest("hex")}`;
}
