import { chmodSync, rmSync } from "node:fs";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { ERRNO, isErrno, SluiceError } from "../../errors/index.js";
import { type Channel, socketChannel, type WireLimits } from "../../messages/index.js";
import type { Clock } from "../clock.js";
import { IncompleteMessages } from "./incomplete-messages.js";

/** How long clients may take to read what was sent to them before they are disconnected. */
const CLOSE_GRACE_MS = 500;

/** Connections that may wait to be accepted; the kernel allows what `net.core.somaxconn` says at most. */
const LISTEN_BACKLOG = 4096;

interface SocketServerOptions {
  readonly path: string;
  readonly clock: Clock;
  /** Asked at each connection, as the limit may be set while the broker runs. */
  readonly limits: () => WireLimits;
  /** @param destroy ends the connection now, whatever waits to be sent */
  readonly onConnection: (channel: Channel, destroy: () => void) => void;
  /** A fault of the server itself, such as no descriptors left; it goes on. */
  readonly onError: (error: Error) => void;
}

/** The local socket of a broker. Its directory is the guard (0700); the socket's own mode is 0600 too. */
export class SocketServer {
  readonly path: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(path: string, server: Server) {
    this.path = path;
    this.#server = server;
  }

  /**
   * Listens, and resolves when clients can connect.
   * @throws SluiceError `BROKER_STATE` with `EEXIST` if another broker listens there
   */
  static async listen(options: SocketServerOptions): Promise<SocketServer> {
    const { path, clock, limits, onConnection, onError } = options;
    const server = createServer();
    const incomplete = new IncompleteMessages(clock);
    const result = new SocketServer(path, server);
    server.on("connection", (socket) => {
      result.#sockets.add(socket);
      socket.once("close", () => result.#sockets.delete(socket));
      const channel = socketChannel(socket, limits(), {
        onIncomplete: (bytes) =>
          incomplete.report(socket, bytes, (why) => socket.destroy(new SluiceError("BROKER_PROTOCOL", why))),
      });
      onConnection(channel, () => socket.destroy());
    });
    await clearStale(path);
    await listenAt(server, path);
    server.on("error", onError);
    chmodSync(path, 0o600);
    return result;
  }

  /** Closes the socket and every connection that is left. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroySoon();
    // A client that does not read must not keep the broker.
    const deadline = setTimeout(() => this.#sockets.forEach((socket) => socket.destroy()), CLOSE_GRACE_MS);
    await closed;
    clearTimeout(deadline);
    rmSync(this.path, { force: true });
  }
}

function listenAt(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ path, backlog: LISTEN_BACKLOG }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** Removes the socket of a broker that was killed, never that of a live one. */
async function clearStale(path: string): Promise<void> {
  if (await isServed(path)) {
    const message = `another broker serves ${path}; give this one a rundir of its own`;
    throw new SluiceError("BROKER_STATE", message, { errnum: ERRNO.EEXIST });
  }
  rmSync(path, { force: true });
}

/**
 * Whether a broker listens at a socket, which one that was killed leaves behind.
 * @throws the system error if that cannot be found out
 */
export function isServed(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = createConnection(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", (error) => {
      if (isErrno(error, "ECONNREFUSED") || isErrno(error, "ENOENT")) resolve(false);
      else reject(error);
    });
  });
}
