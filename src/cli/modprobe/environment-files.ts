import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { type Diagnostic, isErrno, systemMessage } from "../../errors/index.js";
import { dotenvDoubts, environmentProblems } from "../../loaders/index.js";
import type { Catalog } from "../../units/index.js";

/**
 * The problems of the dotenv files of programs: a missing file, and lines with which a load fails. They include lines
 * that foreman, systemd or docker read otherwise. Warning: `LOAD_NOT_FOUND`; error or warning:
 * `UNIT_ENVIRONMENT_FILE`. It reads each file once.
 */
export async function environmentFileDiagnostics(catalog: Catalog): Promise<Diagnostic[]> {
  const found: Diagnostic[] = [];
  const seen = new Set<string>();
  for (const unit of catalog.units) {
    if (unit.kind !== "module" || unit.command === undefined || unit.disabled) continue;
    for (const written of unit.environmentFile) {
      const isOptional = written.startsWith("-");
      const path = resolve(unit.directory ?? "", isOptional ? written.slice(1) : written);
      if (seen.has(path)) continue;
      seen.add(path);
      const read = await readLines(path, isOptional);
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

/** The problems of its lines, or the reason why the file cannot be read. */
async function readLines(
  path: string,
  isOptional: boolean,
): Promise<Diagnostic[] | { readonly why: string }> {
  let content: Buffer;
  try {
    content = await readFile(path);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return isOptional ? [] : { why: `${path}: No such file or directory` };
    return { why: `${path}: ${systemMessage(error)}` };
  }
  const problems = environmentProblems(content).map((at) => lineDiagnostic("error", path, at, at.problem));
  const doubts = dotenvDoubts(content.toString()).map((at) => lineDiagnostic("warning", path, at, at.why));
  return [...problems, ...doubts];
}

/** The diagnostic does not show the text of the line, which may be a secret. */
function lineDiagnostic(
  severity: Diagnostic["severity"],
  file: string,
  { line, column }: { readonly line: number; readonly column: number },
  message: string,
): Diagnostic {
  const location = { file, line, column, endLine: line, endColumn: column };
  return { code: "UNIT_ENVIRONMENT_FILE", severity, message, location, related: [] };
}
