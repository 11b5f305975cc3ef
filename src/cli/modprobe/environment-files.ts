import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { type Diagnostic, isErrno, messageOf } from "../../errors/index.js";
import { dotenvDoubts } from "../../loaders/index.js";
import type { Catalog } from "../../units/index.js";

/**
 * Warnings about the dotenv files of programs: a missing file, and lines that foreman, systemd or docker
 * read otherwise. Warnings: `LOAD_NOT_FOUND`, `UNIT_ENVIRONMENT_FILE`. Each file is read once.
 */
export async function environmentFileWarnings(catalog: Catalog): Promise<Diagnostic[]> {
  const found: Diagnostic[] = [];
  const seen = new Set<string>();
  for (const unit of catalog.units) {
    if (unit.kind !== "module" || unit.command === undefined || unit.disabled) continue;
    for (const written of unit.environmentFile) {
      const isOptional = written.startsWith("-");
      const path = resolve(unit.directory ?? "", isOptional ? written.slice(1) : written);
      if (seen.has(path)) continue;
      seen.add(path);
      const read = await readDoubts(path, isOptional);
      if (Array.isArray(read)) found.push(...read);
      else {
        const location = catalog.originOf(unit.name, "environment-file", written)?.location;
        const message = `${unit.name}: ${read.why}`;
        found.push({ code: "LOAD_NOT_FOUND", severity: "warning", message, location, related: [] });
      }
    }
  }
  return found;
}

/** The doubtful lines, or why the file cannot be read. */
async function readDoubts(
  path: string,
  isOptional: boolean,
): Promise<Diagnostic[] | { readonly why: string }> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (isErrno(error, "ENOENT")) return isOptional ? [] : { why: `${path}: No such file or directory` };
    return { why: `${path}: ${messageOf(error)}` };
  }
  return dotenvDoubts(text).map(({ line, column, why }) => ({
    code: "UNIT_ENVIRONMENT_FILE",
    severity: "warning",
    message: why,
    location: { file: path, line, column, endLine: line, endColumn: column },
    related: [],
  }));
}
