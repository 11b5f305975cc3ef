import { createServer } from "node:net";
import { getEventListeners } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, onTestFinished, test } from "vitest";
import { isErrno } from "../../src/errors/index.js";
import { connect, type Handle, type Limits } from "../../src/messages/index.js";
import { startBroker } from "../broker/support/start-broker.js";

/** A handle of a broker, and a module that owns the service `slow` and never answers. */
async function slow(): Promise<Handle> {
  const { handle } = await startBroker({
    slow: (module) => {
      module.handle("never", () => undefined);
      return module.run();
    },
  });
  await handle.rpc("module.load", { path: "slow" });
  return handle;
}

const CALLS: [string, (handle: Handle, limits: Limits) => Promise<unknown>][] = [
  ["rpc", (handle, limits) => handle.rpc("slow.never", null, limits)],
  ["subscribe", (handle, limits) => handle.subscribe("site.*", () => undefined, limits)],
  ["publish", (handle, limits) => handle.publish("site.news", null, limits)],
  ["registerService", (handle, limits) => handle.registerService("desk", limits)],
  ["attr", (handle, limits) => handle.attr("log-stderr-level", limits)],
];

describe.each(CALLS)("the promise of %s", (_, call) => {
  test("rejects with ECANCELED for a signal, and leaves no listener", async () => {
    const handle = await slow();
    const controller = new AbortController();
    const result = call(handle, { signal: controller.signal });
    controller.abort("enough");
    await expect(result).rejects.toSatisfy((error) => isErrno(error, "ECANCELED"));
    expect(getEventListeners(controller.signal, "abort")).toEqual([]);
  });

  test("rejects with ECANCELED for a signal that was aborted before", async () => {
    const handle = await slow();
    const result = call(handle, { signal: AbortSignal.abort() });
    await expect(result).rejects.toSatisfy((error) => isErrno(error, "ECANCELED"));
  });
});

test("a subscription that was given up can be made again, and one call's limit does not end another's", async () => {
  const handle = await slow();
  const controller = new AbortController();
  const news: unknown[] = [];
  const given = handle.subscribe("site.*", () => news.push("given up"), { signal: controller.signal });
  const kept = handle.subscribe("site.*", ({ payload }) => news.push(payload));
  controller.abort();
  await expect(given).rejects.toSatisfy((error) => isErrno(error, "ECANCELED"));
  await kept;
  await handle.publish("site.news", 1);
  expect(news).toEqual([1]);

  const alone = new AbortController();
  const again = handle.subscribe("other.*", () => undefined, { signal: alone.signal });
  alone.abort();
  await expect(again).rejects.toSatisfy((error) => isErrno(error, "ECANCELED"));
  const seen = new Promise((resolve) => {
    void handle
      .subscribe("other.*", ({ payload }) => resolve(payload))
      .then(() => handle.publish("other.x", 2));
  });
  expect(await seen).toBe(2);
});

test("a connection to what never answers ends at its time-out, and its socket is closed", async () => {
  const dir = mkdtempSync(join(tmpdir(), "sluice-mute-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const mute = createServer().listen(join(dir, "local-0"));
  const closed = new Promise((resolve) =>
    mute.on("connection", (socket) => socket.resume().on("close", resolve)),
  );
  const result = connect(`local://${join(dir, "local-0")}`, { timeoutMs: 50 });
  await expect(result).rejects.toSatisfy((error) => isErrno(error, "ETIMEDOUT"));
  await closed;
  mute.close();
});

test("trap-H4: 100,000 requests with one signal and a time-out leave no listener, and the heap does not grow", async () => {
  const handle = await slow();
  const { signal } = new AbortController();
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const heapAfter = async (requests: number): Promise<number> => {
    for (let sent = 0; sent < requests; sent += 1000) {
      const batch = Array.from({ length: 1000 }, () =>
        handle.rpc("slow.ping", 1, { signal, timeoutMs: 60_000 }),
      );
      await Promise.all(batch);
    }
    collect();
    return process.memoryUsage().heapUsed;
  };
  const warnings: Error[] = [];
  const warn = (warning: Error): number => warnings.push(warning);
  process.on("warning", warn);
  onTestFinished(() => void process.off("warning", warn));
  const before = await heapAfter(10_000);
  const after = await heapAfter(100_000);
  expect(getEventListeners(signal, "abort")).toEqual([]);
  expect(warnings).toEqual([]);
  // One listener, timer or matchtag a request would be some 20 MB.
  expect(after - before).toBeLessThan(3_000_000);
});
