import { open } from "node:fs/promises";
import { basename } from "node:path";
import { didYouMean, ERRNO, SluiceError } from "../errors/index.js";
import type { ModuleLoader } from "./module-loader.js";
import { createCommandLoader } from "./program.js";
import { isSharedObject } from "./native/shared-object.js";

/** The options of a load that choose the loader. */
export interface LoaderChoice {
  /** Name of a loader, or path of a program that is a loader; overrides the suffix and content of the file. */
  readonly loader?: string | undefined;
  /** A process of its own, for a file that would get a thread. */
  readonly exec?: boolean | undefined;
}

/** The number of bytes of a file by which a loader may recognise it: the same number as for binfmt_misc of Linux. */
const HEAD_BYTES = 256;

/** Other names of loaders (docs/design/modules.md §4). */
const ALIASES: Readonly<Record<string, string>> = {
  exec: "process",
  "module-exec": "process",
  "module-python-exec": "python",
};

/** The loaders of a broker, and the rule that chooses one for a file (docs/design/modules.md §4). */
export class LoaderRegistry {
  readonly #loaders = new Map<string, ModuleLoader>();

  /** @param loaders the latest has the first choice to accept or recognise a file */
  constructor(loaders: Iterable<ModuleLoader> = []) {
    for (const loader of loaders) this.add(loader);
  }

  /** Adds a loader, or replaces the loader of the same name. */
  add(loader: ModuleLoader): void {
    this.#loaders.set(loader.name, loader);
  }

  /** All known suffixes, beginning with those of the first loaders. */
  get suffixes(): string[] {
    return [...new Set([...this.#loaders.values()].flatMap((loader) => loader.suffixes))];
  }

  /**
   * The loader for a file: the requested one, else the loader of the longest matching suffix (`x.node.1.2` matches
   * `.node`). Else it is a loader that recognises the beginning of the file.
   * @param path of the file; read only if no suffix matches
   * @throws SluiceError `LOAD_NO_LOADER` with the list of loaders, also for a shared object, which only looks like a
   *   program; a system error if the file cannot be read
   */
  async choose(path: string, { loader, exec }: LoaderChoice = {}): Promise<ModuleLoader> {
    if (loader !== undefined) return loader.includes("/") ? programLoader(loader) : this.#named(loader);
    const found = this.#bySuffix(basename(path)) ?? (await this.#byHead(path));
    if (found?.name === "program" && (await isSharedObject(path))) throw sharedObject(path);
    if (exec === true && (found === undefined || found.name === "thread")) return this.#named("process");
    if (found !== undefined) return found;
    throw noLoader(`${path}: no loader accepts this file; the loaders are ${this.#describeAll()}`);
  }

  #named(name: string): ModuleLoader {
    const found = this.#loaders.get(name) ?? this.#loaders.get(ALIASES[name] ?? name);
    if (found !== undefined) return found;
    const hint = didYouMean(name, this.#loaders.keys());
    throw noLoader(
      `unknown loader '${name}'; the loaders are ${this.#describeAll()}${hint === undefined ? "" : `; ${hint}`}`,
    );
  }

  #bySuffix(name: string): ModuleLoader | undefined {
    let best: { readonly loader: ModuleLoader; readonly length: number } | undefined;
    for (const loader of this.#loaders.values()) {
      for (const suffix of loader.suffixes) {
        if (suffix.length >= (best?.length ?? 0) && hasSuffix(name, suffix))
          best = { loader, length: suffix.length };
      }
    }
    return best?.loader;
  }

  async #byHead(path: string): Promise<ModuleLoader | undefined> {
    const candidates = [...this.#loaders.values()].filter((loader) => loader.recognises !== undefined);
    if (candidates.length === 0) return undefined;
    const head = await readHead(path);
    return candidates.findLast((loader) => loader.recognises?.(head));
  }

  #describeAll(): string {
    const all = [...this.#loaders.values()].map(({ name, suffixes }) => [name, ...suffixes].join(" "));
    return all.length === 0 ? "none" : all.join(", ");
  }
}

/** Whether a file name ends with a suffix, or with a suffix and a version: `.1`, `.1.2`, `.1.2.3`. */
function hasSuffix(name: string, suffix: string): boolean {
  const at = name.lastIndexOf(suffix);
  // A file whose whole name is a suffix is a hidden file.
  return at > 0 && /^(?:\.\d+)*$/.test(name.slice(at + suffix.length));
}

async function readHead(path: string): Promise<Uint8Array> {
  const file = await open(path);
  try {
    const { bytesRead, buffer } = await file.read(new Uint8Array(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** A program that the user named as a loader: it gets the module's path as its argument. */
function programLoader(path: string): ModuleLoader {
  return createCommandLoader({ name: path, suffixes: [], command: [path] });
}

function noLoader(message: string): SluiceError {
  return new SluiceError("LOAD_NO_LOADER", message, { errnum: ERRNO.EINVAL });
}

/** As a program it would end by a signal, without an explanation. */
function sharedObject(path: string): SluiceError {
  return noLoader(
    `${path}: is a shared object, which no loader accepts; native code has to be a .node addon (Node-API) or a ` +
      "program; modules built for Flux run only in Flux",
  );
}
