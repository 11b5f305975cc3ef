import { accessSync, closeSync, constants, openSync, readSync } from "node:fs";
import { join, resolve } from "node:path";
import { isErrno } from "../errors/index.js";

/** The number of bytes that the system reads of a script to find its interpreter. */
const HEADER_BYTES = 256;

/**
 * A start may also fail with `ENOENT` because the interpreter of an existing command is missing.
 * @param command the name with which it was started: a path, or a name for `PATH`
 * @param error of the start
 * @returns `its interpreter /usr/bin/nope is missing`; undefined for any other reason
 */
export function missingInterpreter(
  command: string,
  error: unknown,
  path = process.env["PATH"],
): string | undefined {
  if (!isErrno(error, "ENOENT")) return undefined;
  const directories = command.includes("/") ? [""] : (path ?? "").split(":").filter(Boolean);
  const file = directories.map((directory) => resolve(join(directory, command))).find(isExecutable);
  if (file === undefined) return undefined;
  const interpreter = namedInterpreter(file);
  return `its interpreter ${interpreter === undefined ? "" : `${interpreter} `}is missing`;
}

/** Whether the interpreter of a script exists; `none` for a script without one, or another file. */
export function interpreterOf(file: string): "there" | "missing" | "none" {
  const interpreter = namedInterpreter(file);
  if (interpreter === undefined) return "none";
  return isExecutable(interpreter) ? "there" : "missing";
}

function namedInterpreter(file: string): string | undefined {
  return /^#![ \t]*(\S+)/.exec(headerOf(file))?.[1];
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error) return false;
    throw error;
  }
}

/** Empty if the file may be run, but not read. */
function headerOf(file: string): string {
  try {
    const fd = openSync(file, "r");
    try {
      const bytes = Buffer.alloc(HEADER_BYTES);
      return bytes.toString("utf8", 0, readSync(fd, bytes));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (error instanceof Error && "code" in error) return "";
    throw error;
  }
}
