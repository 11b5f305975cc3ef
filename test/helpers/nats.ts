import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A NATS server of a test, on a free port of this machine. */
export interface NatsServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Where other servers of its cluster find it; empty without one. */
  readonly clusterUrl: string;
  /** Resolves when it is connected to so many other servers. */
  routes(count: number): Promise<void>;
  /** Sends a signal; what it does is up to the server. */
  signal(signal: NodeJS.Signals): void;
  /** Ends it at once, and resolves when it has. */
  kill(): Promise<void>;
}

/**
 * Starts a server; the caller kills it.
 * @param options `port` to take one again; `lines` of its configuration
 */
export async function startNats(
  options: { port?: number; lines?: readonly string[] } = {},
): Promise<NatsServer> {
  const dir = mkdtempSync(join(tmpdir(), "sluice-nats-"));
  const config = join(dir, "server.conf");
  writeFileSync(
    config,
    [`listen: "127.0.0.1:${options.port ?? -1}"`, ...(options.lines ?? []), ""].join("\n"),
  );
  const child = spawn("nats-server", ["-c", config], { stdio: ["ignore", "ignore", "pipe"] });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  let said = "";
  const watchers = new Set<() => void>();
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk.toString();
    for (const watch of [...watchers]) watch();
  });
  /** Resolves when it has said something. */
  const until = async (isSaid: () => boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      const watch = (): void => {
        if (!isSaid()) return;
        watchers.delete(watch);
        resolve();
      };
      watchers.add(watch);
      watch();
      child.once("error", reject);
      void ended.then(() => reject(new Error(`nats-server has ended: ${said}`)));
    });
  const portOf = (what: string): string =>
    new RegExp(`${what} connections on 127\\.0\\.0\\.1:(\\d+)`).exec(said)?.[1] ?? "";
  const isClustered = options.lines?.some((line) => line.startsWith("cluster")) === true;
  await until(() => said.includes("Server is ready") && (!isClustered || portOf("route") !== ""));
  const port = Number(portOf("client"));
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    pid: child.pid ?? 0,
    clusterUrl: portOf("route") === "" ? "" : `nats://127.0.0.1:${portOf("route")}`,
    routes: (count) => until(() => said.split("Route connection created").length > count),
    signal: (signal) => void child.kill(signal),
    kill: async () => {
      child.kill("SIGKILL");
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** A way to a port that a test can cut, as a cable is. */
export interface Detour {
  readonly port: number;
  /** Ends all connections, and takes no new ones until {@link Detour.heal}. */
  cut(): void;
  heal(): void;
  close(): Promise<void>;
}

export async function detourTo(port: number): Promise<Detour> {
  const sockets = new Set<Socket>();
  let isCut = false;
  const server: Server = createServer((near) => {
    if (isCut) {
      near.destroy();
      return;
    }
    const far = createConnection(port, "127.0.0.1");
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("it listens on a port");
  const cut = (): void => {
    isCut = true;
    sockets.forEach((socket) => socket.destroy());
  };
  return {
    port: address.port,
    cut,
    heal: () => {
      isCut = false;
    },
    close: async () => {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
