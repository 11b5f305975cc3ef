import { randomUUID } from "node:crypto";
import { open, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isErrno, systemMessage } from "../errors/index.js";
import { ExitError } from "./terminal/output.js";

/**
 * Writes a result to a file that is complete at any time: it has the old contents or the new ones. It follows links
 * and keeps the mode of an old file. It writes directly to a path that is no file, such as a pipe.
 * @param path standard output for `-`, or without a path
 * @throws ExitError with the path and the system's message; then no draft is left behind
 */
export async function writeResult(path: string | undefined, data: string | Uint8Array): Promise<void> {
  if (isStandardOutput(path)) {
    process.stdout.write(data);
    return;
  }
  try {
    const old = await stat(path).catch((error: unknown) => {
      if (isErrno(error, "ENOENT")) return undefined;
      throw error;
    });
    if (old?.isFile() === false) await writeFile(path, data);
    else await replace(old === undefined ? path : await realpath(path), data, old?.mode);
  } catch (error) {
    throw new ExitError(1, `${path}: ${systemMessage(error)}`);
  }
}

/** Whether the name of a file for a result stands for standard output. */
export function isStandardOutput(path: string | undefined): path is "-" | undefined {
  return path === undefined || path === "-";
}

async function replace(path: string, data: string | Uint8Array, mode: number | undefined): Promise<void> {
  const draft = join(dirname(path), `.sluice-${randomUUID()}`);
  try {
    const file = await open(draft, "wx");
    try {
      await file.writeFile(data);
      if (mode !== undefined) await file.chmod(mode & 0o7777);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}
