import { createConnection, type Socket } from "node:net";
import { errnumOf, messageOf, SluiceError } from "../errors/index.js";
import { connectHandle, type Handle, socketChannel } from "../messages/index.js";

const SCHEME = "local://";

/**
 * Connects a host to the instance that its environment names.
 * @throws SluiceError `BROKER_UNREACHABLE` if `SLUICE_URI` is not set or nobody answers there
 */
export async function connectToInstance(env: NodeJS.ProcessEnv): Promise<Handle> {
  const uri = env["SLUICE_URI"];
  if (uri === undefined) {
    throw new SluiceError("BROKER_UNREACHABLE", "no instance: SLUICE_URI is not set");
  }
  if (!uri.startsWith(`${SCHEME}/`)) {
    throw new SluiceError("BROKER_UNREACHABLE", `invalid instance URI '${uri}': it must be local:///PATH`);
  }
  const socket = await open(uri);
  return connectHandle(socketChannel(socket));
}

function open(uri: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(uri.slice(SCHEME.length));
    socket.once("error", (cause) => {
      const message = `no broker at ${uri}: ${messageOf(cause)}`;
      reject(new SluiceError("BROKER_UNREACHABLE", message, { cause, errnum: errnumOf(cause) }));
    });
    socket.once("connect", () => {
      socket.removeAllListeners("error");
      resolve(socket);
    });
  });
}
