/** Three hosts with a NATS server each, of which any may lose its link: in network namespaces, or by detours. */
import { execFileSync, spawnSync } from "node:child_process";
import { type Detour, detourTo, natsCluster, type NatsServer, startNats } from "./nats.js";
import { isRoot } from "./users.js";

export interface LinkedHost {
  /** The servers as a broker on this host lists them. */
  readonly overlay: string;
  /** The words before a command that runs on this host. */
  readonly prefix: readonly string[];
  /** The host sends and receives nothing any more, and no program is told. */
  cut(): void;
  /** What was sent meanwhile arrives. */
  heal(): void;
}

/** Three of them, until they are removed. */
export interface LinkedHosts {
  readonly hosts: readonly [LinkedHost, LinkedHost, LinkedHost];
  remove(): Promise<void>;
}

const NUMBERS = [1, 2, 3] as const;

const ip = (...args: string[]): void => void execFileSync("ip", args, { stdio: "pipe" });

/**
 * Each host is a network namespace with a NATS server, on one bridge. A cut takes down the end of its cable at the bridge: the
 * server of the host loses its cluster, too.
 */
async function inNamespaces(): Promise<LinkedHosts> {
  const name = (at: number | "bridge"): string => `sluice-${process.pid}-${at}`;
  const bridge = name("bridge");
  const cable = (n: number): string => `v${n}`;
  const address = (n: number): string => `10.9.0.${n}`;
  const servers: NatsServer[] = [];
  const remove = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.kill()));
    for (const at of [...NUMBERS, "bridge"] as const) spawnSync("ip", ["netns", "del", name(at)]);
  };
  try {
    ip("netns", "add", bridge);
    ip("-n", bridge, "link", "add", "br0", "type", "bridge");
    ip("-n", bridge, "link", "set", "br0", "up");
    for (const n of NUMBERS) {
      ip("netns", "add", name(n));
      ip("-n", name(n), "link", "set", "lo", "up");
      ip("-n", bridge, "link", "add", cable(n), "type", "veth", "peer", "name", "eth0", "netns", name(n));
      ip("-n", bridge, "link", "set", cable(n), "master", "br0", "up");
      ip("-n", name(n), "addr", "add", `${address(n)}/24`, "dev", "eth0");
      ip("-n", name(n), "link", "set", "eth0", "up");
    }
    const prefix = (n: number): string[] => ["ip", "netns", "exec", name(n)];
    const routes = NUMBERS.map((n) => `"nats://${address(n)}:6222"`).join(", ");
    const started = NUMBERS.map(async (n) => {
      const cluster = `cluster { name: "c", listen: "${address(n)}:6222", routes: [ ${routes} ] }`;
      const host = { address: address(n), prefix: prefix(n) };
      servers.push(
        await startNats({ port: 4222, jetStream: true, host, lines: [`server_name: "n${n}"`, cluster] }),
      );
    });
    await Promise.all(started);
    await Promise.all(servers.map((server) => server.routes(2)));
    const host = (n: number): LinkedHost => ({
      overlay: NUMBERS.map((each) => `nats://${address(each)}:4222`).join(","),
      prefix: prefix(n),
      cut: () => ip("-n", bridge, "link", "set", cable(n), "down"),
      heal: () => ip("-n", bridge, "link", "set", cable(n), "up"),
    });
    return { hosts: [host(1), host(2), host(3)], remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** The servers are on ports of this machine. A cut stops what a broker of the host sends to them and receives from them. */
async function byDetours(): Promise<LinkedHosts> {
  const servers = await natsCluster({ jetStream: true });
  const all: Detour[] = [];
  const host = async (): Promise<LinkedHost> => {
    const ways = await Promise.all(servers.map(({ port }) => detourTo(port)));
    all.push(...ways);
    return {
      overlay: ways.map(({ port }) => `nats://127.0.0.1:${port}`).join(","),
      prefix: [],
      cut: () => ways.forEach((way) => way.cutInSilence()),
      heal: () => ways.forEach((way) => way.heal()),
    };
  };
  return {
    hosts: [await host(), await host(), await host()],
    remove: async () => {
      await Promise.all(all.map((way) => way.close()));
      await Promise.all(servers.map((server) => server.kill()));
    },
  };
}

/** Whether this machine lets the tests make network namespaces. */
function mayMakeNamespaces(): boolean {
  const name = `sluice-${process.pid}-trial`;
  if (!isRoot || spawnSync("ip", ["netns", "add", name]).status !== 0) return false;
  const { status } = spawnSync("ip", ["netns", "exec", name, "true"]);
  spawnSync("ip", ["netns", "del", name]);
  return status === 0;
}

/** The ways to have such hosts here; that there is no namespace shows in the names of the tests. */
export const linkedHosts: readonly (readonly [string, () => Promise<LinkedHosts>])[] = [
  ...(mayMakeNamespaces() ? [["in network namespaces", inNamespaces] as const] : []),
  ["behind detours", byDetours],
];
