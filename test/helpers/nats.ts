import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./ports.js";

/** A NATS server of a test, on a free port of this machine. */
export interface NatsServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Where other servers of its cluster find it; empty without one. */
  readonly clusterUrl: string;
  /** Where it keeps what it is given to keep. */
  readonly dir: string;
  /** Resolves when it is connected to so many other servers. */
  routes(count: number): Promise<void>;
  /** Resolves when it has refused so many connections for their credentials. */
  refusals(count: number): Promise<void>;
  /** Resolves when it has logged something. */
  logged(text: string): Promise<void>;
  /** Gives it another configuration, as its operator does with SIGHUP; resolves when it goes by that. */
  reload(lines: readonly string[]): Promise<void>;
  /** Sends a signal; what it does is up to the server. */
  signal(signal: NodeJS.Signals): void;
  /** Ends it at once, and resolves when it has. */
  kill(): Promise<void>;
}

/**
 * Starts a server; the caller kills it.
 * @param options `port` to take one again; `lines` of its configuration; `jetStream` to keep what it is given to keep; `whole`
 *   for a configuration without any other lines, of which only the addresses and the directory of the store are others
 */
export async function startNats(
  options: { port?: number; lines?: readonly string[]; jetStream?: boolean; whole?: string } = {},
): Promise<NatsServer> {
  const dir = mkdtempSync(join(tmpdir(), "sluice-nats-"));
  const config = join(dir, "server.conf");
  const write = (at: number, lines: readonly string[]): void =>
    writeFileSync(
      config,
      [
        `listen: "127.0.0.1:${at}"`,
        ...lines,
        ...(options.jetStream === true ? [`jetstream { store_dir: "${dir}", max_file_store: 200MB }`] : []),
        "",
      ].join("\n"),
    );
  const { whole } = options;
  if (whole === undefined) write(options.port ?? -1, options.lines ?? []);
  else writeFileSync(config, whole.replace(/store_dir: "[^"]*"/, `store_dir: "${dir}"`));
  const address = whole === undefined ? [] : ["-a", "127.0.0.1", "-p", "-1"];
  const child = spawn("nats-server", ["-c", config, ...address], { stdio: ["ignore", "ignore", "pipe"] });
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
    dir,
    clusterUrl: portOf("route") === "" ? "" : `nats://127.0.0.1:${portOf("route")}`,
    routes: (count) => until(() => said.split("Route connection created").length > count),
    refusals: (count) => until(() => said.split(/authentication error/i).length > count),
    logged: (text) => until(() => said.includes(text)),
    reload: async (lines) => {
      const reloads = (): number => said.split("Reloaded server configuration").length;
      const before = reloads();
      write(port, lines);
      child.kill("SIGHUP");
      await until(() => reloads() > before);
    },
    signal: (signal) => void child.kill(signal),
    kill: async () => {
      child.kill("SIGKILL");
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Three servers that know each other, as those of three hosts; the caller kills them. */
export async function natsCluster(options: { jetStream?: boolean } = {}): Promise<NatsServer[]> {
  // With JetStream each has to know the others from its start on.
  const ports = await Promise.all([freePort(), freePort(), freePort()]);
  const routes = ports.map((port) => `"nats://127.0.0.1:${port}"`).join(", ");
  const all = await Promise.all(
    ports.map((port, n) =>
      startNats({
        ...options,
        lines: [
          `server_name: "n${n}"`,
          `cluster { name: "c", listen: "127.0.0.1:${port}", routes: [ ${routes} ] }`,
        ],
      }),
    ),
  );
  await Promise.all(all.map((one) => one.routes(2)));
  return all;
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
