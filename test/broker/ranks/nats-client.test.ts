/** Clients that reach a rank over NATS servers, from any machine. */
import { randomBytes } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import { natsOverlay, parseNatsServers } from "../../../src/broker/index.js";
import { ERRNO } from "../../../src/errors/index.js";
import { connect, type Handle } from "../../../src/messages/index.js";
import { type Detour, detourTo, type NatsServer, startNats } from "../../helpers/nats.js";
import { presentRanks } from "../support/ranks-of-a-test.js";
import { startBroker, type TestBroker } from "../support/start-broker.js";

const SOON = { "overlay.heartbeat-period": "200ms" };

async function server(options: Parameters<typeof startNats>[0] = {}): Promise<NatsServer> {
  const started = await startNats(options);
  onTestFinished(() => started.kill());
  return started;
}

async function echo(h: Handle): Promise<void> {
  h.handle("echo", (request) => request.payload);
  h.handle("never", () => undefined);
  await h.run();
}

async function startRanks(size: number, url: string): Promise<TestBroker[]> {
  const ranks = await Promise.all(
    Array.from({ length: size }, async (_, rank) => {
      const { overlay } = await natsOverlay({
        ...{ servers: parseNatsServers(url), instance: "site", rank, size },
        ...{ connectTimeoutMs: 5000, joinTimeoutMs: 10_000, silenceMs: 1000, leaseMs: 2000, retryMs: 200 },
      });
      const broker = await startBroker({ echo }, { overlay, attributes: SOON });
      await broker.handle.rpc("module.load", { path: "/mem/echo" });
      return broker;
    }),
  );
  await Promise.all(ranks.map(({ broker }) => presentRanks(broker, size - 1)));
  return ranks;
}

async function client(url: string, rank: number): Promise<Handle> {
  const handle = await connect(`${url}/site/${rank}`);
  onTestFinished(() => handle.close());
  return handle;
}

async function wire({ port }: NatsServer): Promise<Detour & { readonly url: string }> {
  const detour = await detourTo(port);
  onTestFinished(() => detour.close());
  return { ...detour, url: `nats://127.0.0.1:${detour.port}` };
}

async function clientsOf({ handle }: TestBroker): Promise<unknown> {
  const { broker } = (await handle.rpc("module.usage")) as { broker: { clients: number } };
  return broker.clients;
}

test("a client is the owner on its rank, asks every rank, and gets each event once, in order", async () => {
  const { url } = await server();
  const ranks = await startRanks(3, url);
  const handle = await client(url, 1);
  expect([handle.rank, handle.size]).toEqual([1, 3]);
  for (const rank of [0, 1, 2]) expect(await handle.rpc("echo.echo", rank, { rank })).toBe(rank);
  await handle.rpc("attr.set", { name: "site.colour", value: "blue" });
  expect(ranks[1]?.broker.attributes.get("site.colour")).toBe("blue");
  const seen: number[] = [];
  await handle.subscribe("load.*", ({ seq }) => seen.push(seq));
  const seqs = await Promise.all(
    Array.from({ length: 300 }, (_, n) => (ranks[n % 3]?.handle ?? handle).publish("load.x", n)),
  );
  await expect.poll(() => seen, { timeout: 20_000 }).toEqual([...seqs].sort((a, b) => a - b));
});

test("what is larger than the servers take arrives in both directions", async () => {
  const { url } = await server({ lines: ["max_payload: 65536"] });
  await startRanks(1, url);
  const handle = await client(url, 0);
  const bytes = randomBytes(3_000_000);
  expect(Buffer.compare(Buffer.from((await handle.rpc("echo.echo", bytes)) as Uint8Array), bytes)).toBe(0);
});

test("a cable that is pulled and put back loses nothing", async () => {
  const nats = await server();
  const [zero] = await startRanks(1, nats.url);
  const cable = await wire(nats);
  const handle = await client(cable.url, 0);
  const seen: unknown[] = [];
  await handle.subscribe("load.*", ({ payload }) => seen.push(payload));
  cable.cut();
  const answer = handle.rpc("echo.echo", "while away");
  await zero?.handle.publish("load.x", 1);
  cable.heal();
  expect(await answer).toBe("while away");
  await expect.poll(() => seen, { timeout: 10_000 }).toEqual([1]);
});

test("a client that has gone without a word is forgotten after three missed beats", async () => {
  const nats = await server();
  const [zero] = await startRanks(1, nats.url);
  if (zero === undefined) throw new Error("there is a rank 0");
  const before = await clientsOf(zero);
  const cable = await wire(nats);
  const handle = await connect(`${cable.url}/site/0`);
  expect(await clientsOf(zero)).toBe(Number(before) + 1);
  cable.cut();
  const entry = await zero.logged("disconnected: the other end has not answered for 0.6 s");
  expect(entry.level).toBe("warning");
  expect(await clientsOf(zero)).toBe(before);
  // It learns so when it is back.
  const lost = handle.rpc("echo.never");
  cable.heal();
  await expect(lost).rejects.toThrow("the connection to the broker");
  await handle.close();
});

test("the end of a rank ends its clients, and what they wait for", async () => {
  const { url } = await server();
  const [, one] = await startRanks(2, url);
  const handle = await client(url, 1);
  const waiting = handle.rpc("echo.never");
  const failed = expect(waiting).rejects.toThrow();
  await one?.broker.close();
  await failed;
});

test("an instance or rank that is not there is named, with the servers", async () => {
  const { url } = await server();
  await startRanks(1, url);
  for (const place of ["site/3", "other/0"]) {
    const [instance, rank] = place.split("/");
    await expect(connect(`${url}/${place}`)).rejects.toMatchObject({
      code: "BROKER_UNREACHABLE",
      errnum: ERRNO.EHOSTUNREACH,
      message: `no broker at ${url}/${place}: rank ${rank} of instance ${instance} is not connected to ${url}`,
    });
  }
});

test.each([
  ["nats://n1/site", "the address must be nats://HOST:PORT/INSTANCE/RANK"],
  ["nats://n1/si.te/0", "instance name 'si.te'"],
  ["tls://10.0.0.1/site/0", "TLS cannot check an address"],
  ["nats://n1/site/0?cred=x", "unknown parameter 'cred'; valid: creds, nkey, tls-ca, tls-cert, tls-key"],
  ["tls://n1/site/0?tls-cert=x", "tls-cert and tls-key go together"],
])("the URI %s is refused: %s", async (uri, text) => {
  await expect(connect(uri.replace("//", "//me:hush@"))).rejects.toMatchObject({
    code: "BROKER_UNREACHABLE",
    errnum: ERRNO.EINVAL,
    message: expect.stringContaining(text) as string,
  });
  await expect(connect(uri.replace("//", "//me:hush@"))).rejects.not.toThrow("hush");
});
