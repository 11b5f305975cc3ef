import { randomUUID } from "node:crypto";
import { open, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isErrno, SluiceError, systemMessage } from "../errors/index.js";
import { ExitError } from "./terminal/output.js";

type Data = string | Uint8Array | AsyncIterable<Uint8Array>;

/**
 * Writes a result to a file that is complete at any time: it has the old contents or the new ones. It follows links
 * and keeps the mode of an old file. It writes directly to a path that is no file, such as a pipe.
 * @param path standard output for `-`, or without a path
 * @throws ExitError with the path and the system's message; then no draft is left behind
 */
export async function writeResult(path: string | undefined, data: string | Uint8Array): Promise<void> {
  if (isStandardOutput(path)) process.stdout.write(data);
  else await writeResultFile(path, data);
}

/**
 * As `writeResult`, also for data in pieces.
 * @param mode of a new file, unless the umask is stricter
 * @throws ExitError with the path and the system's message, or the SluiceError of the pieces
 */
export async function writeResultFile(path: string, data: Data, mode = 0o666): Promise<void> {
  try {
    const old = await stat(path).catch((error: unknown) => {
      if (isErrno(error, "ENOENT")) return undefined;
      throw error;
    });
    if (old?.isFile() === false) await writeFile(path, data);
    else await replace(old === undefined ? path : await realpath(path), data, { old: old?.mode, mode });
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    throw new ExitError(1, `${path}: ${systemMessage(error)}`);
  }
}

/** Whether the name of a file for a result stands for standard output. */
export function isStandardOutput(path: string | undefined): path is "-" | undefined {
  return path === undefined || path === "-";
}

async function replace(
  path: string,
  data: Data,
  { old, mode }: { readonly old: number | undefined; readonly mode: number },
): Promise<void> {
  const draft = join(dirname(path), `.sluice-${randomUUID()}`);
  try {
    const file = await open(draft, "wx", mode);
    try {
      await writeFile(file, data);
      if (old !== undefined) await file.chmod(old & 0o7777);
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
