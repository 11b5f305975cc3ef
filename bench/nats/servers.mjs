/** NATS servers on free ports of this machine, and a way to one that can be cut. */
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The system gives ports from here on by itself. */
const EPHEMERAL_FROM = 32_768;
const LOWEST = 10_000;

/** Starts a server, of which `lines` are a part of the configuration; the caller kills it. */
export async function startNats({ lines = [], jetStream = false } = {}) {
  const dir = mkdtempSync(join(tmpdir(), "sluice-bench-nats-"));
  const config = join(dir, "server.conf");
  const store = jetStream ? [`jetstream { store_dir: "${dir}", max_file_store: 500MB }`] : [];
  writeFileSync(config, ['listen: "127.0.0.1:-1"', ...lines, ...store, ""].join("\n"));
  const child = spawn("nats-server", ["-c", config], { stdio: ["ignore", "ignore", "pipe"] });
  const ended = once(child, "close");
  let said = "";
  const routes = () => said.split("Route connection created").length - 1;
  // It is read to its end: a server whose log nothing reads ends.
  const until = (isSaid) =>
    new Promise((resolve, reject) => {
      const look = () => isSaid() && resolve();
      child.stderr.on("data", look);
      child.once("error", reject);
      child.once("close", () => reject(new Error(`nats-server has ended: ${said}`)));
      look();
    });
  child.stderr.on("data", (chunk) => (said += chunk));
  await until(() => said.includes("Server is ready"));
  const port = Number(/client connections on 127\.0\.0\.1:(\d+)/.exec(said)[1]);
  return {
    port,
    url: `nats://127.0.0.1:${port}`,
    routes: (count) => until(() => routes() >= count),
    kill: async () => {
      child.kill("SIGKILL");
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** So many servers that know each other, as those of several hosts; the caller kills them. Their names are `n0`, `n1`, … */
export async function natsCluster(count, { jetStream = false } = {}) {
  const ports = await Promise.all(Array.from({ length: count }, freePort));
  const routes = ports.map((port) => `"nats://127.0.0.1:${port}"`).join(", ");
  const servers = await Promise.all(
    ports.map((port, n) =>
      startNats({
        jetStream,
        lines: [
          `server_name: "n${n}"`,
          `cluster { name: "c", listen: "127.0.0.1:${port}", routes: [ ${routes} ] }`,
        ],
      }),
    ),
  );
  await Promise.all(servers.map((server) => server.routes(count - 1)));
  return servers;
}

/** The servers as `--overlay` takes them, one of them first. */
export function urlOf(servers, first = 0) {
  return [...servers.slice(first), ...servers.slice(0, first)].map(({ url }) => url).join(",");
}

async function freePort() {
  for (;;) {
    const port = randomInt(LOWEST, EPHEMERAL_FROM);
    const server = createServer();
    const isFree = await new Promise((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}

/**
 * A way to a port of this machine. Cut in silence, it carries nothing any more and ends no connection, as a cable that is
 * pulled out. Else both ends learn at once that their connection is lost. Once it is healed, it carries what was sent meanwhile.
 */
export async function wayTo(port) {
  /** Each connection, with the one to the port; undefined for one that began while the way was cut. */
  const pairs = new Map();
  let isCut = false;
  const carry = (near) => {
    const far = pairs.get(near) ?? createConnection(port, "127.0.0.1");
    if (pairs.get(near) === undefined) follow(far, near);
    pairs.set(near, far);
    near.pipe(far);
    far.pipe(near);
  };
  const follow = (socket, other) => {
    socket.setNoDelay(true);
    socket.on("error", () => undefined);
    socket.on("close", () => {
      if (!isCut) other?.destroy();
    });
  };
  const server = createServer((near) => {
    pairs.set(near, undefined);
    follow(near, undefined);
    near.on("close", () => {
      if (isCut) return;
      pairs.get(near)?.destroy();
      pairs.delete(near);
    });
    if (!isCut) carry(near);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const sockets = () => [...pairs].flat().filter((socket) => socket !== undefined);
  const end = () => sockets().forEach((socket) => socket.destroy());
  return {
    url: `nats://127.0.0.1:${server.address().port}`,
    cut: ({ isSilent }) => {
      isCut = true;
      if (isSilent) sockets().forEach((socket) => socket.unpipe().pause());
      else end();
    },
    heal: () => {
      isCut = false;
      for (const near of pairs.keys()) carry(near);
    },
    close: () => {
      isCut = true;
      server.close();
      end();
    },
  };
}
