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

/** Where a server runs: its address, and the words before its command. */
export interface ServerHost {
  readonly address: string;
  readonly prefix: readonly string[];
}

const LOOPBACK: ServerHost = { address: "127.0.0.1", prefix: [] };

/**
 * Starts a server; the caller kills it.
 * @param options `port` to take one again; `lines` of its configuration; `jetStream` to keep what it is given to keep; `whole`
 *   for a configuration without any other lines, of which only the addresses and the directory of the store are others;
 *   `host` for another place than this machine itself
 */
export async function startNats(
  options: {
    port?: number;
    lines?: readonly string[];
    jetStream?: boolean;
    whole?: string;
    host?: ServerHost;
  } = {},
): Promise<NatsServer> {
  const { host = LOOPBACK } = options;
  const dir = mkdtempSync(join(tmpdir(), "sluice-nats-"));
  const config = join(dir, "server.conf");
  const write = (at: number, lines: readonly string[]): void =>
    writeFileSync(
      config,
      [
        `listen: "${host.address}:${at}"`,
        ...lines,
        ...(options.jetStream === true ? [`jetstream { store_dir: "${dir}", max_file_store: 200MB }`] : []),
        "",
      ].join("\n"),
    );
  const { whole } = options;
  if (whole === undefined) write(options.port ?? -1, options.lines ?? []);
  else writeFileSync(config, whole.replace(/store_dir: "[^"]*"/, `store_dir: "${dir}"`));
  const address = whole === undefined ? [] : ["-a", host.address, "-p", "-1"];
  const [program = "", ...args] = [...host.prefix, "nats-server", "-c", config, ...address];
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
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
    new RegExp(`${what} connections on ${host.address}:(\\d+)`).exec(said)?.[1] ?? "";
  const isClustered = options.lines?.some((line) => line.startsWith("cluster")) === true;
  await until(() => said.includes("Server is ready") && (!isClustered || portOf("route") !== ""));
  const port = Number(portOf("client"));
  return {
    url: `nats://${host.address}:${port}`,
    port,
    pid: child.pid ?? 0,
    dir,
    clusterUrl: portOf("route") === "" ? "" : `nats://${host.address}:${portOf("route")}`,
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
  /** Ends no connection, and carries nothing until {@link Detour.heal}, which carries what was sent meanwhile. */
  cutInSilence(): void;
  heal(): void;
  close(): Promise<void>;
}

export async function detourTo(port: number): Promise<Detour> {
  /** Each connection, with the one to the port; undefined for one that waits for that. */
  const pairs = new Map<Socket, Socket | undefined>();
  let state: "open" | "cut" | "silent" = "open";
  const sockets = (): Socket[] => [...pairs].flat().filter((socket) => socket !== undefined);
  const carry = (near: Socket): void => {
    const far = pairs.get(near) ?? createConnection(port, "127.0.0.1").setNoDelay(true);
    if (pairs.get(near) === undefined) {
      far.on("error", () => near.destroy());
      far.on("close", () => {
        if (state !== "silent") near.destroy();
      });
    }
    pairs.set(near, far);
    near.pipe(far);
    far.pipe(near);
  };
  const server: Server = createServer((near) => {
    if (state === "cut") {
      near.destroy();
      return;
    }
    pairs.set(near, undefined);
    near.setNoDelay(true);
    near.on("error", () => undefined);
    near.on("close", () => {
      if (state === "silent") return;
      pairs.get(near)?.destroy();
      pairs.delete(near);
    });
    if (state === "open") carry(near);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("it listens on a port");
  const cut = (): void => {
    state = "cut";
    for (const socket of sockets()) socket.destroy();
  };
  return {
    port: address.port,
    cut,
    cutInSilence: () => {
      state = "silent";
      for (const socket of sockets()) socket.unpipe().pause();
    },
    heal: () => {
      state = "open";
      for (const near of pairs.keys()) carry(near);
    },
    close: async () => {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
