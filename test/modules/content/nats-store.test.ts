/** What only a store on NATS servers lives through; the rest is in the tests of all providers. */
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { ERRNO, type ErrnoName } from "../../../src/errors/index.js";
import { blobref } from "../../../src/modules/content/blob.js";
import { NatsBucket } from "../../../src/modules/content/nats-bucket.js";
import { NatsStore } from "../../../src/modules/content/nats-store.js";
import { JetStream, LastingConnection, parseNatsServers } from "../../../src/nats/index.js";
import { type NatsServer, natsCluster, startNats } from "../../helpers/nats.js";
import { withInstance } from "../instance.js";

const failsWith = (name: ErrnoName): unknown => expect.objectContaining({ errnum: ERRNO[name] });
const WAIT_MS = 20_000;

async function server(options: Parameters<typeof startNats>[0] = {}): Promise<NatsServer> {
  const started = await startNats({ jetStream: true, ...options });
  onTestFinished(() => started.kill());
  return started;
}

async function openBucket(url: string, { replicas = 1, waitMs = WAIT_MS } = {}): Promise<NatsBucket> {
  const connection = await LastingConnection.open({
    servers: parseNatsServers(url),
    connectTimeoutMs: 5000,
    name: "test",
  });
  const bucket = new NatsBucket(connection, "sluice-test-content", waitMs);
  onTestFinished(() => bucket.close());
  await bucket.open(replicas);
  return bucket;
}

async function openStore(url: string, options = {}): Promise<NatsStore> {
  return NatsStore.open(await openBucket(url, options), (text) => expect.unreachable(text));
}

async function put(store: NatsStore, bytes: Uint8Array, kept = false): Promise<string> {
  const ref = blobref(bytes);
  await store.commit({ blobs: [{ ref, bytes }], records: {}, kept });
  return ref;
}

function jetStreamOf(bucket: { readonly url: string }): Promise<{ readonly jetStream: JetStream }> {
  return LastingConnection.open({
    servers: parseNatsServers(bucket.url),
    connectTimeoutMs: 5000,
    name: "test",
  }).then((connection) => {
    onTestFinished(() => connection.close());
    return { jetStream: new JetStream(() => connection.current, 5000) };
  });
}

async function freeze(nats: NatsServer): Promise<void> {
  nats.signal("SIGSTOP");
  await expect.poll(() => readFileSync(`/proc/${nats.pid}/stat`, "latin1")).toContain(") T ");
}

const BUCKET = "sluice-test-content";

test("trap-F14 what is larger than the servers take is in pieces; those of an interrupted put are removed", async () => {
  const nats = await server({ lines: ["max_payload: 65536"] });
  const first = await openStore(nats.url);
  const large = randomBytes(1_000_000);
  const ref = await put(first, large, true);
  expect(Buffer.compare(Buffer.from((await first.load(ref)) ?? []), large)).toBe(0);
  const records = { big: "x".repeat(200_000), small: 1 };
  await first.commit({ blobs: [], records });
  await first.close();
  const { jetStream } = await jetStreamOf(nats);
  const lost = createHash("sha256").update("never complete").digest("hex");
  for (const n of [0, 1, 2]) await jetStream.write(BUCKET, `p.${lost}.${n}`, Buffer.from("piece"));
  const second = await openStore(nats.url);
  expect(await second.load(`sha256-${lost}`)).toBeUndefined();
  expect(await second.record("big")).toBe(records.big);
  expect(await second.record("small")).toBe(1);
  await second.collect([]);
  const { keys } = await jetStream.keys(BUCKET);
  expect(keys.filter((key) => key.includes(lost))).toEqual([]);
  expect(Buffer.compare(Buffer.from((await second.load(ref)) ?? []), large)).toBe(0);
  await second.commit({ blobs: [], records: { big: null } });
  await second.collect([]);
  expect((await jetStream.keys(BUCKET)).keys.filter((key) => /^[bm]/.test(key))).toEqual([
    `m.${ref.slice(7)}.1000000`,
  ]);
});

test("a process whose place another one has taken writes no record, and takes away nothing of that", async () => {
  const nats = await server();
  const first = await openStore(nats.url);
  const [shared, other] = [Buffer.from("stored by both"), Buffer.from("of nobody")];
  for (const bytes of [shared, other]) await put(first, bytes);
  await first.commit({ blobs: [], records: { head: 1 } });
  const second = await openStore(nats.url);
  expect(await second.record("head")).toBe(1);
  // Garbage for the first, whose sweep is late.
  const ref = await put(second, shared);
  await second.commit({ blobs: [], records: { head: ref } });
  await first.collect([]);
  await expect(first.commit({ blobs: [], records: { head: 2 } })).rejects.toEqual(failsWith("EIO"));
  await second.close();
  const third = await openStore(nats.url);
  expect(await third.record("head")).toBe(ref);
  expect(Buffer.from((await third.load(ref)) ?? []).toString()).toBe("stored by both");
  expect(await third.load(blobref(other))).toBeUndefined();
});

