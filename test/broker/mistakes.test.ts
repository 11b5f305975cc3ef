/** What a module gets wrong is its own affair: not that of the broker, of who asks it, or of other modules. */
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { ERRNO } from "../../src/errors/index.js";
import type { Handle } from "../../src/messages/index.js";
import { realBroker } from "./support/real-broker.js";
import { startBroker } from "./support/start-broker.js";

const MISTAKEN = join(import.meta.dirname, "fixtures/mistaken.mjs");

describe.each([
  { host: "a thread", exec: false },
  { host: "a process", exec: true },
])("a module in $host", ({ exec }) => {
  let handle: Handle;
  let connect: () => Promise<Handle>;

  beforeEach(async () => {
    const real = await realBroker();
    handle = real.handle;
    connect = () => real.broker.connect();
    const request = { path: MISTAKEN, onFailure: "log", exec };
    await handle.rpc("module.load", { ...request, name: "bad" });
    await handle.rpc("module.load", { ...request, name: "asker", exec: true });
  });

  test.each([
    "rpc-undefined",
    "rpc-number",
    "notify-undefined",
    "subscribe-undefined",
    "publish-undefined",
    "publish-number",
  ])("that calls %s is told so", async (call) => {
    await expect(handle.rpc("bad.call", call)).rejects.toMatchObject({ errnum: ERRNO.EINVAL });
    expect(await handle.rpc("bad.ping", 1)).toBe(1);
  });

  test.each(["negative", "fraction", "none", "huge", "zero", "text"])(
    "that answers with an error number that is %s fails by itself",
    async (key) => {
      const client = await connect();
      // Directly, and by way of a module in a process, which has to read the response.
      await expect(client.rpc("asker.ask", { topic: "bad.respond", payload: key })).rejects.toMatchObject({
        errnum: ERRNO.EINVAL,
      });
      await expect(client.rpc("asker.ask", { topic: "bad.throw", payload: key })).rejects.toMatchObject({
        errnum: ERRNO.ECONNRESET,
      });
      expect(await client.rpc("asker.ping", 1)).toBe(1);
    },
  );

  test("that answers with a text that is none is understood", async () => {
    await expect(handle.rpc("asker.ask", { topic: "bad.respond-text" })).rejects.toMatchObject({
      errnum: ERRNO.EIO,
      message: "3",
    });
  });

  test.each(["negative", "fraction", "none", "huge", "zero", "text"])(
    "that fails to load with an error number that is %s has failed, with its place and text",
    async (key) => {
      const load = handle.rpc("module.load", { path: MISTAKEN, name: "new", args: ["fail", key], exec });
      const message = expect.stringMatching(new RegExp(`^mistaken\\.mjs:\\d+:\\d+: ${key}$`)) as string;
      await expect(load).rejects.toMatchObject({ errnum: ERRNO.ECONNRESET, message });
      expect(await handle.rpc("asker.ping", 1)).toBe(1);
    },
  );

  test("that publishes a topic too long for the wire hears of it, and no subscriber is failed", async () => {
    await expect(handle.rpc("bad.publish-long")).rejects.toMatchObject({ errnum: ERRNO.EMSGSIZE });
    expect(await handle.rpc("asker.ping", 1)).toBe(1);
  });
});

test("a guest ends no module, although that may not ask who would", async () => {
  const { broker, handle } = await startBroker({
    careless: async (h) => {
      h.handle(
        "shutdown",
        () => {
          h.stop();
        },
        { allowGuest: true },
      );
      await h.run();
    },
  });
  await handle.rpc("module.load", { path: "/mem/careless" });
  const guest = await broker.connect({ guest: true });
  await expect(guest.rpc("careless.shutdown")).rejects.toMatchObject({ errnum: ERRNO.EPERM });
  expect(await handle.rpc("careless.ping", 1)).toBe(1);
});

test("an unknown method of a service of the broker is told as one of a module is", async () => {
  const { handle } = await startBroker();
  await expect(handle.rpc("module.nosuch")).rejects.toMatchObject({
    errnum: ERRNO.ENOSYS,
    message: "Unknown service method 'module.nosuch'",
  });
});

test.each([0, -5])("a memory limit of %i bytes is refused", async (memoryLimitBytes) => {
  const { handle } = await realBroker();
  const load = handle.rpc("module.load", { path: MISTAKEN, exec: true, memoryLimitBytes });
  await expect(load).rejects.toMatchObject({ errnum: ERRNO.EINVAL });
});
