import { ERRNO, errnumOf, messageOf, SluiceError } from "../errors/index.js";
import type { ModuleMain } from "./module-runtime.js";
import type { JsonValue } from "./types.js";

/** The required exports of a plug-in (docs/design/modules.md §6). */
export interface PluginDemand {
  /** The required kind. A file that declares a kind must declare this one. */
  readonly kind?: string | undefined;
  /** Names of its functions. */
  readonly symbols: readonly string[];
}

/** A function of a plug-in, with any arguments. */
export type PluginFunction = (...args: readonly unknown[]) => unknown;

/**
 * The functions of a plug-in, and no others. Files in CommonJS have all their exports under `default`.
 * @param path for the message
 * @throws SluiceError `LOAD_PLUGIN` with everything that is missing
 */
export function pluginFunctions(
  exports: unknown,
  path: string,
  { kind, symbols }: PluginDemand,
): ReadonlyMap<string, PluginFunction> {
  const own = propertyOf(exports, "pluginKind") ?? propertyOf(propertyOf(exports, "default"), "pluginKind");
  const found = new Map<string, PluginFunction>();
  const missing: string[] = [];
  for (const symbol of symbols) {
    const value = propertyOf(exports, symbol) ?? propertyOf(propertyOf(exports, "default"), symbol);
    if (typeof value === "function") found.set(symbol, value as PluginFunction);
    else missing.push(symbol);
  }
  const problems = [
    ...(own === undefined || kind === undefined || own === kind
      ? []
      : [`is of kind '${typeof own === "string" ? own : typeof own}', but '${kind}' is required`]),
    ...(missing.length === 0 ? [] : [`has no function ${missing.join(", ")}`]),
  ];
  if (problems.length === 0) return found;
  throw new SluiceError("LOAD_PLUGIN", `${path}: ${problems.join("; ")}`, { errnum: ERRNO.EINVAL });
}

/** A module that serves a plug-in: request `NAME.SYMBOL` with `{args}`, response `{result}`. */
export function pluginMain(functions: ReadonlyMap<string, PluginFunction>): ModuleMain {
  return async (h) => {
    for (const [symbol, call] of functions) {
      h.handle(symbol, async ({ payload }) => {
        const args = propertyOf(payload, "args");
        try {
          const result = await call(...(Array.isArray(args) ? (args as readonly unknown[]) : []));
          return { result: (result ?? null) as JsonValue };
        } catch (error) {
          // An error of a function is its answer, and does not end the plug-in.
          const errnum = errnumOf(error) ?? ERRNO.EIO;
          throw new SluiceError("PLUGIN_FAILED", messageOf(error), { errnum, cause: error });
        }
      });
    }
    await h.run();
  };
}

function propertyOf(value: unknown, key: string): unknown {
  const holdsProperties = (typeof value === "object" && value !== null) || typeof value === "function";
  return holdsProperties && key in value ? (value as Readonly<Record<string, unknown>>)[key] : undefined;
}