test("a frozen server is waited for, up to content.wait; what was answered meanwhile counts", async () => {
  const nats = await server();
  const store = await openStore(nats.url);
  await freeze(nats);
  const written = store.commit({ blobs: [], records: { a: 1 } });
  const hasty = await Promise.race([written.then(() => "answered"), store.record("a")]);
  expect(hasty).toBeUndefined();
  nats.signal("SIGCONT");
  await written;
  expect(await store.record("a")).toBe(1);
  const impatient = await openStore(nats.url, { waitMs: 200 });
  await freeze(nats);
  await expect(impatient.commit({ blobs: [], records: { a: 2 } })).rejects.toEqual(failsWith("EAGAIN"));
  nats.signal("SIGCONT");
  // The write that failed may have arrived; it is written over.
  await expect
    .poll(async () => impatient.commit({ blobs: [], records: { a: 3 } }).then(() => "written"), {
      timeout: 20_000,
    })
    .toBe("written");
  expect(await (await openStore(nats.url)).record("a")).toBe(3);
});

test(
  "three servers, one of them killed under puts: every answered one is there",
  { timeout: 150_000 },
  async () => {
    const servers = await natsCluster({ jetStream: true });
    for (const one of servers) onTestFinished(() => one.kill());
    const urls = servers.map(({ url }) => url).join(",");
    // On a busy machine the two that are left elect a leader several times.
    const store = await openStore(urls, { replicas: 3, waitMs: 90_000 });
    const answered = new Map<string, Buffer>();
    let isOver = false;
    const writer = async (name: number): Promise<void> => {
      for (let n = 0; !isOver; n++) {
        const bytes = Buffer.from(`${name} ${n}`);
        const ref = await put(store, bytes, true);
        await store.commit({ blobs: [], records: { [`head${name}`]: n } });
        answered.set(ref, bytes);
      }
    };
    const writing = Promise.all([1, 2, 3, 4].map(writer));
    const atLeast = async (count: number): Promise<void> =>
      expect.poll(() => answered.size, { timeout: 100_000 }).toBeGreaterThan(count);
    const killed = async (): Promise<void> => {
      await atLeast(50);
      await servers[0]?.kill();
      await atLeast(answered.size + 50);
      isOver = true;
    };
    await Promise.all([writing, killed()]);
    await store.close();
    const rest = servers.slice(1).map(({ url }) => url);
    const again = await openStore(rest.join(","), { replicas: 3 });
    for (const [ref, bytes] of answered) {
      expect(Buffer.from((await again.load(ref)) ?? []).equals(bytes)).toBe(true);
    }
  },
);

test("a full store of the servers is ENOSPC, and reads go on", async () => {
  const dir = mkdtempSync(join(tmpdir(), "sluice-full-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const nats = await server({
    jetStream: false,
    lines: [`jetstream { store_dir: "${dir}", max_file_store: 1000000 }`],
  });
  const store = await openStore(nats.url);
  const refs: string[] = [];
  const fill = async (): Promise<never> => {
    for (;;) refs.push(await put(store, randomBytes(50_000)));
  };
  await expect(fill()).rejects.toEqual(failsWith("ENOSPC"));
  expect(refs.length).toBeGreaterThan(5);
  for (const ref of refs) expect((await store.load(ref))?.length).toBe(50_000);
  // None has a record: there is room again.
  await store.collect([]);
  const again = (): Promise<string> =>
    put(store, randomBytes(50_000)).catch((error: unknown) => String(error));
  await expect.poll(again, { timeout: 20_000 }).toMatch(/^sha256-/);
});

test("trap-F1 content-nats says at the start what an answer means, and calls itself durable only where that is so", async () => {
  const one = await server();
  const servers = await natsCluster({ jetStream: true });
  for (const each of servers) onTestFinished(() => each.kill());
  const three = servers.map(({ url }) => url).join(",");
  for (const [urls, args, text, isDurable, replicas] of [
    [one.url, [], "not durable: acknowledged data on one server", false, 1],
    [one.url, ["synced=1"], "durable: on one server, which write to the disk before they answer", true, 1],
    [three, [], "durable: on 3 servers, while most of them have power", true, 3],
  ] as const) {
    await withInstance({ attributes: { "overlay.nats": urls } }, async (instance) => {
      await instance.load(["content-nats", ...args]);
      const said = await instance.logged((entry) => /durable: (on|ack)/.test(entry.text));
      expect(said.text).toContain(text);
      expect(said.text.startsWith("not")).toBe(!isDurable);
      const status = await instance.rpc("content-nats.status");
      expect(status).toMatchObject({ isDurable, replicas });
    });
  }
});
