/** What becomes of clients and modules of a rank that has missed events. */
import { describe, expect, test } from "vitest";
import { loopback } from "../../src/broker/routing/overlay.js";
import { ERRNO } from "../../src/errors/index.js";
import type { Handle, ModuleMain } from "../../src/messages/index.js";
import { type GapOverlay, gapOverlay } from "./support/gap-overlay.js";
import { startBroker, type TestBroker } from "./support/start-broker.js";

const WHY =
  "this rank has missed events after 1, because rank 0 no longer keeps them all (overlay.kept-events)";

async function missing(
  mains: Readonly<Record<string, ModuleMain>> = {},
): Promise<TestBroker & Pick<GapOverlay, "away">> {
  const { overlay, away } = gapOverlay(loopback());
  const started = await startBroker(mains, { overlay });
  await started.handle.publish("first");
  return { ...started, away };
}

/** Subscribes, and takes no notice of the end. */
async function deaf(h: Handle): Promise<void> {
  await h.subscribe("a.*", () => undefined);
  await h.run();
}

/** Has no subscription of its own. */
async function idle(h: Handle): Promise<void> {
  await h.run();
}

describe("missed events", () => {
  test("are logged as an error, with the last event and the next one", async () => {
    const { handle, away, log } = await missing();
    await away(() => handle.publish("a.b"));
    expect(log).toContainEqual(
      expect.objectContaining({
        level: "err",
        name: "broker",
        text: `${WHY}. This rank continues after event 2. Its subscriptions end with ENODATA`,
      }),
    );
  });

  test("fail a module that takes no notice of the end, with a message that names the subscription", async () => {
    const { handle, away, logged } = await missing({ deaf, idle });
    for (const name of ["deaf", "idle"]) {
      await handle.rpc("module.load", { path: `/mem/${name}`, onFailure: "log" });
    }
    await away(() => handle.publish("a.b"));
    const line = await logged("deaf module runtime failure");
    expect(line.text).toContain(`subscription to a.* has ended: ${WHY}`);
    expect(await handle.rpc("idle.ping", 1)).toBe(1);
  });

  test("leave the default subscription of a module in place", async () => {
    const { handle, away } = await missing({ idle });
    await handle.rpc("module.load", { path: "/mem/idle" });
    await away(() => handle.publish("a.b"));
    await handle.rpc("idle.ping", 1);
    await handle.publish("idle.stats-clear");
    expect(await handle.rpc("idle.stats-get")).toMatchObject({ rx: { request: 1 } });
  });

  test("end the connection of a client that takes no notice, also of a guest, and no other", async () => {
    const { broker, handle, away } = await missing();
    const [owner, guest] = [await broker.connect(), await broker.connect({ guest: true })];
    for (const client of [owner, guest]) await client.subscribe("a.*", () => undefined);
    await away(() => handle.publish("a.b"));
    const end = { errnum: ERRNO.ENODATA, message: `subscription to a.* has ended: ${WHY}` };
    expect(await owner.closed).toMatchObject(end);
    expect(await guest.closed).toMatchObject(end);
    await expect(owner.rpc("broker.ping")).rejects.toMatchObject(end);
    expect(await handle.rpc("broker.ping", 1)).toBe(1);
  });

  test("disconnect a program that subscribed without a streaming request, with a line in the log", async () => {
    const { broker, handle, away, logged } = await missing();
    const raw = await broker.connect();
    await raw.rpc("event.subscribe", { topic: "a.*" });
    await away(() => handle.publish("a.b"));
    expect(await logged(`disconnected: ${WHY}`)).toMatchObject({ level: "err" });
    await raw.closed;
  });
});
