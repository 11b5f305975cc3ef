/** The rights for JetStream that the guide lists: they are enough, and each that is missing is named. */
import { describe, expect, onTestFinished, test } from "vitest";
import { natsOverlay, type NatsOverlayOptions, parseNatsServers } from "../../../src/broker/index.js";
import { ERRNO } from "../../../src/errors/index.js";
import { blobref } from "../../../src/modules/content/blob.js";
import { NatsBucket } from "../../../src/modules/content/nats-bucket.js";
import { NatsStore } from "../../../src/modules/content/nats-store.js";
import { JetStream, LastingConnection } from "../../../src/nats/index.js";
import { type NatsServer, startNats } from "../../helpers/nats.js";
import { OF_LEASE, OF_RANK, OF_STORE, type Rights, ZERO } from "../support/guide-rights.js";
import { presentRanks } from "../support/ranks-of-a-test.js";
import { startBroker, type TestBroker } from "../support/start-broker.js";

const without = ({ publish, subscribe }: Rights, lost: string): Rights => ({
  publish: publish.filter((subject) => subject !== lost),
  subscribe: subscribe.filter((subject) => subject !== lost),
});

function users(zero: Rights): string[] {
  const user = (name: string, { publish, subscribe }: Rights): string => {
    const list = (subjects: readonly string[]): string =>
      `[ ${[...subjects, "none"].map((one) => `"${one}"`).join(", ")} ]`;
    return `{ user: ${name}, password: p, permissions: { publish: ${list(publish)}, subscribe: ${list(subscribe)} } }`;
  };
  const all = [user("r0", zero), user("r1", OF_RANK), "{ user: admin, password: p }"];
  return [`authorization { users: [ ${all.join(", ")} ] }`];
}

async function server(zero: Rights): Promise<NatsServer> {
  const started = await startNats({ jetStream: true, lines: users(zero) });
  onTestFinished(() => started.kill());
  return started;
}

const as = (user: string, { port }: NatsServer): string => `nats://${user}:p@127.0.0.1:${port}`;

async function startRank(
  rank: number,
  nats: NatsServer,
  options: Partial<NatsOverlayOptions> = {},
): Promise<TestBroker> {
  const { overlay } = await natsOverlay({
    servers: parseNatsServers(as(`r${rank}`, nats)),
    instance: "site",
    ...{ rank, size: 2, connectTimeoutMs: 5000, joinTimeoutMs: 10_000 },
    ...{ silenceMs: 1000, leaseMs: 2000, retryMs: 200 },
    ...options,
  });
  return startBroker({}, { overlay });
}

function connection(user: string, nats: NatsServer): Promise<LastingConnection> {
  return LastingConnection.open({
    servers: parseNatsServers(as(user, nats)),
    ...{ connectTimeoutMs: 5000, name: "test", inboxPrefix: "_INBOX_r0" },
  });
}

async function storeOf(nats: NatsServer): Promise<{ store: NatsStore; refusals: string[] }> {
  const bucket = new NatsBucket(await connection("r0", nats), "sluice-site-content", 60_000);
  onTestFinished(() => bucket.close());
  await bucket.open(1);
  const refusals: string[] = [];
  bucket.onRefused((text) => refusals.push(text));
  return { store: await NatsStore.open(bucket, (text) => expect.unreachable(text)), refusals };
}

async function put(store: NatsStore, text: string): Promise<string> {
  const bytes = Buffer.from(text);
  const ref = blobref(bytes);
  await store.commit({ blobs: [{ ref, bytes }], records: { newest: text } });
  return ref;
}

/** Gives the revision of the lease, as an administrator of the servers sees it. */
async function leaderRevision(nats: NatsServer): Promise<() => Promise<number | undefined>> {
  const admin = await connection("admin", nats);
  onTestFinished(() => admin.close());
  const jetStream = new JetStream(() => admin.current, 5000);
  return async () => (await jetStream.read("sluice-site", "leader"))?.revision;
}

const epochOf = async ({ handle }: TestBroker): Promise<unknown> =>
  ((await handle.rpc("overlay.status")) as { readonly epoch?: number }).epoch;

