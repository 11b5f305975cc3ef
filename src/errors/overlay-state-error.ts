import { ERRNO, type ErrnoName } from "./errno.js";
import { SluiceError } from "./sluice-error.js";

/** @returns SluiceError `BROKER_STATE` with an error number */
export function overlayStateError(message: string, errno: ErrnoName, cause?: unknown): SluiceError {
  return new SluiceError("BROKER_STATE", message, { errnum: ERRNO[errno], cause });
}
