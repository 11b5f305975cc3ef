import { ERRNO, isErrno, SluiceError } from "../errors/index.js";

/**
 * Checks the working directory, because without one a thread of Node would fail without a reason.
 * @throws SluiceError `BROKER_STATE` with `ENOENT` if the working directory of this process has been removed
 */
export function requireWorkingDirectory(): void {
  try {
    process.cwd();
  } catch (cause) {
    if (!isErrno(cause, "ENOENT")) throw cause;
    throw new SluiceError(
      "BROKER_STATE",
      "the working directory has been removed; change to another directory, such as with 'cd /', and start there",
      { errnum: ERRNO.ENOENT, cause },
    );
  }
}
