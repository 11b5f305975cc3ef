import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import type * as Jiti from "jiti";
import {
  type EvaluatedModules,
  jitiTransform,
  makeCode,
  runPrepared,
  Transpiler,
} from "../typescript/index.js";
import * as authoring from "./authoring.js";
import { StandInReader } from "./stand-ins/stand-in-reader.js";
import type { StandIns } from "./stand-ins/stand-ins.js";
import { takeDeclaredTasks } from "./task.js";

const LIBRARY_FILE = fileURLToPath(new URL("../index.js", import.meta.url));

/**
 * Resolves like `require()`, because `import()` does not work in code that V8 got in compiled form (ADR 5).
 */
const require = createRequire(import.meta.url);

/**
 * Imports rc files in TypeScript and JavaScript into this process. Their import of `sluice/rc` gives the copy that
 * this process has, not a second copy of it. TypeScript that needs no loader runs without one, which starts far
 * sooner.
 */
export class ScriptImporter {
  readonly #transpiler = new Transpiler();
  readonly #modules: EvaluatedModules = new Map();
  readonly #cacheDir: string | undefined;
  #jiti: Jiti.Jiti | undefined;

  /** @param cacheDir the 0700 directory of an instance for transpiled files, besides the cache of the user */
  constructor(cacheDir: string | undefined) {
    this.#cacheDir = cacheDir;
  }

  /**
   * The exports of a file. It runs once, even if it fails. Errors name the place of a mistake in the file.
   * @param standIns for a plan: the stand-ins for packages that cannot be found; without it, those packages are
   *   errors
   */
  async import(file: string, standIns?: StandIns): Promise<object> {
    const prepared = /\.m?ts$/.test(file) ? await this.#transpiler.prepare(file, this.#cacheDir) : undefined;
    if (prepared !== undefined) return runPrepared(prepared, libraryOf, this.#modules) as object;
    const source = await readFile(file, "utf8");
    const jiti = (this.#jiti ??= await this.#startJiti());
    try {
      return isCommonJs(file, source) ? requireFile(file, source) : await evaluate(jiti, file, source);
    } catch (error) {
      if (standIns === undefined) throw error;
      takeDeclaredTasks();
      const result = await this.#withStandIns(file, standIns, jiti);
      // The cause was no missing package, or there would be a stand-in now.
      if (standIns.names.length === 0) throw error;
      return result;
    }
  }

  #withStandIns(file: string, standIns: StandIns, jiti: Jiti.Jiti): Promise<object> {
    const reader = new StandInReader({
      standIns,
      library: (name) => (name === "sluice" || name === "sluice/rc" ? libraryOf(name) : undefined),
      packaged: (name, from) => jiti.import(name, { parentURL: pathToFileURL(from).href }),
    });
    return reader.import(file);
  }

  async #startJiti(): Promise<Jiti.Jiti> {
    const { createJiti } = require("jiti") as typeof Jiti;
    return createJiti(import.meta.url, {
      alias: { sluice: LIBRARY_FILE },
      virtualModules: { "sluice/rc": authoring },
      // jiti's default is a shared temporary directory, where others could leave code for this program to run.
      fsCache: false,
      transform: await jitiTransform(this.#cacheDir),
      interopDefault: false,
    });
  }
}

/**
 * Runs a file in jiti's own way only. By default jiti would run a file by Node first, and run it again if that
 * failed.
 */
async function evaluate(jiti: Jiti.Jiti, file: string, source: string): Promise<object> {
  const known = jiti.cache[file];
  if (known?.loaded === true) return known.exports as object;
  return (await jiti.evalModule(source, { filename: file, async: true, forceTranspile: true })) as object;
}

/** Whether a JavaScript file has no syntax that only ES modules may have. */
function isCommonJs(file: string, source: string): boolean {
  if (!/\.c?js$/.test(file)) return false;
  return file.endsWith(".cjs") || !/^\s*(?:import\b(?!\s*\()|export\b)|\bimport\.meta\b/m.test(source);
}

function requireFile(file: string, source: string): object {
  try {
    return require(file) as object;
  } catch (error) {
    // V8 gives the place only if the error is printed to a terminal. The compiler therefore finds it again.
    if (error instanceof SyntaxError) makeCode({ filename: file, source });
    throw error;
  }
}

function libraryOf(name: string): unknown {
  return name === "sluice/rc" ? authoring : require(LIBRARY_FILE);
}
