import {
  chmodSync,
  type FSWatcher,
  linkSync,
  lstatSync,
  mkdirSync,
  renameSync,
  rmSync,
  watch,
} from "node:fs";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { ERRNO, isErrno, SluiceError } from "../../errors/index.js";
import { type Channel, socketChannel, type WireLimits } from "../../messages/index.js";
import { Refs, setRefOf } from "../../processes/index.js";
import { basename, dirname, join } from "node:path";
import type { Clock } from "../clock.js";
import { checkHandedSocket } from "./handed-socket.js";
import { IncompleteMessages } from "./incomplete-messages.js";

/** How long clients may take to read the messages sent to them before the server disconnects them. */
const CLOSE_GRACE_MS = 500;

/** Connections that may wait to be accepted. `net.core.somaxconn` of the kernel limits the number. */
const LISTEN_BACKLOG = 4096;

interface SocketServerOptions {
  /** The references that keep this process alive. */
  readonly refs?: Refs | undefined;
  readonly path: string;
  /** A descriptor that already listens there. Its maker then owns the socket. */
  readonly handedFd?: number | undefined;
  readonly clock: Clock;
  /** Called at each connection, because the limit may change while the broker runs. */
  readonly limits: () => WireLimits;
  /** @param destroy ends the connection now, without sending the waiting messages */
  readonly onConnection: (channel: Channel, destroy: () => void) => void;
  /** A fault of the server itself, such as no descriptors left. The server continues. */
  readonly onError: (error: Error) => void;
}

/**
 * The local socket of a broker. Its directory (0700) protects it. The socket's own mode is 0600 too. If the socket is
 * removed, the broker makes it again.
 */
export class SocketServer {
  readonly path: string;
  readonly #options: SocketServerOptions;
  readonly #refs: Refs;
  readonly #incomplete: IncompleteMessages;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  /** Inode of its socket, which distinguishes it from the socket of a successor. */
  #inode: bigint | undefined;
  #watcher: FSWatcher | undefined;
  /** Operations run one at a time: to listen, to check the socket, to close. */
  #last: Promise<void> = Promise.resolve();
  #isClosed = false;
  /** Whether another program has made the socket, and will remove it. */
  #isHanded = false;

  private constructor(options: SocketServerOptions) {
    this.path = options.path;
    this.#options = options;
    this.#refs = options.refs ?? new Refs();
    this.#incomplete = new IncompleteMessages(options.clock);
  }

  /**
   * Listens, and resolves when clients can connect.
   * @throws SluiceError `BROKER_STATE` with `EEXIST` if another broker listens there
   */
  static async listen(options: SocketServerOptions): Promise<SocketServer> {
    const result = new SocketServer(options);
    if (options.handedFd === undefined) await result.#listen();
    else await result.#take(options.handedFd);
    result.#watch();
    return result;
  }

