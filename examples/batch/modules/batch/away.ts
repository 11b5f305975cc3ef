import { isErrno } from "sluice";

/** Whether a request failed because its service is missing: it may come back, and then reports itself. */
export function isAway(error: unknown): boolean {
  return isErrno(error, "ENOSYS") || isErrno(error, "ECONNRESET") || isErrno(error, "EHOSTUNREACH");
}
