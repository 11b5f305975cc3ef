import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import type { ModuleLoader } from "./module-loader.js";

/**
 * The name of a module whose load gives none: the name that the file states, else its base name up to the first dot
 * (docs/design/modules.md §5). No code of the file runs.
 */
export async function moduleNameOf(path: string, loader: ModuleLoader): Promise<string> {
  const own = await loader.readModuleName?.(path);
  if (own !== undefined) return own;
  const base = basename(path);
  const dot = base.indexOf(".", 1);
  return dot === -1 ? base : base.slice(0, dot);
}

/** `export const moduleName = "…"`, or the same with `exports`, at the beginning of a line. */
const EXPORTED_NAME =
  /^(?:export\s+(?:const|let|var)\s+moduleName\s*(?::[^=\n]+)?|(?:module\.)?exports\.moduleName\s*)=\s*(["'`])([^"'`\n.$]+)\1/m;

/** The constant that a JavaScript or TypeScript file exports as `moduleName`. */
export async function readExportedName(path: string): Promise<string | undefined> {
  return EXPORTED_NAME.exec(await readFile(path, "utf8"))?.[2];
}
