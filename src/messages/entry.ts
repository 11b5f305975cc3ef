import { ERRNO, SluiceError } from "../errors/index.js";
import { findLibrary, findMember } from "./library.js";
import type { ModuleMain } from "./module-runtime.js";
import type { Handle } from "./types.js";

/**
 * A class in the style of {@link BrokerModule}. Its `run` identifies it, because a module may have a copy of the
 * library.
 */
type ModuleClass = new (handle: Handle, args: readonly string[]) => { run(): unknown };

/**
 * The entry function of a loaded file (docs/design/modules.md §5): its export `modMain` or `mod_main`, or its
 * default-exported class. Files in CommonJS have all their exports under `default`.
 * @param exports the file's namespace object
 * @param path for the message
 * @param member for a library, the name of the module
 * @throws SluiceError `LOAD_NO_ENTRY`
 */
export function findEntry(exports: unknown, path: string, member?: string): ModuleMain {
  if (member !== undefined) return findMember(exports, path, member);
  for (const candidate of [exports, propertyOf(exports, "default")]) {
    const main = propertyOf(candidate, "modMain") ?? propertyOf(candidate, "mod_main");
    if (typeof main === "function") return main as ModuleMain;
    const moduleClass = propertyOf(candidate, "default") ?? candidate;
    if (isModuleClass(moduleClass)) {
      return (handle, ...args) => new moduleClass(handle, args).run();
    }
  }
  const modules = propertyOf(findLibrary(exports), "modules");
  const message =
    typeof modules === "object" && modules !== null
      ? `${path}: is a library; name one of its modules: ${Object.keys(modules)
          .map((name) => `${path}#${name}`)
          .join(", ")}`
      : `${path}: exports neither modMain nor a default class that extends BrokerModule`;
  throw new SluiceError("LOAD_NO_ENTRY", message, { errnum: ERRNO.EINVAL });
}

function propertyOf(value: unknown, key: string): unknown {
  const holdsProperties = (typeof value === "object" && value !== null) || typeof value === "function";
  return holdsProperties ? (value as Readonly<Record<string, unknown>>)[key] : undefined;
}

function isModuleClass(value: unknown): value is ModuleClass {
  return typeof value === "function" && typeof propertyOf(value.prototype, "run") === "function";
}
