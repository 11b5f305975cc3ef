import { createConnection, type Socket } from "node:net";
import { errnumOf, messageOf, SluiceError } from "../errors/index.js";
import { connectHandle, type Handle, socketChannel } from "../messages/index.js";
import { checkSocketPath } from "./rundir.js";

const SCHEME = "local://";

/**
 * Connects to a broker by its URI, `local:///PATH/OF/SOCKET`, as `SLUICE_URI` has it.
 * @throws SluiceError `BROKER_UNREACHABLE` if the URI is no such URI or nobody answers there; `errnum` then says why
 */
export async function connect(uri: string): Promise<Handle> {
  const path = uri.startsWith(SCHEME) ? uri.slice(SCHEME.length) : "";
  if (!path.startsWith("/")) {
    throw new SluiceError("BROKER_UNREACHABLE", `invalid instance URI '${uri}': it must be local:///PATH`);
  }
  checkSocketPath(path, "BROKER_UNREACHABLE");
  const socket = await open(uri, path);
  return connectHandle(socketChannel(socket));
}

function open(uri: string, path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.once("error", (cause) => reject(unreachable(uri, cause)));
    socket.once("connect", () => {
      socket.removeAllListeners("error");
      resolve(socket);
    });
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
      return "there is no such socket; the instance may have ended";
    case "ECONNREFUSED":
      return "nobody listens; the instance has ended";
    case "EACCES":
      return "it belongs to another user";
    default:
      return messageOf(cause);
  }
}
