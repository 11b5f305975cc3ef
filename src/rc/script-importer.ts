import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type * as Jiti from "jiti";
import { type EvaluatedModules, runPrepared, Transpiler, CodeCache } from "../typescript/index.js";
import * as authoring from "./authoring.js";

const LIBRARY_FILE = fileURLToPath(new URL("../index.js", import.meta.url));

/** Of `require()`, as `import()` does not work in code that V8 was given compiled (ADR 5). */
const require = createRequire(import.meta.url);

/**
 * Imports rc files in TypeScript and JavaScript into this process. What they import as `sluice/rc` is what this process
 * has, not a second copy of it. TypeScript that needs no loader of its own runs without one, which starts far sooner.
 */
export class ScriptImporter {
  readonly #transpiler = new Transpiler();
  readonly #modules: EvaluatedModules = new Map();
  readonly #cacheDir: string | undefined;
  #jiti: Jiti.Jiti | undefined;

  /** @param cacheDir a 0700 directory of ours for transpiled files; without one nothing is kept on disk */
  constructor(cacheDir: string | undefined) {
    this.#cacheDir = cacheDir;
  }

  /** What a file exports. Its errors name the place of a mistake in it. */
  async import(file: string): Promise<object> {
    const prepared = /\.m?ts$/.test(file) ? await this.#transpiler.prepare(file, this.#cacheDir) : undefined;
    if (prepared === undefined) return (this.#jiti ??= await this.#startJiti()).import<object>(file);
    return runPrepared(prepared, libraryOf, this.#modules) as object;
  }

  async #startJiti(): Promise<Jiti.Jiti> {
    // It would make the directory itself, and let others read it.
    if (this.#cacheDir !== undefined) await CodeCache.open(this.#cacheDir);
    const { createJiti } = require("jiti") as typeof Jiti;
    return createJiti(import.meta.url, {
      alias: { sluice: LIBRARY_FILE },
      virtualModules: { "sluice/rc": authoring },
      // Its own default is a shared temporary directory, where others could leave code for us to run.
      fsCache: this.#cacheDir ?? false,
      interopDefault: false,
    });
  }
}

function libraryOf(name: string): unknown {
  return name === "sluice/rc" ? authoring : require(LIBRARY_FILE);
}