describe("the rights of the guide", () => {
  test("are enough for the lease, which rank 0 renews", async () => {
    const nats = await server(ZERO);
    const zero = await startRank(0, nats);
    const one = await startRank(1, nats);
    await presentRanks(zero.broker, 1);
    expect(await epochOf(zero)).toBe(1);
    const revision = await leaderRevision(nats);
    const first = (await revision()) ?? 0;
    await expect.poll(revision, { timeout: 10_000 }).toBeGreaterThan(first + 1);
    expect(await one.handle.publish("site.alarm")).toBeGreaterThan(0);
    expect([...zero.log, ...one.log].filter(({ text }) => text.includes("may not"))).toEqual([]);
  });

  test("are enough for the store: to put, to read, to begin again and to collect", async () => {
    const nats = await server(ZERO);
    const { store: first } = await storeOf(nats);
    const ref = await put(first, "kept");
    await put(first, "garbage");
    await first.close();
    const { store, refusals } = await storeOf(nats);
    expect(Buffer.from((await store.load(ref)) ?? []).toString()).toBe("kept");
    await store.collect([ref]);
    await store.collect([ref]);
    expect(store.size().bytes).toBeLessThan("kept".length + "garbage".length + 30);
    expect(refusals).toEqual([]);
  });
});

describe("a right that is missing at the start", () => {
  const needed = [...OF_LEASE.publish, ...OF_LEASE.subscribe].filter((right) => right !== "$JS.API.INFO");

  test.each(needed)("%s ends rank 0 with an error that names it", async (right) => {
    const nats = await server(without(ZERO, right));
    await expect(startRank(0, nats)).rejects.toMatchObject({
      code: "BROKER_STATE",
      errnum: ERRNO.EACCES,
      message: expect.stringContaining(right) as string,
    });
  });

  test("$JS.API.INFO leaves rank 0 without a lease, which it says, and refuses a standby", async () => {
    const nats = await server(without(ZERO, "$JS.API.INFO"));
    const said: string[] = [];
    const zero = await startRank(0, nats, { onWaiting: (text) => said.push(text) });
    expect(said).toEqual(["rank 0 has no lease: this NATS user may not publish $JS.API.INFO"]);
    expect(await epochOf(zero)).toBeUndefined();
    await expect(startRank(0, nats, { standby: true })).rejects.toMatchObject({ errnum: ERRNO.EACCES });
  });

  test.each(OF_STORE.publish.filter((right) => !right.includes("MSG.DELETE")))(
    "%s fails the store at once, with its name",
    async (right) => {
      const nats = await server(without(ZERO, right));
      await expect(storeOf(nats)).rejects.toMatchObject({
        errnum: ERRNO.EACCES,
        message: expect.stringContaining(right) as string,
      });
    },
  );
});

test("a standby that may not write the lease ends at once, not when it has to lead", async () => {
  const nats = await server(ZERO);
  await startRank(0, nats);
  await nats.reload(users(without(ZERO, "$KV.sluice-site.>")));
  await expect(startRank(0, nats, { standby: true })).rejects.toMatchObject({
    errnum: ERRNO.EACCES,
    message: expect.stringContaining("$KV.sluice-site.>") as string,
  });
});

describe("a right that a server withdraws by a reload", () => {
  test.each([
    ["$KV.sluice-site.>", "this NATS user may not publish $KV.sluice-site.>"],
    ["_INBOX_r0.>", "this NATS user may not subscribe to _INBOX_r0.>"],
  ])("%s is said once by rank 0, which gets the lease back with the right", async (right, text) => {
    const nats = await server(ZERO);
    const zero = await startRank(0, nats);
    await nats.reload(users(without(ZERO, right)));
    await zero.logged(text);
    // The lease runs out meanwhile.
    await expect.poll(await leaderRevision(nats), { timeout: 10_000 }).toBeUndefined();
    const lost = { errnum: ERRNO.EHOSTUNREACH };
    await expect(zero.handle.publish("site.alarm")).rejects.toMatchObject(lost);
    await nats.reload(users(ZERO));
    await zero.logged("the broker has renewed the lease of rank 0 again");
    expect(await zero.handle.publish("site.alarm")).toBeGreaterThan(0);
    expect(await epochOf(zero)).toBe(2);
    const said = zero.log.filter((line) => line.level !== "debug" && line.text.includes("may not"));
    expect(said.length).toBe(1);
  });

  test("of the store fails each put at once with its name, is said once, and is used again when it is back", async () => {
    const nats = await server(ZERO);
    const { store, refusals } = await storeOf(nats);
    const ref = await put(store, "before");
    await nats.reload(users(without(ZERO, "$KV.sluice-site-content.>")));
    for (const text of ["one", "two"])
      await expect(put(store, text)).rejects.toMatchObject({ errnum: ERRNO.EACCES });
    const text = "NATS bucket sluice-site-content: this NATS user may not publish $KV.sluice-site-content.>";
    expect(refusals).toEqual([text]);
    await nats.reload(users(ZERO));
    expect(await put(store, "after")).not.toBe(ref);
    expect(await store.record("newest")).toBe("after");
  });
});
