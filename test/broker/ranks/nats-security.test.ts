/** How brokers show to NATS servers which ranks they are, and what those let them do. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nkeys } from "@nats-io/transport-node";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { natsOverlay, type NatsOverlayOptions, parseNatsServers } from "../../../src/broker/index.js";
import { ERRNO } from "../../../src/errors/index.js";
import { connect } from "../../../src/messages/index.js";
import { type NatsServer, startNats } from "../../helpers/nats.js";
import { presentRanks } from "../support/ranks-of-a-test.js";
import { startBroker, type TestBroker } from "../support/start-broker.js";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "sluice-security-"));
  return () => rmSync(dir, { recursive: true, force: true });
});

function file(name: string, text: string | Uint8Array): string {
  const path = join(dir, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

async function server(lines: readonly string[]): Promise<NatsServer> {
  const started = await startNats({ lines });
  onTestFinished(() => started.kill());
  return started;
}

async function startRank(
  rank: number,
  url: string,
  options: Partial<NatsOverlayOptions> = {},
  attributes: Readonly<Record<string, string>> = {},
): Promise<TestBroker> {
  const { overlay } = await natsOverlay({
    servers: parseNatsServers(url),
    instance: "site",
    rank,
    size: 2,
    connectTimeoutMs: 5000,
    joinTimeoutMs: 10_000,
    silenceMs: 1000,
    leaseMs: 2000,
    retryMs: 200,
    ...options,
  });
  return startBroker({}, { overlay, attributes });
}

/** Two ranks find each other, and one asks the other. */
async function expectPair(
  url: string,
  options: Partial<NatsOverlayOptions>,
): Promise<[TestBroker, TestBroker]> {
  const zero = await startRank(0, url, options);
  const one = await startRank(1, url, options);
  await presentRanks(zero.broker, 1);
  expect(await one.handle.rpc("broker.ping", 7, { rank: 0 })).toBe(7);
  return [zero, one];
}

