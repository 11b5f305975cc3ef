import { createConnection, type Socket } from "node:net";
import { ERRNO, errnumOf, messageOf, SluiceError } from "../errors/index.js";
import { connectHandle } from "./connect.js";
import { socketChannel } from "./channels/socket-channel.js";
import { type Limits, withinLimits } from "./limits.js";
import type { Handle } from "./types.js";

const SCHEME = "local://";

/**
 * Connects to a broker by its URI, `local:///PATH/OF/SOCKET`; the default is `SLUICE_URI`.
 * @throws SluiceError `BROKER_UNREACHABLE` if the URI is invalid or no broker answers there; `errnum` then says why.
 *   `BROKER_REQUEST` with `ECANCELED` or `ETIMEDOUT` at a limit; the socket is closed by then.
 */
export async function connect(
  uri: string | undefined = process.env["SLUICE_URI"],
  limits: Limits = {},
): Promise<Handle> {
  if (uri === undefined || uri === "") {
    throw new SluiceError(
      "BROKER_UNREACHABLE",
      "no instance: SLUICE_URI is not set; run this under 'sluice start'",
    );
  }
  const path = uri.startsWith(SCHEME) ? uri.slice(SCHEME.length) : "";
  if (!path.startsWith("/")) {
    throw new SluiceError("BROKER_UNREACHABLE", `invalid instance URI '${uri}': it must be local:///PATH`);
  }
  checkSocketPath(path, "BROKER_UNREACHABLE");
  const socket = createConnection(path);
  try {
    return await withinLimits(`connection to ${uri}`, limits, welcomed(socket, uri));
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

async function welcomed(socket: Socket, uri: string): Promise<Handle> {
  await opened(socket, uri);
  return connectHandle(socketChannel(socket));
}

function opened(socket: Socket, uri: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("error", (cause) => reject(unreachable(uri, cause)));
    socket.once("connect", () => {
      socket.removeAllListeners("error").removeAllListeners("close");
      resolve();
    });
    // Given up before it was connected.
    socket.once("close", () => reject(new SluiceError("BROKER_UNREACHABLE", `no broker at ${uri}: closed`)));
  });
}

function unreachable(uri: string, cause: NodeJS.ErrnoException): SluiceError {
  return new SluiceError("BROKER_UNREACHABLE", `no broker at ${uri}: ${reasonOf(cause)}`, {
    cause,
    errnum: errnumOf(cause),
  });
}

function reasonOf(cause: NodeJS.ErrnoException): string {
  switch (cause.code) {
    case "ENOENT":
      return "the socket does not exist; the instance may have ended";
    case "ECONNREFUSED":
      return "no broker listens there; the instance has ended";
    case "EACCES":
      return "it belongs to another user";
    default:
      return messageOf(cause);
  }
}

/** Longest path of a unix socket; Node cuts a longer one short in silence, outside the guarded directory. */
const MAX_SOCKET_PATH_BYTES = 107;

/** @throws SluiceError of this code, with `EINVAL`, if the path is over 107 bytes */
export function checkSocketPath(path: string, code: "BROKER_STATE" | "BROKER_UNREACHABLE"): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= MAX_SOCKET_PATH_BYTES) return;
  throw new SluiceError(
    code,
    `socket path of ${bytes} bytes is over the limit of ${MAX_SOCKET_PATH_BYTES}: ${path}; use a shorter rundir`,
    { errnum: ERRNO.EINVAL },
  );
}
