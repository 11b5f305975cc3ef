import { fstatSync, lstatSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { ERRNO, SluiceError, systemMessage } from "../../errors/index.js";

/**
 * Checks that a descriptor from a service manager is the local socket that clients look for.
 * @param fd the descriptor of a listening stream socket
 * @param path the path where clients look for it
 * @throws SluiceError `BROKER_STATE` if it is another one, with `EPERM` if others may connect
 */
export function checkHandedSocket(fd: number, path: string): void {
  const found = pathOf(fd);
  if (found === undefined || resolve(found) !== resolve(path)) {
    const what = found === undefined ? "not a listening unix socket with a path" : `the socket ${found}`;
    throw new SluiceError(
      "BROKER_STATE",
      `descriptor ${fd} of LISTEN_FDS is ${what}; this broker needs ${path}: set ListenStream= to this path`,
    );
  }
  const mode = lstatSync(path).mode & 0o777;
  if ((mode & 0o077) === 0) return;
  const message = `other users may connect to ${path} (mode ${mode.toString(8)}); set SocketMode=0600`;
  throw new SluiceError("BROKER_STATE", message, { errnum: ERRNO.EPERM });
}

/** The path that a listening socket was bound to. */
function pathOf(fd: number): string | undefined {
  let inode: bigint;
  try {
    inode = fstatSync(fd, { bigint: true }).ino;
  } catch (cause) {
    throw new SluiceError("BROKER_STATE", `descriptor ${fd} of LISTEN_FDS: ${systemMessage(cause)}`, {
      cause,
    });
  }
  const rows = readFileSync("/proc/net/unix", "utf8").split("\n");
  for (const row of rows) {
    // Num RefCount Protocol Flags Type St Inode Path; 00010000 is a socket that listens, type 1 a stream.
    const [, flags, type, own, path] = /^\S+ \S+ \S+ (\S+) (\S+) \S+ +(\d+) (.+)$/.exec(row) ?? [];
    if (own === String(inode) && flags === "00010000" && type === "0001") return path;
  }
  return undefined;
}
