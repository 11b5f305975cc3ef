import { expect, test } from "vitest";
import { ERRNO } from "../../src/errors/index.js";
import { startBroker } from "./support/start-broker.js";

const MOST = 10_000;

test("fault-E5: a guest has at most 10,000 subscriptions, and others go on", async () => {
  const { broker, handle } = await startBroker();
  const guest = await broker.connect({ guest: true });
  await Promise.all(
    Array.from({ length: MOST }, (_, i) => guest.rpc("event.subscribe", { topic: `t.${i}` })),
  );
  const more = guest.rpc("event.subscribe", { topic: "one.more" });
  await expect(more).rejects.toMatchObject({ errnum: ERRNO.EMFILE });
  // Again is not one more; and one that is given back makes room.
  await guest.rpc("event.subscribe", { topic: "t.0" });
  await guest.rpc("event.unsubscribe", { topic: "t.1" });
  await guest.rpc("event.subscribe", { topic: "one.more" });
  await handle.rpc("event.subscribe", { topic: "other" });
  await guest.close();
  const next = await broker.connect({ guest: true });
  await next.rpc("event.subscribe", { topic: "t.0" });
});

test("fault-E5: the topics of one client have at most 4 MiB together", async () => {
  const { broker } = await startBroker();
  const guest = await broker.connect({ guest: true });
  const topic = "x".repeat(50_000);
  const asked = await Promise.allSettled(
    Array.from({ length: 100 }, (_, i) => guest.rpc("event.subscribe", { topic: `${topic}.${i}` })),
  );
  const failed = asked.filter(({ status }) => status === "rejected");
  expect(asked.length - failed.length).toBe(83);
  for (const one of failed) expect(one).toMatchObject({ reason: { errnum: ERRNO.EMFILE } });
});
