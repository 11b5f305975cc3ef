import { mkdtempSync, rmSync } from "node:fs";
import { createConnection, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { localOverlay, type LocalOverlayOptions } from "../../../src/broker/index.js";
import type { ModuleMain } from "../../../src/messages/index.js";
import { startBroker, type TestBroker } from "./start-broker.js";

export const INSTANCE_ID = "instance-of-a-test";

/** A run directory for the ranks of one instance, gone when the test ends. */
export function sharedRundir(): string {
  const path = mkdtempSync(join(tmpdir(), "sluice-ranks-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

export interface TestRank extends TestBroker {
  /** Breaks the connection to rank 0 as the end of a process does, without a word. */
  readonly cut: () => void;
}

/** Starts one rank over the local overlay. */
export async function startRank(
  options: Pick<LocalOverlayOptions, "rank" | "size" | "rundir"> & Partial<LocalOverlayOptions>,
  mains: Readonly<Record<string, ModuleMain>> = {},
): Promise<TestRank> {
  const { rank, rundir, instanceId = INSTANCE_ID } = options;
  const wire = rank === 0 ? undefined : await detour(rundir);
  const overlay = localOverlay({
    joinTimeoutMs: 10_000,
    ...options,
    instanceId,
    rundir: wire?.rundir ?? rundir,
  });
  const broker = await startBroker(mains, { overlay, rundir, attributes: { "instance-id": instanceId } });
  return { ...broker, cut: () => wire?.cut() };
}

/** A directory from which the overlay is reached by way of the test, which can cut it. */
async function detour(rundir: string): Promise<{ readonly rundir: string; readonly cut: () => void }> {
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
  const cut = (): void => sockets.forEach((socket) => socket.destroy());
  onTestFinished(() => {
    cut();
    server.close();
  });
  return { rundir: own, cut };
}

/** Starts all ranks of an instance at once, and resolves when each of them reaches each other. */
export async function startRanks(
  size: number,
  mains: Readonly<Record<string, ModuleMain>> = {},
): Promise<TestRank[]> {
  const rundir = sharedRundir();
  const ranks = await Promise.all(
    Array.from({ length: size }, (_, rank) => startRank({ rank, size, rundir }, mains)),
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
