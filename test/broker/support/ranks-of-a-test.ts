import { mkdtempSync, rmSync } from "node:fs";
import { createConnection, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import {
  type BrokerOptions,
  localOverlay,
  natsOverlay,
  type NatsOverlayOptions,
  type Overlay,
  parseNatsServers,
} from "../../../src/broker/index.js";
import type { Event, Handle, ModuleMain } from "../../../src/messages/index.js";
import { detourTo, startNats } from "../../helpers/nats.js";
import { startBroker, type TestBroker } from "./start-broker.js";

/** What can join the ranks of an instance: what works over one works over the other. */
export const OVERLAYS = ["local", "nats"] as const;
export type OverlayKind = (typeof OVERLAYS)[number];

/** Names the instance of a test. */
export const INSTANCE_ID = "instance-of-a-test";

/** Where the ranks of one instance meet. */
export interface Meeting {
  readonly kind: OverlayKind;
  readonly rundir: string;
  /** The port of the NATS server, over `nats`. */
  readonly port: number;
  /** Of each rank. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** Without connections of its own a rank is lost when it has been silent: soon, for a test. */
export const SOON_LOST = { "overlay.heartbeat-period": "300ms", "overlay.lost-after": "1500ms" };

/** A place for the ranks of one instance, gone when the test ends. */
export async function meeting(
  kind: OverlayKind,
  attributes: Readonly<Record<string, string>> = {},
): Promise<Meeting> {
  const rundir = sharedRundir();
  if (kind === "local") return { kind, rundir, port: 0, attributes };
  const server = await startNats();
  onTestFinished(() => server.kill());
  return { kind, rundir, port: server.port, attributes };
}

/** A run directory for the ranks of one instance, gone when the test ends. */
function sharedRundir(): string {
  const path = mkdtempSync(join(tmpdir(), "sluice-ranks-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

export interface TestRank extends TestBroker {
  /** Breaks the connection to other ranks as the end of a process does, without a word. */
  readonly cut: () => void;
  /** Breaks the connection to other ranks, which can be made anew, over NATS after {@link TestRank.heal}. */
  readonly interrupt: () => void;
  readonly heal: () => void;
}

export interface RankOptions {
  readonly rank: number;
  readonly size: number;
  readonly at: Meeting;
  readonly instanceId?: string;
  readonly joinTimeoutMs?: number;
  /** Of its broker, beside what makes it a rank. */
  readonly more?: BrokerOptions;
}

/** Starts one rank. */
export async function startRank(
  options: RankOptions,
  mains: Readonly<Record<string, ModuleMain>> = {},
): Promise<TestRank> {
  const { at, instanceId = INSTANCE_ID } = options;
  const { overlay, ...wire } = at.kind === "local" ? await localRank(options) : await natsRank(options);
  const attributes = { ...at.attributes, "instance-id": instanceId };
  const broker = await startBroker(mains, { overlay, rundir: at.rundir, attributes, ...options.more });
  return { ...broker, ...wire };
}

interface Joining extends Pick<TestRank, "cut" | "interrupt" | "heal"> {
  readonly overlay: Overlay;
}

async function localRank(options: RankOptions): Promise<Joining> {
  const { rank, size, at, instanceId = INSTANCE_ID, joinTimeoutMs = 10_000 } = options;
  const wire = rank === 0 ? undefined : await detour(at.rundir);
  const rundir = wire?.rundir ?? at.rundir;
  const overlay = localOverlay({ rank, size, rundir, instanceId, joinTimeoutMs });
  return {
    overlay,
    cut: () => wire?.cut(),
    interrupt: () => wire?.interrupt(),
    heal: () => undefined,
  };
}

async function natsRank(options: RankOptions): Promise<Joining> {
  const wire = await detourTo(options.at.port);
  onTestFinished(() => wire.close());
  const { overlay } = await natsOverlay(natsOptions({ ...options, port: wire.port }));
  return { overlay, cut: () => wire.cut(), interrupt: () => wire.cut(), heal: () => wire.heal() };
}

/** For a rank over NATS servers of this machine. */
function natsOptions(
  options: Omit<RankOptions, "at"> & { readonly port: number } & Partial<NatsOverlayOptions>,
): NatsOverlayOptions {
  const { instanceId = INSTANCE_ID, joinTimeoutMs = 10_000, port, ...rest } = options;
  return {
    servers: parseNatsServers(`nats://127.0.0.1:${port}`),
    instance: instanceId,
    joinTimeoutMs,
    connectTimeoutMs: 5000,
    silenceMs: 900,
    leaseMs: 2000,
    retryMs: 1000,
    ...rest,
  };
}

/** A directory from which the overlay is reached by way of the test, which can cut it. */
async function detour(rundir: string): Promise<{
  readonly rundir: string;
  readonly cut: () => void;
  readonly interrupt: () => void;
}> {
  const own = sharedRundir();
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = createConnection(join(rundir, "overlay"));
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => other.destroy());
      socket.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(join(own, "overlay"), resolve));
  const interrupt = (): void => sockets.forEach((socket) => socket.destroy());
  const cut = (): void => {
    server.close();
    interrupt();
  };
  onTestFinished(cut);
  return { rundir: own, cut, interrupt };
}

/** Starts all ranks of an instance at once, and resolves when each of them reaches each other. */
export async function startRanks(
  size: number,
  at: Meeting,
  mains: Readonly<Record<string, ModuleMain>> = {},
): Promise<TestRank[]> {
  const ranks = await Promise.all(
    Array.from({ length: size }, (_, rank) => startRank({ rank, size, at }, mains)),
  );
  await Promise.all(ranks.map(({ broker }) => presentRanks(broker, size - 1)));
  return ranks;
}

/** Resolves when a broker reaches so many others. */
export function presentRanks({ roster }: Pick<TestBroker["broker"], "roster">, count: number): Promise<void> {
  return new Promise((resolve) => {
    const check = (): void => {
      if (roster.present.size !== count) return;
      ignore();
      resolve();
    };
    const ignore = roster.onChange(check);
    check();
  });
}

/** Subscribes, and gives what resolves to the first events of the topic. */
export async function events(
  handle: Handle,
  topic: string,
  count: number,
): Promise<{ readonly all: Promise<Event[]> }> {
  const got: Event[] = [];
  let resolve: (events: Event[]) => void = () => undefined;
  const all = new Promise<Event[]>((settle) => (resolve = settle));
  await handle.subscribe(topic, (event) => {
    if (got.push(event) === count) resolve(got);
  });
  return { all };
}
