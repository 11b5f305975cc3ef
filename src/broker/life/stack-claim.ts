import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { membersOf, sleep } from "../../processes/index.js";
import type { Env } from "../runtime-directory.js";
import { instancesOf } from "./find-instance.js";
import { killedInstances, type RegisteredInstance, type Registration } from "./instance-register.js";

const CHECK_MS = 20;

/**
 * A use of the register takes far less time. A process that holds its turn for longer loses it.
 */
const TURN_MS = 5000;

/**
 * How long the processes of a killed stack may take to end. It is longer than the time that the brokers of a stack
 * give their modules.
 */
const REMAINS_MS = 60_000;

/** The result of a claim. */
export type StackClaim =
  | { readonly kind: "claimed"; readonly registration: Registration }
  /** It runs already. */
  | { readonly kind: "taken"; readonly instance: RegisteredInstance };

/**
 * Registers an instance of a file, unless one is running. If two processes claim one file at the same time, one of
 * them wins.
 * @param file the real path of its first file
 */
export async function claimStack(file: string, env: Env, register: () => Registration): Promise<StackClaim> {
  const turn = await takeTurn(file);
  try {
    const [instance] = instancesOf(file, env);
    return instance === undefined
      ? { kind: "claimed", registration: register() }
      : { kind: "taken", instance };
  } finally {
    turn?.close();
  }
}

/**
 * Waits until no process is left of a killed instance of the same file, because its programs may still hold their
 * ports. It also waits until the files of that instance below the temporary directory are gone.
 * @param onWaiting called once with the processes that it waits for, if any
 */
export async function awaitRemains(
  file: string,
  env: Env,
  onWaiting: (processes: readonly { readonly pid: number; readonly name: string }[]) => void,
): Promise<void> {
  const killed = killedInstances(env).filter(({ files }) => files[0] === file);
  const deadlineMs = performance.now() + REMAINS_MS;
  for (let hasSaid = false; performance.now() < deadlineMs; hasSaid = true) {
    const left = killed.flatMap(({ mark }) => membersOf(mark)).filter(({ state }) => state !== "Z");
    if (left.length === 0) break;
    if (!hasSaid) onWaiting(left);
    await sleep(CHECK_MS);
  }
  for (const { rundir } of killed) rmSync(rundir, { recursive: true, force: true });
}

/** @returns undefined if another process holds it for too long, so that a start does not hang */
async function takeTurn(file: string): Promise<Server | undefined> {
  const key = createHash("sha256").update(file).digest("hex").slice(0, 32);
  // An address without a file. The kernel releases it when its process ends, in any way.
  const address = `\0sluice-${process.getuid?.() ?? ""}-${key}`;
  const deadlineMs = performance.now() + TURN_MS;
  while (performance.now() < deadlineMs) {
    const server = await listen(address);
    if (server !== undefined) return server;
    await sleep(CHECK_MS);
  }
  return undefined;
}

/** @returns undefined if the address is in use */
function listen(address: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(undefined);
      else reject(error);
    });
    server.listen(address, () => resolve(server));
  });
}
