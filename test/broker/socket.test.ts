import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createConnection, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { Broker, type BrokerOptions, type LogEntry } from "../../src/broker/index.js";
import { ERRNO } from "../../src/errors/index.js";
import { connect, encodeMessage, type Handle } from "../../src/messages/index.js";
import { startBroker } from "./support/start-broker.js";

function temporary(): string {
  const path = mkdtempSync(join(tmpdir(), "sluice-broker-test-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function withSocket(options: BrokerOptions = {}) {
  const base = temporary();
  const started = await startBroker(
    { echo: async (h: Handle) => (h.handle("echo", (request) => request.payload), h.run()) },
    { socket: true, env: { XDG_RUNTIME_DIR: base }, ...options },
  );
  return { ...started, base, uri: started.broker.uri ?? "", path: join(started.broker.rundir, "local-0") };
}

function openRaw(path: string): { readonly socket: Socket; readonly closed: Promise<void> } {
  const socket = createConnection(path);
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("error", () => socket.destroy());
  socket.resume();
  return { socket, closed };
}

describe("the local socket", () => {
  test("lies in a fresh 0700 directory, is 0600, and serves clients as the owner", async () => {
    const { broker, base, uri, path } = await withSocket();
    expect(broker.rundir.startsWith(base)).toBe(true);
    expect(statSync(broker.rundir).mode & 0o777).toBe(0o700);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(uri).toBe(`local://${path}`);
    const client = await connect(uri);
    await client.rpc("module.load", { path: "/mem/echo" });
    expect(await client.rpc("echo.echo", { x: "ü" })).toEqual({ x: "ü" });
    expect(await client.rpc("echo.echo", new Uint8Array([0, 255]))).toEqual(new Uint8Array([0, 255]));
    expect(await client.attr("local-uri")).toBe(uri);
    await client.rpc("module.remove", { name: "echo" });
    await client.close();
  });

  test("answers many clients at a time, each its own", async () => {
    const { uri } = await withSocket();
    const clients = await Promise.all(Array.from({ length: 20 }, () => connect(uri)));
    const answers = await Promise.all(clients.map((client, n) => client.rpc("broker.ping", { n })));
    expect(answers).toEqual(clients.map((_, n) => ({ n })));
    await Promise.all(clients.map((client) => client.close()));
  });

  test.each([
    ["what is no message at all", Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n")],
    ["a header that claims to be huge", Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0])],
    ["a payload that claims to be huge", Buffer.from([0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff, 0x7b, 0x7d])],
    ["half a message", encodeMessage({ type: "event", topic: "a", seq: 1 }).subarray(0, 12)],
  ])("closes a connection that sends %s, logs it, and serves the others", async (_case, bytes) => {
    const { uri, path, handle, logged } = await withSocket();
    expect(handle.name).toBe("client-1");
    const good = await connect(uri);
    const { socket, closed } = openRaw(path);
    socket.end(bytes);
    await closed;
    expect(await logged("client-3 disconnected")).toMatchObject({ level: "warning" });
    expect(await good.rpc("broker.ping", 1)).toBe(1);
    await good.close();
  });

  test("takes payloads up to broker.max-payload", async () => {
    const { uri, path, handle, logged } = await withSocket();
    await handle.rpc("attr.set", { name: "broker.max-payload", value: "1000" });
    const client = await connect(uri);
    expect(await client.rpc("broker.ping", new Uint8Array(1000))).toHaveLength(1000);
    await expect(handle.rpc("broker.ping", new Uint8Array(1001))).rejects.toMatchObject({
      errnum: ERRNO.EMSGSIZE,
    });
    await client.close();
    const { socket, closed } = openRaw(path);
    socket.write(
      encodeMessage({
        type: "request",
        topic: "broker.ping",
        matchtag: 1,
        flags: 0,
        nodeid: "any",
        route: [],
        payload: new Uint8Array(1001),
      }),
    );
    await closed;
    await logged(" disconnected");
  });

  test("fails the requests of its clients when the broker closes, and leaves nothing behind", async () => {
    const { broker, uri, base } = await withSocket();
    const client = await connect(uri);
    await client.rpc("module.load", { path: "/mem/echo" });
    await client.rpc("module.remove", { name: "echo" });
    await broker.close();
    await client.closed;
    await expect(client.rpc("broker.ping")).rejects.toMatchObject({ code: "BROKER_REQUEST" });
    expect(readdirSync(base)).toEqual([]);
  });

  test("closes in time although a client does not read what it is sent", async () => {
    const { broker, path, handle } = await withSocket();
    await handle.rpc("module.load", { path: "/mem/echo" });
    const { socket } = openRaw(path);
    socket.pause();
    const payload = new Uint8Array(1024 * 1024);
    for (let matchtag = 1; matchtag <= 8; matchtag++) {
      const request = { topic: "broker.ping", matchtag, flags: 0, route: [], payload } as const;
      socket.write(encodeMessage({ type: "request", nodeid: "any", ...request, route: [] }));
    }
    const arrived = new Promise<void>((resolve) => socket.write("", () => resolve()));
    await arrived;
    await handle.rpc("module.remove", { name: "echo" });
    expect((await broker.close()).status).toBe(0);
    socket.destroy();
  });

  test("of a broker that was killed is replaced, that of one that lives is not", async () => {
    const rundir = temporary();
    const stale = join(rundir, "local-0");
    // Killed before it can unlink its socket.
    const script = `require("net").createServer().listen(${JSON.stringify(stale)}, () => process.kill(process.pid, "SIGKILL"))`;
    spawnSync(process.execPath, ["-e", script]);
    expect(existsSync(stale)).toBe(true);
    const { handle } = await withSocket({ rundir });
    await expect(Broker.start({ rundir })).rejects.toMatchObject({
      code: "BROKER_STATE",
      errnum: ERRNO.EEXIST,
    });
    expect(await handle.rpc("broker.ping", 1)).toBe(1);
    const client = await connect(`local://${stale}`);
    await client.close();
  });
});

describe("the rundir", () => {
  test("that was given stays, without what the broker had put there", async () => {
    const rundir = temporary();
    writeFileSync(join(rundir, "mine"), "");
    const { broker } = await withSocket({ rundir });
    expect(readdirSync(rundir).length).toBeGreaterThan(1);
    await broker.close();
    expect(readdirSync(rundir)).toEqual(["mine"]);
  });

  test("that others may enter is refused, saying which chmod helps", async () => {
    const rundir = temporary();
    chmodSync(rundir, 0o750);
    await expect(Broker.start({ rundir })).rejects.toMatchObject({
      code: "BROKER_STATE",
      errnum: ERRNO.EPERM,
    });
    await expect(Broker.start({ rundir })).rejects.toThrow(`chmod 700 ${rundir}`);
    expect(readdirSync(rundir)).toEqual([]);
  });

  test("whose socket path would be over 107 bytes is refused, and nothing of it stays", async () => {
    const base = temporary();
    const fits = join(base, "x".repeat(107 - base.length - "//local-0".length));
    const tooLong = `${fits}x`;
    mkdirSync(fits, { mode: 0o700 });
    const { broker } = await withSocket({ rundir: fits });
    expect(existsSync(join(fits, "local-0"))).toBe(true);
    await broker.close();
    await expect(Broker.start({ rundir: tooLong })).rejects.toMatchObject({
      code: "BROKER_STATE",
      errnum: ERRNO.EINVAL,
    });
    expect(readdirSync(base)).toEqual(["x".repeat(fits.length - base.length - 1)]);
    const quiet = await startBroker({}, { rundir: tooLong });
    expect(quiet.broker.uri).toBeUndefined();
  });
});

describe("connect", () => {
  test.each([
    ["another scheme", "ssh://host", undefined],
    ["a relative path", "local://local-0", undefined],
    ["no socket there", "local:///nowhere/local-0", ERRNO.ENOENT],
    ["a path that no socket can have", `local:///${"x".repeat(107)}`, ERRNO.EINVAL],
  ])("fails with BROKER_UNREACHABLE for %s", async (_case, uri, errnum) => {
    await expect(connect(uri)).rejects.toMatchObject({ code: "BROKER_UNREACHABLE", errnum });
  });

  test("fails with BROKER_UNREACHABLE when the instance has ended", async () => {
    const { broker, uri } = await withSocket();
    await broker.close();
    await expect(connect(uri)).rejects.toMatchObject({ code: "BROKER_UNREACHABLE" });
  });
});

test("two brokers in one process do not meet", async () => {
  const logs: LogEntry[][] = [[], []];
  const [a, b] = await Promise.all(logs.map((log) => withSocket({ onLog: (entry) => log.push(entry) })));
  if (a === undefined || b === undefined) throw new Error("two were started");
  expect(a.broker.rundir).not.toBe(b.broker.rundir);
  const got: string[] = [];
  await b.handle.subscribe("*", ({ topic }) => got.push(topic));
  await a.handle.rpc("module.load", { path: "/mem/echo" });
  await a.handle.rpc("attr.set", { name: "only", value: "a" });
  await a.handle.publish("news");
  a.handle.log("info", "of a");
  await a.handle.rpc("attr.list");
  await expect(b.handle.rpc("echo.echo")).rejects.toMatchObject({ errnum: ERRNO.ENOSYS });
  expect(await b.handle.attr("only")).toBeUndefined();
  expect(got).toEqual([]);
  expect(logs[1]?.map(({ text }) => text)).not.toContain("of a");
  await a.broker.close();
  expect(await b.handle.rpc("broker.ping", 1)).toBe(1);
});
