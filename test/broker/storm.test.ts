import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { fields, type Handle, type Payload } from "../../src/messages/index.js";
import { realBroker } from "./support/real-broker.js";

const MORTAL = join(import.meta.dirname, "fixtures/mortal.mjs");
const OPERATIONS = 600;

/** Numbers from 0 to below 1 that a seed decides (mulberry32). */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Counts promises that are neither kept nor broken. */
class Open {
  readonly counts = new Map<string, number>();

  watch(kind: string, promise: Promise<unknown>): void {
    this.#add(kind, 1);
    const settle = (): void => this.#add(kind, -1);
    promise.then(settle, settle);
  }

  /** What is open, by kind; empty when nothing is. */
  get left(): Record<string, number> {
    return Object.fromEntries([...this.counts].filter(([, count]) => count !== 0));
  }

  #add(kind: string, count: number): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + count);
  }
}

async function readSome(stream: AsyncIterableIterator<Payload>, isLeft: boolean): Promise<void> {
  for (;;) {
    const { done } = await stream.next();
    if (done === true) return;
    if (isLeft) break;
  }
  await stream.return?.();
}

/** Kills the process of a module, if it is in one of its own. */
async function killProcess(handle: Handle, name: string): Promise<void> {
  const { pid } = fields(await handle.rpc(`${name}.who`), { pid: "integer" });
  if (pid !== process.pid) process.kill(pid, "SIGKILL");
}

test("after a storm of loads, requests, cancels, kills, disconnects and reloads no promise is left pending", async () => {
  const seed = Number(process.env["SLUICE_TEST_SEED"] ?? Date.now() % 1_000_000);
  const next = random(seed);
  const pick = <T>(from: readonly [T, ...T[]]): T => from[Math.floor(next() * from.length)] ?? from[0];
  const { broker, handle } = await realBroker();
  const open = new Open();
  const names = ["m0", "m1", "m2", "m3", "m4"] as const;
  const hosts = [{}, { exec: true }, { thread: "group" }] as const;
  const rpc = (kind: string, topic: string, payload?: Payload, signal?: AbortSignal): void =>
    open.watch(kind, handle.rpc(topic, payload, { ...(signal && { signal }) }));

  const operations: readonly [() => void, ...(() => void)[]] = [
    () => rpc("load", "module.load", { path: MORTAL, name: pick(names), ...pick(hosts) }),
    () => rpc("load", "module.load", { path: MORTAL, name: pick(names), ...pick(hosts) }),
    () => rpc("remove", "module.remove", { name: pick(names) }),
    () => rpc("cancel", "module.remove", { name: pick(names), cancel: true }),
    () => rpc("reload", "module.reload", { name: pick(names) }),
    () => rpc("defer", "module.debug", { name: pick(names), defer: next() < 0.2 }),
    () => open.watch("kill", killProcess(handle, pick(names))),
    () => rpc("exit", `${pick(names)}.exit`),
    () => rpc("throw", `${pick(names)}.throw`),
    () => rpc("flood", `${pick(names)}.flood`, { topic: `${pick(names)}.never`, count: 2000 }),
    () => {
      for (let n = 0; n < 50; n++) rpc("echo", `${pick(names)}.echo`, n);
    },
    () => {
      for (let n = 0; n < 10; n++) rpc("never", `${pick(names)}.never`);
    },
    () => rpc("aborted", `${pick(names)}.never`, null, AbortSignal.timeout(Math.floor(next() * 50))),
    () => open.watch("stream", readSome(handle.rpcStream(`${pick(names)}.stream`), next() < 0.5)),
    () => open.watch("publish", handle.publish("news", "x")),
    () =>
      open.watch(
        "client",
        broker.connect({ guest: next() < 0.2 }).then((client) => {
          open.watch("client's request", client.rpc(`${pick(names)}.never`));
          open.watch("client's stream", readSome(client.rpcStream(`${pick(names)}.stream`), false));
          open.watch(
            "client's subscription",
            client.subscribe("*", () => undefined),
          );
          return client.close();
        }),
      ),
  ];
  for (let n = 0; n < OPERATIONS; n++) {
    pick(operations)();
    if (next() < 0.5) await handle.rpc("broker.ping");
  }

  // A module that is held back does not end, and so does not end what waits for it. Nor is it cancelled for itself alone
  // where others are on its thread.
  const modules = async (): Promise<string[]> => {
    const { modules } = fields(await handle.rpc("module.list"), { modules: "array" });
    return modules.map((entry) => fields(entry, { name: "string" }).name);
  };
  await vi.waitFor(
    async () => {
      for (const name of await modules()) {
        rpc("last cancel", "module.remove", { name, cancel: true, force: true });
      }
      expect([seed, await modules(), open.left, broker.pendingRequests]).toEqual([seed, [], {}, 0]);
    },
    { interval: 20, timeout: 30_000 },
  );
});
