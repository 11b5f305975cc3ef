import type { createRequire } from "node:module";
import { rememberCode } from "./stack-places.js";

/** A TypeScript file made into the body of a CommonJS module. */
export interface PreparedFile {
  readonly path: string;
  readonly code: string;
  /** Paths of the neighbouring files that it requires, by the names in its `require` calls. */
  readonly neighbours: Readonly<Record<string, string>>;
}

/** A TypeScript file and its neighbours: they import only each other, Node's own modules and our library. */
export interface PreparedCode {
  /** The file itself comes first. */
  readonly files: readonly [PreparedFile, ...PreparedFile[]];
  /** Names of our library that they require. */
  readonly libraries: readonly string[];
}

/** The evaluated files, by path. */
export type EvaluatedModules = Map<string, { exports: unknown }>;

const PARAMETERS = ["exports", "require", "module", "__filename", "__dirname"];

/**
 * Evaluates prepared files.
 * @param library gives the module for a name of our library; called only for the names in {@link
 *   PreparedCode.libraries}
 * @param modules the modules of already evaluated files; by default all files are evaluated
 * @returns the exports of the first
 */
export function runPrepared(
  { files, libraries }: PreparedCode,
  library: (name: string) => unknown,
  modules: EvaluatedModules = new Map(),
): unknown {
  const filesByPath = new Map(files.map((file) => [file.path, file]));
  const ours = new Set(libraries);

  const evaluate = (file: PreparedFile): unknown => {
    const known = modules.get(file.path);
    if (known !== undefined) return known.exports;
    const module: { exports: unknown } = { exports: {} };
    // Set before it runs, because files may import each other in a ring.
    modules.set(file.path, module);
    const native = requireFrom(file.path);
    const require = (id: string): unknown => {
      if (ours.has(id)) return library(id);
      const neighbour = filesByPath.get(file.neighbours[id] ?? "");
      return neighbour === undefined ? native(id) : evaluate(neighbour);
    };
    compile(file)(module.exports, require, module, file.path, directoryOf(file.path));
    return module.exports;
  };
  return evaluate(files[0]);
}

function compile({ code, path }: PreparedFile): (...values: unknown[]) => void {
  rememberCode(path, code);
  const { compileFunction } = process.getBuiltinModule("node:vm");
  return compileFunction(code, PARAMETERS, { filename: path }) as (...values: unknown[]) => void;
}

function directoryOf(path: string): string {
  return process.getBuiltinModule("node:path").dirname(path);
}

/** This import is not at the top, because each thread loads this file at its start. */
function requireFrom(path: string): ReturnType<typeof createRequire> {
  return process.getBuiltinModule("node:module").createRequire(path);
}
