import { createRequire } from "node:module";
import type * as Jiti from "jiti";
import { ERRNO, messageOf, SluiceError } from "../errors/index.js";
import { openAddon } from "./native/addon.js";
import { isAddon } from "./native/is-addon.js";
import type { LibraryQuery, ModuleLoader, ModuleSpec, RunningModule } from "./module-loader.js";

/** A loader that is a file (`[loaders.NAME] plugin = "FILE"` of the configuration). */
export interface PluginLoaderOptions {
  readonly name: string;
  readonly suffixes: readonly string[];
  /** First bytes of its files. */
  readonly magic?: Uint8Array | undefined;
  /** Absolute path of a file that exports a {@link ModuleLoader}, as `loader` or by default. */
  readonly plugin: string;
  /** Called before the file is imported. An error that it throws prevents the import. */
  readonly verify?: () => void;
}

/** Takes the place of a loader in a separate file, and imports the file at the first load. */
export function createPluginLoader(options: PluginLoaderOptions): ModuleLoader {
  return new PluginLoader(options);
}

class PluginLoader implements ModuleLoader {
  readonly name: string;
  readonly suffixes: readonly string[];
  readonly #options: PluginLoaderOptions;
  #loaded: Promise<ModuleLoader> | undefined;

  constructor(options: PluginLoaderOptions) {
    this.name = options.name;
    this.suffixes = options.suffixes;
    this.#options = options;
  }

  recognises(head: Uint8Array): boolean {
    const { magic } = this.#options;
    return magic?.every((byte, at) => head[at] === byte) === true;
  }

  async readModuleName(path: string): Promise<string | undefined> {
    const loader = await this.#load();
    return loader.readModuleName?.(path);
  }

  async readLibrary(query: LibraryQuery): Promise<unknown> {
    return (await this.#load()).readLibrary?.(query);
  }

  async start(spec: ModuleSpec): Promise<RunningModule> {
    return (await this.#load()).start(spec);
  }

  async #load(): Promise<ModuleLoader> {
    const { plugin, verify } = this.#options;
    if (this.#loaded === undefined) verify?.();
    this.#loaded ??= importLoader(plugin);
    // The user may correct or add the file before the next load.
    this.#loaded.catch(() => (this.#loaded = undefined));
    return this.#loaded;
  }
}

async function importLoader(file: string): Promise<ModuleLoader> {
  const exports = await importInProcess(file);
  for (const candidate of [exports["loader"], exports["default"]]) {
    if (isLoader(candidate)) return candidate;
  }
  throw new SluiceError(
    "LOAD_FAILED",
    `${file}: exports no loader: 'loader' or the default export must have start()`,
    {
      errnum: ERRNO.EINVAL,
    },
  );
}

/**
 * Imports a file of JavaScript or TypeScript, or an addon, into this process.
 * @throws SluiceError `LOAD_FAILED`
 */
export async function importInProcess(file: string): Promise<Readonly<Record<string, unknown>>> {
  // Our own `import()` would fail in code that V8 got in compiled form, such as the command line.
  const { createJiti } = createRequire(import.meta.url)("jiti") as typeof Jiti;
  const jiti = createJiti(import.meta.url, { fsCache: false, tryNative: true, interopDefault: false });
  if (isAddon(file)) return openAddon(file);
  try {
    return await jiti.import<Readonly<Record<string, unknown>>>(file);
  } catch (cause) {
    throw new SluiceError("LOAD_FAILED", `${file}: ${messageOf(cause)}`, { errnum: ERRNO.EINVAL, cause });
  }
}

function isLoader(value: unknown): value is ModuleLoader {
  return typeof value === "object" && value !== null && "start" in value && typeof value.start === "function";
}
