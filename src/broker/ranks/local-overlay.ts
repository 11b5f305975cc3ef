import { randomBytes } from "node:crypto";
import { createConnection, type Socket } from "node:net";
import { join } from "node:path";
import { isErrno, messageOf, overlayStateError } from "../../errors/index.js";
import { checkSocketPath, socketChannel } from "../../messages/index.js";
import { systemClock } from "../clock.js";
import type { Overlay } from "../routing/overlay.js";
import { SocketServer } from "../routing/socket-server.js";
import type { LeafTransport, OwnConnection, RootTransport } from "./connection.js";
import { Leaf } from "./leaf/leaf.js";
import { OVERLAY_LIMITS } from "./overlay-wire.js";
import { Root } from "./root/root.js";

/** All ranks start at the same time. Rank 0 may not listen yet. */
const RETRY_MS = 20;

export interface LocalOverlayOptions {
  readonly rank: number;
  /** Number of ranks of the instance. */
  readonly size: number;
  /** The run directory that all ranks of the instance share, mode 0700. */
  readonly rundir: string;
  /** Rank 0 refuses ranks of another instance. */
  readonly instanceId: string;
  /** How long a rank waits for rank 0 to listen. */
  readonly joinTimeoutMs: number;
}

/**
 * Joins the ranks of one machine in a star (docs/design/instance.md §5). Rank 0 listens on a unix socket in
 * the run directory. The other ranks connect to it. It relays the messages between two of them.
 *
 * Rank 0 disconnects a rank that reads too slowly, when more than 64 MiB wait for it.
 * @throws SluiceError `BROKER_STATE` with `EINVAL` if the socket's path would be too long
 */
export function localOverlay(options: LocalOverlayOptions): Overlay {
  const path = join(options.rundir, "overlay");
  checkSocketPath(path, "BROKER_STATE");
  const { rank, size, instanceId, joinTimeoutMs } = options;
  const place = { rank, size, instanceId, uuid: newUuid() };
  return rank === 0 ? new Root(listener(path), place) : new Leaf(connector(path, joinTimeoutMs), place);
}

function newUuid(): string {
  return randomBytes(8).toString("hex");
}

/** Rank 0 listens on a socket. */
function listener(path: string): RootTransport {
  let server: SocketServer | undefined;
  return {
    async listen(to) {
      server = await SocketServer.listen({
        path,
        clock: systemClock,
        limits: () => OVERLAY_LIMITS,
        onConnection: (channel, destroy) => to.connected({ channel, destroy }),
        onError: ({ message }) => to.log("err", `overlay socket: ${message}`),
      });
    },
    close: () => server?.close() ?? Promise.resolve(),
  };
}

/** The other ranks connect to it. */
function connector(path: string, joinTimeoutMs: number): LeafTransport {
  return {
    connect: async (signal) => connectionOf(await connect(path, performance.now() + joinTimeoutMs, signal)),
    // A socket that does not answer now belongs to a process that has ended.
    reconnect: async (signal) => ({
      connection: connectionOf(await connect(path, performance.now(), signal)),
      uuid: newUuid(),
    }),
    close: () => Promise.resolve(),
  };
}

function connectionOf(socket: Socket): OwnConnection {
  return {
    channel: socketChannel(socket, OVERLAY_LIMITS),
    destroy: () => socket.destroy(),
    closed: new Promise((resolve) => socket.once("close", () => resolve())),
  };
}

/** Tries until rank 0 listens, or the time has passed. */
function connect(path: string, deadlineMs: number, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    let retry: NodeJS.Timeout | undefined;
    const attempt = (): void => {
      const socket = createConnection(path);
      socket.once("connect", () => {
        socket.removeAllListeners("error");
        if (signal.aborted) socket.destroy();
        else resolve(socket);
      });
      socket.once("error", (cause) => {
        const isEarly = isErrno(cause, "ENOENT") || isErrno(cause, "ECONNREFUSED");
        if (isEarly && performance.now() < deadlineMs) retry = setTimeout(attempt, RETRY_MS);
        else {
          reject(overlayStateError(`cannot reach rank 0: ${messageOf(cause)}`, "EHOSTUNREACH", cause));
        }
      });
    };
    const cancel = (): void => {
      clearTimeout(retry);
      reject(overlayStateError("the broker closed before it had joined", "ECANCELED"));
    };
    signal.addEventListener("abort", cancel);
    if (signal.aborted) cancel();
    else attempt();
  });
}