function openssl(...args: string[]): void {
  const { status, stderr } = spawnSync("openssl", args, { cwd: dir, encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
}

/** The rank that a client with this URI is on. */
async function askAsClient(uri: string): Promise<unknown> {
  const handle = await connect(uri);
  const { value } = (await handle.rpc("attr.get", { name: "rank" })) as { value: string };
  await handle.close();
  return Number(value);
}

const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/** An authority, and a certificate of it for a name. */
function certificate(authority: string, name: string): { cert: string; key: string; ca: string } {
  const at = (suffix: string): string => join(dir, `${authority}-${name}.${suffix}`);
  const ca = join(dir, `${authority}.pem`);
  const caKey = join(dir, `${authority}.key`);
  openssl("req", "-x509", ...KEY, "-days", "2", "-subj", `/CN=${authority}`, "-keyout", caKey, "-out", ca);
  openssl("req", ...KEY, "-subj", `/CN=${name}`, "-keyout", at("key"), "-out", at("csr"));
  const names = file("names", `subjectAltName=DNS:${name}`);
  const signing = ["-CA", ca, "-CAkey", caKey, "-CAcreateserial", "-days", "2", "-extfile", names];
  openssl("x509", "-req", "-in", at("csr"), ...signing, "-out", at("pem"));
  return { cert: at("pem"), key: at("key"), ca };
}

describe("TLS", () => {
  test("joins ranks whose certificates the servers know, by servers whose certificates they know", async () => {
    const { cert, key, ca } = certificate("site", "localhost");
    const tls = `tls { cert_file: "${cert}", key_file: "${key}", ca_file: "${ca}", verify: true }`;
    const { port } = await server([tls]);
    const url = `tls://localhost:${port}`;
    await expectPair(url, { tlsCa: ca, tlsCert: cert, tlsKey: key });
    const handed = { crt: cert, key, ca };
    for (const [suffix, path] of Object.entries(handed)) file(`sluice-nats.${suffix}`, readFileSync(path));
    await expectPair(url, { directory: dir, instance: "second" });
    const files = `tls-ca=${ca}&tls-cert=${cert}&tls-key=${key}`;
    expect(await askAsClient(`${url}/site/1?${files}`)).toBe(1);
    await expect(connect(`${url}/site/1?tls-ca=${ca}`)).rejects.toMatchObject({ code: "BROKER_UNREACHABLE" });
    const other = certificate("other", "localhost");
    await expect(startRank(0, url, { tlsCa: other.ca, connectTimeoutMs: 1500 })).rejects.toMatchObject({
      code: "BROKER_STATE",
      message: expect.stringContaining(`tls://localhost:${port}: `) as string,
    });
    // Without a certificate of its own.
    await expect(startRank(0, url, { tlsCa: ca, connectTimeoutMs: 1500 })).rejects.toMatchObject({
      code: "BROKER_STATE",
    });
  });
});

describe("credentials from files", () => {
  test("trap-F8 with the seed of a key are read at each connect: ranks outlive any number of refusals, and need no restart", async () => {
    const [old, renewed] = [nkeys.createUser(), nkeys.createUser()];
    const users = (key: typeof old): string => `authorization { users: [ { nkey: ${key.getPublicKey()} } ] }`;
    const first = await server([users(old)]);
    const nkey = file("seed", old.getSeed());
    const [zero, one] = await expectPair(first.url, { nkey });
    await first.kill();
    const next = await startNats({ port: first.port, lines: [users(renewed)] });
    onTestFinished(() => next.kill());
    // Clients of NATS give up for good after two refusals in a row.
    await next.refusals(10);
    file("seed", renewed.getSeed());
    for (const { logged } of [zero, one]) await logged("disconnected from the NATS server");
    expect(await one.handle.rpc("broker.ping", 8, { rank: 0 })).toBe(8);
    await expect(
      startRank(0, first.url, { nkey: file("unknown", nkeys.createUser().getSeed()) }),
    ).rejects.toMatchObject({ code: "BROKER_STATE", errnum: ERRNO.EACCES });
  });

  test("in the directory of a service manager are looked up at each connect, unless other users may read them", async () => {
    const [old, renewed] = [nkeys.createUser(), nkeys.createUser()];
    const users = (key: typeof old): string[] => [
      `authorization { users: [ { nkey: ${key.getPublicKey()} } ] }`,
    ];
    const nats = await server(users(old));
    const refused = { code: "BROKER_STATE", errnum: ERRNO.EACCES };
    await expect(startRank(0, nats.url, { directory: dir })).rejects.toMatchObject(refused);
    const seed = file("sluice-nats.nk", old.getSeed());
    const [zero, one] = await expectPair(nats.url, { directory: dir });
    chmodSync(seed, 0o604);
    await nats.reload(users(renewed));
    const insecure = `no NATS server takes a connection any more: ${nats.url}: ${seed} may be read by other users`;
    for (const { logged } of [zero, one]) await logged(insecure);
    await expect(startRank(1, nats.url, { directory: dir })).rejects.toMatchObject(refused);
    // The unit of a service waits, and prints the reason.
    const said: string[] = [];
    const waits = {
      directory: dir,
      connectTimeoutMs: Infinity,
      onWaiting: (text: string) => said.push(text),
    };
    const late = startRank(0, nats.url, { ...waits, instance: "late" });
    const yet = `no NATS server takes a connection yet: ${nats.url}: ${seed} may be read by other users`;
    await expect.poll(() => said).toEqual([expect.stringContaining(yet)]);
    rmSync(seed);
    file("sluice-nats.nk", renewed.getSeed());
    await late;
    await expect.poll(() => one.handle.rpc("broker.ping", 8, { rank: 0 }).catch(() => 0)).toBe(8);
    // A flag for the same purpose takes its place.
    const nkey = file("unknown", nkeys.createUser().getSeed());
    await expect(startRank(1, nats.url, { directory: dir, nkey })).rejects.toMatchObject(refused);
  });

  test("as nsc makes them are for servers that trust an operator", async () => {
    const [operator, account, user] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createUser()];
    const limits = {
      subs: -1,
      data: -1,
      payload: -1,
      imports: -1,
      exports: -1,
      wildcards: true,
      conn: -1,
      leaf: -1,
    };
    const token = (by: typeof operator, of: typeof operator, nats: object): string => {
      const claims = { jti: "x", iat: 0, iss: by.getPublicKey(), name: "x", sub: of.getPublicKey(), nats };
      const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
      const text = `${encode({ typ: "JWT", alg: "ed25519-nkey" })}.${encode(claims)}`;
      return `${text}.${Buffer.from(by.sign(Buffer.from(text))).toString("base64url")}`;
    };
    const accountToken = token(operator, account, { type: "account", version: 2, limits });
    const userToken = token(account, user, { type: "user", version: 2, subs: -1, data: -1, payload: -1 });
    const { url } = await server([
      `operator: "${token(operator, operator, { type: "operator", version: 2 })}"`,
      "resolver: MEMORY",
      `resolver_preload: { ${account.getPublicKey()}: "${accountToken}" }`,
    ]);
    const seed = Buffer.from(user.getSeed()).toString();
    const creds = file(
      "site.creds",
      `-----BEGIN NATS USER JWT-----\n${userToken}\n------END NATS USER JWT------\n\n` +
        `-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`,
    );
    await expectPair(url, { creds });
    expect(await askAsClient(`${url}/site/1?creds=${creds}`)).toBe(1);
    file("sluice-nats.creds", readFileSync(creds));
    await expectPair(url, { directory: dir, instance: "second" });
    const refused = { code: "BROKER_UNREACHABLE", errnum: ERRNO.EACCES };
    await expect(connect(`${url}/site/1`)).rejects.toMatchObject(refused);
    await expect(startRank(0, url)).rejects.toMatchObject({ code: "BROKER_STATE", errnum: ERRNO.EACCES });
  });
});

describe("rights as the guide has them", () => {
  const rights = (rank: number): string => {
    const events = rank === 0 ? ', "sluice.site.ev"' : "";
    const publish = `[ "sluice.site.r.*.${rank}"${events} ]`;
    const subscribe = `[ "sluice.site.r.${rank}.>", "sluice.site.ev" ]`;
    return `{ user: r${rank}, password: p, permissions: { publish: ${publish}, subscribe: ${subscribe} } }`;
  };
  const clients =
    '{ user: op, password: p, permissions: { publish: [ "sluice.site.r.*.*" ], subscribe: [ "sluice.site.r.*.>" ] } }';
  const accounts = [
    `accounts { SITE: { users: [ ${rights(0)}, ${rights(1)}, ${clients} ] }, OTHER: { users: [ { user: x, password: p } ] } }`,
  ];
  const as = (user: string, { port }: NatsServer): string => `nats://${user}:p@127.0.0.1:${port}`;

  test("are enough for ranks, and let none act as another one", async () => {
    const nats = await server(accounts);
    const zero = await startRank(0, as("r0", nats));
    const one = await startRank(1, as("r1", nats));
    await presentRanks(zero.broker, 1);
    expect(await one.handle.rpc("broker.ping", 7, { rank: 0 })).toBe(7);
    await one.handle.publish("site.alarm");
    expect(await askAsClient(`${as("op", nats)}/site/1`)).toBe(1);
    // A rank is no client: nothing is sent to one in its name.
    await expect(connect(`${as("r1", nats)}/site/0`)).rejects.toMatchObject({ errnum: ERRNO.EACCES });
    const refused = { code: "BROKER_STATE", errnum: ERRNO.EACCES };
    for (const rank of [0, 1]) {
      await expect(startRank(rank, as(`r${1 - rank}`, nats))).rejects.toMatchObject(refused);
    }
    expect(await zero.handle.rpc("broker.ping", 8, { rank: 1 })).toBe(8);
  });

  test("of another account show nothing of the instance", async () => {
    const nats = await server(accounts);
    await startRank(0, as("r0", nats));
    await expect(startRank(1, as("x", nats), { joinTimeoutMs: 300 })).rejects.toMatchObject({
      code: "BROKER_STATE",
      errnum: ERRNO.EHOSTUNREACH,
    });
  });
});

describe("rights that a server withdraws from a rank", () => {
  const allOf = (rank: number): Rights => ({
    publish: [`sluice.site.r.*.${rank}`, ...(rank === 0 ? ["sluice.site.ev"] : [])],
    subscribe: [`sluice.site.r.${rank}.>`, "sluice.site.ev"],
  });
  interface Rights {
    readonly publish: readonly string[];
    readonly subscribe: readonly string[];
  }
  const user = (rank: number, { publish, subscribe }: Rights): string => {
    const list = (subjects: readonly string[]): string =>
      `[ ${subjects.map((one) => `"${one}"`).join(", ")} ]`;
    const rights = `publish: ${list([...publish, "none"])}, subscribe: ${list([...subscribe, "none"])}`;
    return `{ user: r${rank}, password: p, permissions: { ${rights} } }`;
  };
  const users = (one: Partial<Rights> | undefined): string[] => [
    `authorization { users: [ ${user(0, allOf(0))}${one === undefined ? "" : `, ${user(1, { ...allOf(1), ...one })}`} ] }`,
  ];
  const SOON = {
    "overlay.heartbeat-period": "200ms",
    "overlay.lost-after": "1s",
    "overlay.leader-timeout": "2s",
  };

  async function startPair(
    attributes: Readonly<Record<string, string>>,
  ): Promise<{ nats: NatsServer; zero: TestBroker; one: TestBroker }> {
    const nats = await server(users({}));
    const as = (name: string): string => `nats://${name}:p@127.0.0.1:${nats.port}`;
    const zero = await startRank(0, as("r0"), {}, attributes);
    const one = await startRank(1, as("r1"), {}, attributes);
    await presentRanks(zero.broker, 1);
    return { nats, zero, one };
  }

  test("to receive events are named, and taken up when they are back: no event is lost", async () => {
    const { nats, zero, one } = await startPair({ "overlay.heartbeat-period": "60s" });
    const heard: number[] = [];
    await one.handle.subscribe("site.*", ({ seq }) => heard.push(seq));
    await nats.reload(users({ subscribe: ["sluice.site.r.1.>"] }));
    await one.logged("sluice.site.ev may not be received");
    const seqs: number[] = [];
    for (let n = 0; n < 20; n++) seqs.push(await zero.handle.publish("site.alarm"));
    expect(await one.handle.rpc("broker.ping", 7, { rank: 0 })).toBe(7);
    await nats.reload(users({}));
    await one.logged("the servers allow sluice.site.ev again");
    await expect.poll(() => heard).toEqual(seqs);
    seqs.push(await zero.handle.publish("site.alarm"));
    await expect.poll(() => heard).toEqual(seqs);
  });

  test("to receive anything fail its requests at once when it is stalled, and are taken up when they are back", async () => {
    const { nats, zero, one } = await startPair({ ...SOON, "overlay.lost-after": "60s" });
    await nats.reload(users({ subscribe: [] }));
    await one.logged("sluice.site.r.1.> may not be received");
    await one.logged("rank 0 is stalled");
    await expect(one.handle.rpc("broker.ping", 7, { rank: 0 })).rejects.toMatchObject({
      errnum: ERRNO.EHOSTUNREACH,
    });
    await nats.reload(users({}));
    await one.logged("rank 0 sends heartbeats again");
    expect(await one.handle.rpc("broker.ping", 8, { rank: 0 })).toBe(8);
    expect(await zero.handle.rpc("broker.ping", 9, { rank: 1 })).toBe(9);
  });

  test("to send end it within the time for that, with few lines, and fail its requests", async () => {
    const { nats, zero, one } = await startPair(SOON);
    await nats.reload(users({ publish: [] }));
    const request = one.handle.rpc("broker.ping", 7, { rank: 0 });
    request.catch(() => undefined);
    await one.logged("Permissions Violation for Publish");
    await expect(request).rejects.toMatchObject({ errnum: ERRNO.EHOSTUNREACH });
    await zero.logged("rank 1 is lost");
    await one.logged("no rank 0 has answered for 2 s");
    const lines = one.log.filter(({ text }) => text.includes("Permissions Violation"));
    expect(lines.length).toBe(1);
    expect(await zero.handle.rpc("broker.ping", 8, { rank: 0 })).toBe(8);
  });

  test("to connect at all are named as what it waits for", async () => {
    const { nats, zero, one } = await startPair(SOON);
    await nats.reload(users(undefined));
    await one.logged("disconnected from the NATS server");
    await one.logged("refused these credentials");
    await zero.logged("rank 1 is stalled");
    await nats.reload(users({}));
    await one.logged("connected to the NATS server");
    await expect.poll(() => one.handle.rpc("broker.ping", 8, { rank: 0 }).catch(() => 0)).toBe(8);
  });
});
