import { createConnection, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { ERRNO, errnumOf, messageOf, SluiceError } from "../errors/index.js";
import { connectHandle } from "./connect.js";
import { socketChannel } from "./channels/socket-channel.js";
import { type Limits, withinLimits } from "../processes/index.js";
import type { Channel, Handle } from "./types.js";

const SCHEME = "local://";

/**
 * Connects to a broker by its URI. The default is `SLUICE_URI`. The URI is `local:///PATH/OF/SOCKET`, or
 * `nats://HOST:PORT/INSTANCE/RANK` for a broker on another machine (docs/design/hosts.md §1).
 * @throws SluiceError `BROKER_UNREACHABLE` if the URI is invalid or no broker answers. `errnum` is the cause.
 *   `BROKER_REQUEST` with `ECANCELED` or `ETIMEDOUT` at a limit, which also closes the socket.
 */
export async function connect(
  uri: string | undefined = process.env["SLUICE_URI"],
  limits: Limits = {},
): Promise<Handle> {
  return connected(uri, limits, connectHandle);
}

/**
 * The channel alone, before the broker's `welcome`: for a client that passes on the messages of another.
 * @throws SluiceError as {@link connect}
 */
export async function openChannel(uri: string, limits: Limits = {}): Promise<Channel> {
  return connected(uri, limits, (channel) => Promise.resolve(channel));
}

async function connected<T>(
  uri: string | undefined,
  limits: Limits,
  use: (channel: Channel) => Promise<T>,
): Promise<T> {
  if (uri === undefined || uri === "") {
    throw new SluiceError(
      "BROKER_UNREACHABLE",
      "no instance: SLUICE_URI is not set; run the command under 'sluice start'",
    );
  }
  if (/^(nats|tls):/.test(uri)) return overNats(uri, limits, use);
  const path = uri.startsWith(SCHEME) ? uri.slice(SCHEME.length) : "";
  if (!path.startsWith("/")) {
    throw new SluiceError(
      "BROKER_UNREACHABLE",
      `invalid instance URI '${uri}': it must be local:///PATH or nats://HOST:PORT/INSTANCE/RANK`,
    );
  }
  checkSocketPath(path, "BROKER_UNREACHABLE");
  const socket = createConnection(path);
  try {
    const used = opened(socket, uri).then(() => use(socketChannel(socket)));
    return await withinLimits(`connection to ${uri}`, limits, used);
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

async function overNats<T>(uri: string, limits: Limits, use: (channel: Channel) => Promise<T>): Promise<T> {
  // Loaded only by a client on another machine.
  const { connectToRank, parseInstanceAddress, withoutPassword } = await import("../nats/client.js");
  const shown = withoutPassword(uri);
  const connecting = (async (): Promise<Duplex> => {
    try {
      return await connectToRank(parseInstanceAddress(uri));
    } catch (cause) {
      throw new SluiceError("BROKER_UNREACHABLE", `no broker at ${shown}: ${messageOf(cause)}`, {
        cause,
        errnum: errnumOf(cause),
      });
    }
  })();
  try {
    const used = connecting.then((stream) => use(socketChannel(stream)));
    return await withinLimits(`connection to ${shown}`, limits, used);
  } catch (error) {
    void connecting.then(
      (stream) => stream.destroy(),
      () => undefined,
    );
    throw error;
  }
}

function opened(socket: Socket, uri: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("error", (cause) => reject(unreachable(uri, cause)));
    socket.once("connect", () => {
      socket.removeAllListeners("error").removeAllListeners("close");
      resolve();
    });
    // The attempt was abandoned before it was connected.
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
      return "no broker listens on the socket; the instance has ended";
    case "EACCES":
      return "the socket belongs to another user";
    default:
      return messageOf(cause);
  }
}

/**
 * Longest path of a unix socket. Node shortens a longer path without an error, which leads outside the
 * guarded directory.
 */
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
