import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { createRequire } from "node:module";
import type { Transpiler } from "../typescript/index.js";
import type { ModuleSpec } from "./module-loader.js";
import { checkSyntax } from "./source/syntax-place.js";
import type { ModuleFile, WorkerSetup } from "./thread-protocol.js";

/** Suffixes of JavaScript and TypeScript modules, in the order in which a bare name is looked up. */
export const SCRIPT_SUFFIXES: readonly string[] = [".mjs", ".js", ".cjs", ".ts", ".mts"];

/**
 * A module's file in the form in which its host, thread or process, imports it. Code that Node cannot import has been
 * made into JavaScript.
 * @throws SluiceError as {@link Transpiler.prepare}
 */
export async function moduleFile(
  spec: Pick<ModuleSpec, "path" | "cacheDir" | "member" | "plugin">,
  transpiler: Transpiler,
): Promise<ModuleFile> {
  const { path, cacheDir, member, plugin } = spec;
  const prepared = needsPreparing(path) ? await transpiler.prepare(path, cacheDir) : undefined;
  return { path, url: pathToFileURL(path).href, prepared, cacheDir, member, plugin };
}

/**
 * Checks that a module's file compiles.
 * @throws SluiceError `LOAD_FAILED` with the place of a mistake; a system error if it cannot be read
 */
export async function checkModuleFile(
  { path, cacheDir }: Pick<ModuleSpec, "path" | "cacheDir">,
  transpiler: Transpiler,
): Promise<void> {
  await access(path, constants.R_OK);
  if (needsPreparing(path)) await transpiler.prepare(path, cacheDir);
  else await checkSyntax(path);
}

/** Where hosts find our library, and the compiler for TypeScript that cannot be prepared. */
export function hostSetup(): WorkerSetup {
  return {
    library: {
      sluice: new URL("../index.js", import.meta.url).href,
      "sluice/rc": new URL("../rc/authoring.js", import.meta.url).href,
    },
    jiti: pathToFileURL(createRequire(import.meta.url).resolve("jiti")).href,
  };
}

/** Node imports neither TypeScript nor a file with a version after its suffix, `x.mjs.1.2`. */
function needsPreparing(path: string): boolean {
  return /\.(?:m?ts(?:\.\d+)*|[cm]?js(?:\.\d+)+)$/.test(path);
}
