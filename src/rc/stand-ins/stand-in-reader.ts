import { readFile } from "node:fs/promises";
import { createRequire, isBuiltin } from "node:module";
import { dirname, resolve } from "node:path";
import { runInstrumented, typescriptFile } from "../../typescript/index.js";
import type { StandIns } from "./stand-ins.js";

/** The part of the importer of rc files that a reader uses. */
interface StandInReaderOptions {
  readonly standIns: StandIns;
  /** The module for `sluice` and `sluice/rc`; undefined for other names. */
  readonly library: (name: string) => unknown;
  /** Imports an installed package, for a file. */
  readonly packaged: (name: string, from: string) => Promise<unknown>;
}

/**
 * Reads an rc file, and the site's files beside it that it imports, with stand-ins for packages that cannot
 * be found (docs/design/flux.md §1). A missing file beside it, or an installed package that lacks a package of
 * its own, is still an error.
 */
export class StandInReader {
  readonly #options: StandInReaderOptions;
  readonly #files = new Map<string, Promise<object>>();

  constructor(options: StandInReaderOptions) {
    this.#options = options;
  }

  import(file: string): Promise<object> {
    let made = this.#files.get(file);
    if (made === undefined) {
      made = this.#read(file);
      this.#files.set(file, made);
    }
    return made;
  }

  async #read(file: string): Promise<object> {
    const { standIns } = this.#options;
    return runInstrumented(file, await readFile(file, "utf8"), {
      imported: (name) => this.#imported(name, file),
      decided: (value, use, line) => standIns.decided(value, use, { file, line }),
    });
  }

  async #imported(name: string, from: string): Promise<unknown> {
    const { standIns, library, packaged } = this.#options;
    const known = library(name);
    if (known !== undefined) return known;
    const require = createRequire(from);
    if (isBuiltin(name)) return require(name);
    if (/^(\.{0,2}\/|file:)/.test(name)) {
      const beside = (await typescriptFile(resolve(dirname(from), name))) ?? require.resolve(name);
      return /\.[cm]?[jt]s$/.test(beside) ? this.import(beside) : require(beside);
    }
    return isThere(require, name) ? packaged(name, from) : standIns.module(name);
  }
}

/** A package without an entry for `require` counts as installed too. */
function isThere(require: NodeJS.Require, name: string): boolean {
  try {
    require.resolve(name);
    return true;
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "MODULE_NOT_FOUND");
  }
}
