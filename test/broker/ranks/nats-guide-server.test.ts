/** The configuration of a NATS server in the guide: the server takes it as it is, and an instance runs over it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { natsOverlay, type NatsOverlayOptions, parseNatsServers } from "../../../src/broker/index.js";
import { ERRNO } from "../../../src/errors/index.js";
import { blobref } from "../../../src/modules/content/blob.js";
import { NatsBucket } from "../../../src/modules/content/nats-bucket.js";
import { NatsStore } from "../../../src/modules/content/nats-store.js";
import { connect } from "../../../src/messages/index.js";
import { LastingConnection } from "../../../src/nats/index.js";
import { type NatsServer, startNats } from "../../helpers/nats.js";
import {
  CLUSTER_BLOCK,
  OF_CLIENT,
  OF_RANK,
  type Rights,
  rightsIn,
  SERVER_FILE,
  ZERO,
} from "../support/guide-rights.js";
import { presentRanks } from "../support/ranks-of-a-test.js";
import { startBroker, type TestBroker } from "../support/start-broker.js";

async function server(): Promise<NatsServer> {
  const started = await startNats({ whole: SERVER_FILE });
  onTestFinished(() => started.kill());
  return started;
}

const as = (user: string, { port }: NatsServer): string => `nats://${user}:change-${user}@127.0.0.1:${port}`;

async function startRank(
  rank: number,
  url: string,
  options: Partial<NatsOverlayOptions> = {},
): Promise<TestBroker> {
  const { overlay } = await natsOverlay({
    servers: parseNatsServers(url),
    instance: "site",
    ...{ rank, size: 2, connectTimeoutMs: 5000, joinTimeoutMs: 10_000 },
    ...{ silenceMs: 1000, leaseMs: 20_000, retryMs: 200 },
    ...options,
  });
  return startBroker({}, { overlay });
}

/** Puts a blob into the store of an instance, and reads it again. */
async function stored(url: string, text: string): Promise<string> {
  const connection = await LastingConnection.open({
    servers: parseNatsServers(url),
    ...{ connectTimeoutMs: 5000, name: "test", inboxPrefix: "_INBOX_r0" },
  });
  const bucket = new NatsBucket(connection, "sluice-site-content", 60_000);
  onTestFinished(() => bucket.close());
  await bucket.open(1);
  const store = await NatsStore.open(bucket, (line) => expect.unreachable(line));
  const bytes = Buffer.from(text);
  const ref = blobref(bytes);
  await store.commit({ blobs: [{ ref, bytes }], records: { newest: ref } });
  return Buffer.from((await store.load(ref)) ?? []).toString();
}

/** The rights of a user of the configuration. */
function rightsOf(user: string): Rights {
  const [, after = ""] = SERVER_FILE.split(`user: ${user},`);
  return rightsIn(after);
}

describe("the configuration of the guide", () => {
  test.each([
    ["of one server", SERVER_FILE],
    ["of one of three servers", `${SERVER_FILE}${CLUSTER_BLOCK}`],
  ])("%s is valid as it is", (_, text) => {
    const dir = mkdtempSync(join(tmpdir(), "sluice-nats-"));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    const file = join(dir, "server.conf");
    writeFileSync(file, text);
    const { status, stderr } = spawnSync("nats-server", ["-t", "-c", file], { encoding: "utf8" });
    expect([status, stderr]).toEqual([0, `nats-server: configuration file ${file} is valid\n`]);
  });

  test("has the rights that the guide lists, write_deadline, and a limit of the store", () => {
    expect(rightsOf("r0")).toEqual(ZERO);
    expect(rightsOf("r1")).toEqual(OF_RANK);
    expect(rightsOf("operator")).toEqual(OF_CLIENT);
    expect(SERVER_FILE).toContain('write_deadline: "2s"');
    expect(SERVER_FILE).toContain("max_file_store: 10GB");
  });

  test("is enough for an instance with a lease, events, a store and commands from anywhere", async () => {
    const nats = await server();
    const zero = await startRank(0, as("r0", nats));
    const one = await startRank(1, as("r1", nats));
    await presentRanks(zero.broker, 1);
    expect(await zero.handle.rpc("overlay.status")).toMatchObject({ epoch: 1 });
    expect(await one.handle.rpc("broker.ping", 7, { rank: 0 })).toBe(7);
    expect(await one.handle.publish("site.alarm")).toBeGreaterThan(0);
    expect(await stored(as("r0", nats), "kept")).toBe("kept");
    const client = await connect(`${as("operator", nats)}/site/1`);
    onTestFinished(() => client.close());
    expect(await client.attr("rank")).toBe("1");
    const said = [...zero.log, ...one.log].filter(
      ({ level, text }) => level !== "debug" && text.includes("may not"),
    );
    expect(said).toEqual([]);
  });

  test("keeps a user from other accounts, and from the numbers of other ranks", async () => {
    const nats = await server();
    await startRank(0, as("r0", nats));
    const lost = { code: "BROKER_STATE", errnum: ERRNO.EHOSTUNREACH };
    await expect(startRank(1, as("test", nats), { joinTimeoutMs: 300 })).rejects.toMatchObject(lost);
    const refused = { code: "BROKER_STATE", errnum: ERRNO.EACCES };
    await expect(startRank(0, as("r1", nats))).rejects.toMatchObject(refused);
    await expect(stored(as("r1", nats), "hidden")).rejects.toMatchObject({ errnum: ERRNO.EACCES });
  });
});