  /** Makes the socket again if it is missing. Resolves when clients can connect, or the error is reported. */
  ensure(): Promise<void> {
    this.#last = this.#last.then(async () => {
      if (this.#isClosed || inodeOf(this.path) === this.#inode) return;
      try {
        this.#server?.close();
        mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
        await this.#listen();
        this.#watch();
      } catch (error) {
        this.#options.onError(errorOf(error));
      }
    });
    return this.#last;
  }

  /** Closes the socket and every remaining connection. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#watcher?.close();
    await this.#last;
    // As long as the server is open, no other socket can have its inode.
    const isOurs = !this.#isHanded && this.#inode !== undefined;
    if (isOurs && inodeOf(this.path) === this.#inode) rmSync(this.path, { force: true });
    const closed = new Promise<void>((resolve) => this.#server?.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroySoon();
    // A client that does not read must not delay the end of the broker.
    const deadline = setTimeout(() => this.#sockets.forEach((socket) => socket.destroy()), CLOSE_GRACE_MS);
    await closed;
    clearTimeout(deadline);
  }

  /** Continues with a socket that already listens, because earlier clients wait there. */
  async #take(fd: number): Promise<void> {
    const { path } = this.#options;
    checkHandedSocket(fd, path);
    this.#inode = inodeOf(path);
    this.#isHanded = true;
    this.#server = await this.#serverAt({ fd });
  }

  async #listen(): Promise<void> {
    const { path } = this.#options;
    await clearStale(path);
    const draft = draftPath(path);
    const server = await this.#serverAt({ path: draft });
    this.#isHanded = false;
    try {
      chmodSync(draft, 0o600);
      this.#inode = inodeOf(draft);
      giveName(draft, path);
    } catch (error) {
      server.close();
      throw error;
    }
    this.#server = server;
  }

  async #serverAt(where: { readonly path: string } | { readonly fd: number }): Promise<Server> {
    const server = createServer();
    server.on("connection", (socket) => this.#accept(socket));
    await listenAt(server, where);
    server.on("error", this.#options.onError);
    const release = this.#refs.add((isRef) => setRefOf(server, isRef));
    server.once("close", release);
    return server;
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    const release = this.#refs.add((isRef) => setRefOf(socket, isRef));
    socket.once("close", () => {
      release();
      this.#sockets.delete(socket);
    });
    const channel = socketChannel(socket, this.#options.limits(), {
      onIncomplete: (bytes) =>
        this.#incomplete.report(socket, bytes, (why) =>
          socket.destroy(new SluiceError("BROKER_PROTOCOL", why)),
        ),
    });
    this.#options.onConnection(channel, () => socket.destroy());
  }

  /**
   * If the system cannot report its removal, the broker checks the socket at the latest when the instance shuts down.
   */
  #watch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    const name = basename(this.path);
    try {
      this.#watcher = watch(dirname(this.path), { persistent: false }, (_, changed) => {
        if (changed === name && !this.#isClosed) void this.ensure();
      });
      this.#watcher.on("error", () => this.#watcher?.close());
    } catch (error) {
      this.#options.onError(errorOf(error));
    }
  }
}

let lastDraft = 0;

/**
 * The path at which the socket is first made. Node removes the socket that it made, by name, when a server closes.
 * Under its own name, the path could belong to the socket of a successor by then. No longer than the name itself,
 * because a whole path has only 108 bytes.
 */
function draftPath(path: string): string {
  return join(dirname(path), `.${process.pid.toString(36)}-${(++lastDraft).toString(36)}`);
}

/** @throws SluiceError `BROKER_STATE` with `EEXIST` if another broker was faster */
function giveName(draft: string, path: string): void {
  try {
    linkSync(draft, path);
    rmSync(draft);
  } catch (error) {
    if (isErrno(error, "EEXIST")) {
      rmSync(draft);
      throw anotherServes(path);
    }
    // Not every file system has links.
    renameSync(draft, path);
  }
}

function inodeOf(path: string): bigint | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

function anotherServes(path: string): SluiceError {
  const message = `another broker serves ${path}; give this broker another rundir`;
  return new SluiceError("BROKER_STATE", message, { errnum: ERRNO.EEXIST });
}

function errorOf(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function listenAt(server: Server, where: { readonly path: string } | { readonly fd: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ ...where, backlog: LISTEN_BACKLOG }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** Removes the socket of a broker that was killed, never the socket of a live broker. */
async function clearStale(path: string): Promise<void> {
  const stale = inodeOf(path);
  if (stale === undefined) return;
  if (await isServed(path)) throw anotherServes(path);
  // Another broker may have done the same meanwhile, and may already serve there.
  if (inodeOf(path) === stale) rmSync(path, { force: true });
}

/**
 * Whether a broker listens at a socket. A killed broker leaves its socket behind.
 * @throws the system error if the socket gives no answer
 */
export function isServed(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = createConnection(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", (error) => {
      // A socket that closes just now resets the connection.
      const isGone = (["ECONNREFUSED", "ENOENT", "ECONNRESET"] as const).some((code) => isErrno(error, code));
      if (isGone) resolve(false);
      else reject(error);
    });
  });
}
