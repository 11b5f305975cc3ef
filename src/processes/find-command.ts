import { access, constants, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { ERRNO, errnumOf, isErrno, SluiceError, systemMessage } from "../errors/index.js";

/**
 * The program for a command, as a shell finds it. A command with a slash is a path. It looks anything
 * else up in the directories of `PATH`.
 * @param path value of `PATH`
 * @param cwd where relative paths start, absolute. Default: the directory of this process
 * @returns an absolute path
 * @throws SluiceError `LOAD_FAILED` with `ENOENT`, or `EACCES` if it exists and is not executable, or the system's
 *   error number
 */
export async function findCommand(
  command: string,
  path: string | undefined,
  cwd = process.cwd(),
): Promise<string> {
  if (command.includes("/")) {
    const file = resolve(cwd, command);
    await checkExecutable(file);
    return file;
  }
  for (const directory of (path ?? "").split(":").filter(Boolean)) {
    const file = resolve(cwd, join(directory, command));
    try {
      await checkExecutable(file);
      return file;
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
    }
  }
  throw new SluiceError("LOAD_FAILED", `${command}: command not found`, { errnum: ERRNO.ENOENT });
}

/** @throws SluiceError as {@link findCommand} */
async function checkExecutable(file: string): Promise<void> {
  try {
    await access(file, constants.X_OK);
    if ((await stat(file)).isFile()) return;
  } catch (cause) {
    if (isErrno(cause, "ENOENT") || isErrno(cause, "ENOTDIR")) {
      const message = `${file}: No such file or directory`;
      throw new SluiceError("LOAD_FAILED", message, { errnum: ERRNO.ENOENT, cause });
    }
    if (!isErrno(cause, "EACCES")) {
      const message = `${file}: ${systemMessage(cause)}`;
      throw new SluiceError("LOAD_FAILED", message, { errnum: errnumOf(cause), cause });
    }
  }
  throw new SluiceError("LOAD_FAILED", `${file}: not an executable file; try: chmod +x ${file}`, {
    errnum: ERRNO.EACCES,
  });
}
