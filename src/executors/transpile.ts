import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire, isBuiltin } from "node:module";
import { compileFunction } from "node:vm";
import { ERRNO, SluiceError } from "../errors/index.js";
import type * as Jiti from "jiti";
import { CodeCache } from "./code-cache.js";
import type { PreparedCode } from "./thread-protocol.js";

/** Raised when the same source is to be transpiled to other code. */
const FORMAT = "1";

/** What a file that is not self-contained is remembered as. */
const NOT_ALONE = "";

/** How modules call our library. */
const LIBRARY_NAMES: readonly string[] = ["sluice", "sluice/rc"];

/**
 * Makes JavaScript of TypeScript modules, once for each content, outside the workers: the compiler takes longer to start
 * than a worker does (modules.md §4).
 */
export class Transpiler {
  readonly #done = new Map<string, Promise<string>>();

  /**
   * The code of a file that imports nothing but Node's own modules and our library; undefined for any other, which has to
   * be imported where its neighbours can be resolved.
   * @param path of a TypeScript file
   * @param cacheDir a 0700 directory of ours where code is kept; without it, nothing is kept on disk
   * @throws SluiceError `LOAD_FAILED` with `EINVAL` and the place of a syntax error; a system error if it cannot be read
   */
  async prepare(path: string, cacheDir: string | undefined): Promise<PreparedCode | undefined> {
    const source = await readFile(path, "utf8");
    // The path is part of the code, where the module asks for its own URL.
    const digest = createHash("sha256").update([FORMAT, path, source].join("\0")).digest("hex");
    let code = this.#done.get(digest);
    if (code === undefined) {
      code = this.#transpile(path, source, digest, cacheDir);
      this.#done.set(digest, code);
      code.catch(() => this.#done.delete(digest));
    }
    const text = await code;
    return text === NOT_ALONE ? undefined : { code: text, libraries: requiredNames(text).filter(isLibrary) };
  }

  async #transpile(
    path: string,
    source: string,
    digest: string,
    cacheDir: string | undefined,
  ): Promise<string> {
    const cache = cacheDir === undefined ? undefined : await CodeCache.open(cacheDir);
    const kept = await cache?.read(digest);
    if (kept !== undefined) return kept;
    const code = transform(path, source);
    const result = isSelfContained(code) ? code : NOT_ALONE;
    await cache?.write(digest, result);
    return result;
  }
}

function transform(filename: string, source: string): string {
  // Not import(): V8 forgets how to do that in code that it was given compiled, as the command line is.
  const { createJiti } = createRequire(import.meta.url)("jiti") as typeof Jiti;
  const jiti = createJiti(filename, { fsCache: false });
  const code = jiti.transform({ source, filename, ts: true, retainLines: true, interopDefault: true });
  const failed = /^exports\.__JITI_ERROR__ = (\{.*\})/.exec(code)?.[1];
  if (failed !== undefined) throw syntaxError(filename, failed);
  return code;
}

function syntaxError(path: string, report: string): SluiceError {
  const { line, column, message } = JSON.parse(report) as { line: number; column: number; message: string };
  return new SluiceError("LOAD_FAILED", `${path}:${line}:${column}: ${message.trim()}`, {
    errnum: ERRNO.EINVAL,
  });
}

/** Whether code can run without jiti around it. Doubt counts as no: that way is slower, never wrong. */
function isSelfContained(code: string): boolean {
  if (/\bjiti[A-Z]|\bimport\s*[.(]/.test(code)) return false;
  const calls = code.match(/\brequire\b/g) ?? [];
  const names = requiredNames(code);
  if (names.length !== calls.length) return false;
  return names.every((name) => isBuiltin(name) || isLibrary(name)) && compiles(code);
}

function requiredNames(code: string): string[] {
  return [...code.matchAll(/\brequire\("([^"\\]+)"\)/g)].map(([, name]) => name ?? "");
}

function isLibrary(name: string): boolean {
  return LIBRARY_NAMES.includes(name);
}

/** An `await` outside a function has no place in CommonJS. */
function compiles(code: string): boolean {
  try {
    compileFunction(code, ["exports", "require", "module", "__filename", "__dirname"]);
    return true;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}
