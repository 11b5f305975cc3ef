import { isUtf8 } from "node:buffer";
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { type Diagnostic, errnumOf, messageOf, strerror } from "../../errors/index.js";
import { problemAt } from "../formats/document.js";
import type { FileGuard } from "../file-guard.js";
import { wholeFile } from "../source.js";

/** The UTF-8 text of a file, or why it cannot be read. */
export type FileText =
  | { readonly ok: true; readonly bytes: Buffer }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] };

/**
 * Reads a file of UTF-8 text. Errors: `UNIT_INSECURE`, `UNIT_UNREADABLE`, `UNIT_NOT_A_FILE`, `UNIT_NOT_UTF8`.
 * @param file in the form that people read
 */
export async function readText(file: string, guard: FileGuard): Promise<FileText> {
  const problems = guard.check(file);
  if (problems.length > 0) return { ok: false, diagnostics: problems };
  let handle: FileHandle | undefined;
  try {
    // Opening a named pipe would otherwise wait for a writer.
    handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = await handle.stat();
    if (!stat.isFile()) {
      const what = stat.isDirectory() ? "a directory" : "not a regular file";
      return refuse(problemAt("UNIT_NOT_A_FILE", `is ${what}`, wholeFile(file)));
    }
    const bytes = await handle.readFile();
    return isUtf8(bytes) ? { ok: true, bytes } : refuse(notUtf8(file, bytes));
  } catch (error) {
    return refuse(unreadable(file, error));
  } finally {
    await handle?.close();
  }
}

/** `UNIT_UNREADABLE`, with the system's text for the error. */
export function unreadable(path: string, error: unknown): Diagnostic {
  const errnum = errnumOf(error);
  const reason = errnum === undefined ? messageOf(error) : strerror(errnum);
  return problemAt("UNIT_UNREADABLE", `cannot read: ${reason}`, wholeFile(path));
}

function refuse(diagnostic: Diagnostic): FileText {
  return { ok: false, diagnostics: [diagnostic] };
}

function notUtf8(file: string, bytes: Buffer): Diagnostic {
  const { line, column } = firstBadByte(bytes);
  const location = { file, line, column, endLine: line, endColumn: column + 1 };
  return problemAt("UNIT_NOT_UTF8", "is not valid UTF-8", location);
}

/** Line by line, because a line end is never a part of another character. */
function firstBadByte(bytes: Buffer): { line: number; column: number } {
  let line = 1;
  let start = 0;
  for (;;) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline < 0 ? bytes.length : newline;
    const text = bytes.subarray(start, end);
    if (!isUtf8(text) || newline < 0) return { line, column: firstDifference(text) + 1 };
    line++;
    start = newline + 1;
  }
}

/**
 * The first byte that differs after encoding again is the first invalid one, because decoding replaces
 * invalid bytes. Counts UTF-16 units.
 */
function firstDifference(bytes: Buffer): number {
  const back = Buffer.from(bytes.toString("utf8"), "utf8");
  let at = 0;
  while (at < bytes.length && bytes[at] === back[at]) at++;
  return bytes.subarray(0, at).toString("utf8").length;
}
