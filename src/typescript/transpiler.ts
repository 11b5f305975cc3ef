import { readFile } from "node:fs/promises";
import { isBuiltin } from "node:module";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { compileFunction } from "node:vm";
import { SluiceError } from "../errors/index.js";
import { CodeCache, ShippedCode } from "./code-cache.js";
import { makeCode, withoutMap } from "./made-code.js";
import type { PreparedCode, PreparedFile } from "./prepared-code.js";
import { typescriptFile } from "./typescript-file.js";

/** Raised when the same source is to become other code. */
const FORMAT = "4";

/** The cache entry of a file that needs jiti. */
const NOT_ALONE = "";

/** A file that was read. */
interface Source {
  readonly path: string;
  readonly source: string;
  /** The sources of its code. */
  readonly origin: string;
}

/** The names of our library in modules and rc files. */
const LIBRARY_NAMES: readonly string[] = ["sluice", "sluice/rc"];

/**
 * Makes JavaScript from TypeScript files, once for each content, outside the threads and only when no cache has it.
 * The compiler takes longer to start than a thread or a process (docs/design/modules.md §4).
 */
export class Transpiler {
  readonly #shipped: ShippedCode;
  readonly #done = new Map<string, Promise<string>>();

  /**
   * @param shippedDir the directory with code of known files that needs no compiler; default: the one of the package
   */
  // This form of the path is valid in the bundles as well.
  constructor(shippedDir = fileURLToPath(new URL("../typescript/shipped", import.meta.url))) {
    this.#shipped = new ShippedCode(shippedDir);
  }

  /**
   * The code of a file, and of the files next to it that it imports. Undefined if one of them imports anything else
   * but Node's own modules and our library, or uses a feature that needs a module loader. Then jiti has to import it.
   * @param path of a TypeScript file
   * @param cacheDir the 0700 directory of an instance for code, besides the cache of the user
   * @throws SluiceError `LOAD_FAILED` with `EINVAL` and the place of a syntax error; a system error if it cannot be read
   */
  async prepare(path: string, cacheDir: string | undefined): Promise<PreparedCode | undefined> {
    return this.#prepareAll(path, await CodeCache.open(cacheDir));
  }

  async #prepareAll(path: string, cache: CodeCache): Promise<PreparedCode | undefined> {
    const first = await this.#prepareFile(path, cache);
    if (first === undefined) return undefined;
    const files: PreparedCode["files"] & PreparedFile[] = [first];
    const seen = new Set([path]);
    for (const { neighbours } of files) {
      for (const neighbour of Object.values(neighbours)) {
        if (seen.has(neighbour)) continue;
        seen.add(neighbour);
        const file = await this.#prepareFile(neighbour, cache);
        if (file === undefined) return undefined;
        files.push(file);
      }
    }
    return {
      files,
      libraries: [...new Set(files.flatMap(({ code }) => requiredNames(withoutMap(code)).filter(isLibrary)))],
    };
  }

  /** Whether a file came with the package and is unchanged. */
  isShipped(path: string): boolean {
    return this.#shipped.knows(path);
  }

  /**
   * Used by the build: keeps the code of a file and those next to it where {@link prepare} finds it without a compiler.
   * @throws SluiceError as {@link prepare}, and `INTERNAL` if the code of the file cannot be made beforehand
   */
  async ship(path: string): Promise<void> {
    const prepared = await this.#prepareAll(path, CodeCache.none());
    if (prepared === undefined) throw new SluiceError("INTERNAL", `${path} has syntax that Node cannot run`);
    for (const file of prepared.files) {
      const source = await readFile(file.path, "utf8");
      // Such code contains the path of this machine.
      if (asksForItself(source)) throw new SluiceError("INTERNAL", `${file.path} uses import.meta`);
      // The code also runs in processes of other programs, whose stacks stay unchanged.
      await this.#shipped.write(file.path, source, withoutMap(file.code));
    }
  }

  async #prepareFile(path: string, cache: CodeCache): Promise<PreparedFile | undefined> {
    const source = await readFile(path, "utf8");
    // The map in the code has the path.
    const origin = [FORMAT, path, source].join("\0");
    let made = this.#done.get(origin);
    if (made === undefined) {
      made = this.#codeOf({ path, source, origin }, cache);
      this.#done.set(origin, made);
      made.catch(() => this.#done.delete(origin));
    }
    const code = await made;
    if (code === NOT_ALONE) return undefined;
    const neighbours = await neighboursOf(path, code);
    return neighbours && { path, code, neighbours };
  }

  async #codeOf({ path, source, origin }: Source, cache: CodeCache): Promise<string> {
    const kept = (await this.#shipped.read(path, source)) ?? cache.read(origin);
    if (kept !== undefined) return kept;
    const code = makeCode({ filename: path, source, ts: true, interopDefault: true });
    const result = isRunnable(withoutMap(code)) ? code : NOT_ALONE;
    cache.write(origin, result);
    return result;
  }
}

/** The path is part of the code where a file requests its own URL. */
function asksForItself(source: string): boolean {
  return source.includes("import.meta");
}

/**
 * Whether code can run without jiti around it. In doubt the answer is no: then the import is slower, but always
 * correct.
 */
function isRunnable(code: string): boolean {
  if (/\bjiti[A-Z]|\bimport\s*[.(]/.test(code)) return false;
  const calls = code.match(/\brequire\b/g) ?? [];
  const names = requiredNames(code);
  if (names.length !== calls.length) return false;
  return names.every((name) => isBuiltin(name) || isLibrary(name) || isRelative(name)) && compiles(code);
}

function requiredNames(code: string): string[] {
  return [...code.matchAll(/\brequire\("([^"\\]+)"\)/g)].map(([, name]) => name ?? "");
}

function isLibrary(name: string): boolean {
  return LIBRARY_NAMES.includes(name);
}

function isRelative(name: string): boolean {
  return name.startsWith("./") || name.startsWith("../");
}

/** An `await` outside a function is invalid in CommonJS. */
function compiles(code: string): boolean {
  try {
    compileFunction(code, ["exports", "require", "module", "__filename", "__dirname"]);
    return true;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

/**
 * The TypeScript files that a file requires, by the names in its `require` calls; undefined if it requires a file of
 * another kind.
 */
async function neighboursOf(path: string, code: string): Promise<Record<string, string> | undefined> {
  const neighbours: Record<string, string> = {};
  for (const name of requiredNames(withoutMap(code)).filter(isRelative)) {
    const neighbour = await typescriptFile(resolve(dirname(path), name));
    if (neighbour === undefined) return undefined;
    neighbours[name] = neighbour;
  }
  return neighbours;
}
