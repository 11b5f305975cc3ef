import { constants } from "node:os";

/**
 * POSIX error numbers that cross the wire, with the text of C tools. Where Node lacks a name, the number is that of
 * Linux.
 */
const ERRNO_TEXT = {
  EPERM: "Operation not permitted",
  ENOENT: "No such file or directory",
  ESRCH: "No such process",
  EINTR: "Interrupted system call",
  EIO: "Input/output error",
  EAGAIN: "Resource temporarily unavailable",
  EACCES: "Permission denied",
  EBUSY: "Device or resource busy",
  EEXIST: "File exists",
  ENOTDIR: "Not a directory",
  EISDIR: "Is a directory",
  EINVAL: "Invalid argument",
  ENOSPC: "No space left on device",
  EPIPE: "Broken pipe",
  ENOSYS: "Function not implemented",
  EMFILE: "Too many open files",
  ENFILE: "Too many open files in system",
  ENOMEM: "Cannot allocate memory",
  E2BIG: "Argument list too long",
  ENODATA: "No data available",
  EPROTO: "Protocol error",
  EMSGSIZE: "Message too long",
  ECONNREFUSED: "Connection refused",
  ECONNRESET: "Connection reset by peer",
  ENOBUFS: "No buffer space available",
  ETIMEDOUT: "Connection timed out",
  EHOSTUNREACH: "No route to host",
  ECANCELED: "Operation canceled",
  EROFS: "Read-only file system",
  EFBIG: "File too large",
  ETXTBSY: "Text file busy",
  ENOEXEC: "Exec format error",
  ENXIO: "No such device or address",
  EDQUOT: "Disk quota exceeded",
  ENOTEMPTY: "Directory not empty",
  ENAMETOOLONG: "File name too long",
  ELOOP: "Too many levels of symbolic links",
  ESTALE: "Stale file handle",
  EADDRINUSE: "Address already in use",
};

/** Name of an error number, such as `ENOENT`. */
export type ErrnoName = keyof typeof ERRNO_TEXT;

const numbers: Readonly<Record<string, number>> = constants.errno;

/** Error numbers by name. */
export const ERRNO: Readonly<Record<ErrnoName, number>> = Object.fromEntries(
  Object.keys(ERRNO_TEXT).map((name) => [name, numbers[name] ?? 5]),
) as Record<ErrnoName, number>;

const nameByNumber = new Map(Object.entries(ERRNO).map(([name, number]) => [number, name as ErrnoName]));

/** The name of an error number, if it is one that Sluice uses. */
export function errnoName(errnum: number): ErrnoName | undefined {
  return nameByNumber.get(errnum);
}

/** The text of an error number, in the words of C's `strerror`. */
export function strerror(errnum: number): string {
  const name = errnoName(errnum);
  return name === undefined ? `Unknown error ${errnum}` : ERRNO_TEXT[name];
}
