import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { connect, encodeMessage, fields, type Handle, type Message } from "../../src/messages/index.js";
import { startBroker, type TestBroker } from "./support/start-broker.js";

const MIB = 1024 * 1024;
const HEADER_LIMIT = 64 * 1024;

/** For what comes by itself, also on a busy machine. */
const PATIENTLY = { interval: 5, timeout: 120_000 };

interface Target extends TestBroker {
  readonly path: string;
  readonly uri: string;
}

/** A broker with its socket and a module that answers; nothing is wrong. */
async function target(): Promise<Target> {
  const base = mkdtempSync(join(tmpdir(), "sluice-fuzz-"));
  onTestFinished(() => rmSync(base, { recursive: true, force: true }));
  const started = await startBroker(
    {
      echo: async (h: Handle) => {
        h.handle("echo", (request) => request.payload);
        h.handle("never", () => undefined);
        await h.run();
      },
    },
    { socket: true, env: { XDG_RUNTIME_DIR: base } },
  );
  await started.handle.rpc("module.load", { path: "/mem/echo" });
  return {
    ...started,
    uri: started.broker.uri ?? "",
    path: (started.broker.uri ?? "").replace("local://", ""),
  };
}

interface Attacker {
  readonly socket: Socket;
  readonly closed: Promise<void>;
}

/** A connection that speaks by hand, and takes what it is sent. */
async function attack(path: string): Promise<Attacker> {
  const socket = createConnection(path);
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("error", () => socket.destroy());
  socket.resume();
  await Promise.race([once(socket, "connect"), closed]);
  return { socket, closed };
}

function frame(header: string | Uint8Array, payload: string | Uint8Array = ""): Buffer {
  const [head, body] = [Buffer.from(header), Buffer.from(payload)];
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(head.length, 0);
  lengths.writeUInt32BE(body.length, 4);
  return Buffer.concat([lengths, head, body]);
}

function request(topic: string, payload: string): Buffer {
  return frame(JSON.stringify({ type: "request", topic, matchtag: 1, payload: "json" }), payload);
}

/** As deep or as wide as what may be that long. */
const bombs: Readonly<Record<string, (bytes: number) => string>> = {
  "nested arrays": (bytes) => "[".repeat(bytes),
  "nested arrays that end": (bytes) => "[".repeat(bytes / 2) + "]".repeat(bytes / 2),
  "nested objects": (bytes) => '{"a":'.repeat(bytes / 5),
  "nested objects that end": (bytes) => `${'{"a":'.repeat(bytes / 6 - 1)}1${"}".repeat(bytes / 6 - 1)}`,
  "many keys": (bytes) =>
    `{${Array.from({ length: bytes / 10 }, (_, n) => `"k${n}":0`).join(",")}}`.slice(0, bytes),
  "one key, many times": (bytes) => `{${'"type":0,'.repeat(bytes / 10)}"x":0}`,
  "a number without end": (bytes) => "9".repeat(bytes),
  "a number with an endless exponent": (bytes) => `1e${"9".repeat(bytes - 2)}`,
  __proto__: () => '{"type":"event","topic":"a","__proto__":{"seq":1}}',
};

const malformed: readonly (readonly [string, () => Buffer])[] = [
  ...Object.entries(bombs).map(
    ([name, make]) => [`a header of ${name}`, () => frame(make(HEADER_LIMIT - 8))] as const,
  ),
  ["a header of zeros", () => frame(new Uint8Array(1000))],
  ["a header that is not UTF-8", () => frame(Uint8Array.from([0x22, 0xff, 0xfe, 0x22]))],
  ["no header", () => frame("")],
  ["lengths of all ones", () => Buffer.alloc(64, 0xff)],
  ["a route of numbers", () => frame('{"type":"request","topic":"a.b","route":[1,2]}')],
  ["a matchtag that is text", () => frame('{"type":"request","topic":"a.b","matchtag":"1"}')],
  ["a negative errnum", () => frame('{"type":"response","topic":"a.b","errnum":-1}')],
  ["a fraction of a rank", () => frame('{"type":"request","topic":"a.b","nodeid":0.5}')],
  ["a topic with blanks", () => frame('{"type":"event","topic":"a b"}')],
  [
    "a header after the header",
    () => Buffer.concat([frame('{"type":"control","control":"status"}'), Buffer.alloc(9, 0x7b)]),
  ],
];

describe("a connection that sends", () => {
  test.each(malformed)(
    "%s is closed, with a line in the log, and others are served",
    async (_name, bytes) => {
      const { path, uri, logged } = await target();
      const good = await connect(uri);
      const { socket, closed } = await attack(path);
      const startedAt = performance.now();
      socket.write(bytes());
      await closed;
      expect(await logged(" disconnected")).toMatchObject({ level: "warning" });
      expect(await good.rpc("echo.echo", 1)).toBe(1);
      // A second is what a header of 64 KiB must not cost, whatever is in it.
      expect(performance.now() - startedAt).toBeLessThan(5000);
      await good.close();
    },
  );

  test.each(Object.entries(bombs))("a payload of %s to a service gets an answer", async (_name, make) => {
    const { path, uri } = await target();
    const good = await connect(uri);
    const { socket } = await attack(path);
    let answers = 0;
    socket.on(
      "data",
      (chunk: Buffer) => (answers += chunk.toString("latin1").split('"response"').length - 1),
    );
    const payload = make(MIB);
    for (const topic of [
      "broker.ping",
      "attr.get",
      "module.load",
      "config.load",
      "echo.echo",
      "event.publish.x",
    ]) {
      socket.write(request(topic, payload));
    }
    await vi.waitFor(() => expect(answers).toBe(6), PATIENTLY);
    expect(await good.rpc("echo.echo", 1)).toBe(1);
    socket.destroy();
    await good.close();
  });

  test("a message byte by byte gets its answer", async () => {
    const { path } = await target();
    const { socket, closed } = await attack(path);
    const got: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => got.push(chunk));
    socket.setNoDelay(true);
    for (const byte of request("broker.ping", '"slow"')) {
      await new Promise<void>((resolve) => socket.write(Uint8Array.of(byte), () => resolve()));
    }
    await vi.waitFor(() => expect(Buffer.concat(got).toString("latin1")).toContain('"slow"'), {
      interval: 5,
      timeout: 30_000,
    });
    socket.destroy();
    await closed;
  });
});

/** The header of a request or response, with some of its fields replaced by whatever JSON has. */
const oddHeader = fc
  .record({
    base: fc.constantFrom<Record<string, unknown>>(
      { type: "request", topic: "echo.echo", matchtag: 1, flags: 0, nodeid: "any", route: [] },
      { type: "response", topic: "echo.echo", matchtag: 1, errnum: 0, route: ["x"] },
      { type: "event", topic: "news", seq: 1 },
      { type: "control", control: "disconnect" },
      { type: "control", control: "status", payload: "json" },
    ),
    odd: fc.dictionary(
      fc.constantFrom(
        "type",
        "topic",
        "matchtag",
        "flags",
        "nodeid",
        "route",
        "errnum",
        "error",
        "seq",
        "control",
        "payload",
        "userid",
        "rolemask",
        "x",
      ),
      fc.jsonValue({ maxDepth: 3 }),
      { maxKeys: 3 },
    ),
  })
  .map(({ base, odd }) => frame(JSON.stringify({ ...base, ...odd }), '{"a":1}'));

const anyRequest = fc
  .record({
    topic: fc.constantFrom(
      "echo.echo",
      "ghost.x",
      "event.subscribe",
      "event.unsubscribe",
      "service.add",
      "module.status",
      "attr.get",
      "log.append",
      "log.dmesg",
      "log.cancel",
      "module.list",
      "echo.disconnect",
      "echo.cancel",
    ),
    flags: fc.nat(3),
    matchtag: fc.nat(3),
    payload: fc.oneof(fc.json(), fc.string()),
    route: fc.array(fc.string({ minLength: 1 }), { maxLength: 3 }),
  })
  .map((message) => encodeMessage({ type: "request", nodeid: "any", ...message }));

/** What a client may put on the wire: right, nearly right, or nothing of the kind. */
const bytes = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((raw) => Buffer.from(raw)),
      oddHeader,
      anyRequest,
      anyRequest,
      // Lengths that are not those of what follows.
      fc.tuple(anyRequest, fc.nat(0xffff_ffff), fc.boolean()).map(([message, length, isHeader]) => {
        message.writeUInt32BE(length, isHeader ? 0 : 4);
        return message;
      }),
      fc.tuple(oddHeader, fc.nat(60)).map(([message, length]) => message.subarray(0, length)),
    ),
    { minLength: 1, maxLength: 6 },
  )
  .map((parts) => Buffer.concat(parts));

test("whatever connections send, others are served, and nothing stays behind", async () => {
  const { broker, path, uri, handle, log } = await target();
  const good = await connect(uri);
  // fast-check prints the seed and the smallest case on failure.
  await fc.assert(
    fc.asyncProperty(bytes, fc.boolean(), fc.nat(7), async (content, isEnding, cuts) => {
      const { socket, closed } = await attack(path);
      for (let part = 0; part <= cuts; part++) {
        const at = (n: number): number => Math.floor((content.length * n) / (cuts + 1));
        socket.write(content.subarray(at(part), at(part + 1)));
      }
      if (isEnding) socket.end();
      else setImmediate(() => socket.destroy());
      await closed;
      expect(await good.rpc("echo.echo", "still")).toBe("still");
    }),
    { numRuns: 300, interruptAfterTimeLimit: 20_000, markInterruptAsFailure: false },
  );
  await good.close();
  await vi.waitFor(() => expect(broker.pendingRequests).toBe(0), PATIENTLY);
  expect(fields(await handle.rpc("module.list"), { modules: "array" }).modules).toHaveLength(1);
  expect(log.filter(({ level }) => level === "crit")).toEqual([]);
});

test("a thousand connections at once that send nonsense are closed, and the log says so in few lines", async () => {
  const { path, uri, log, clock } = await target();
  const good = await connect(uri);
  const attackers = await Promise.all(Array.from({ length: 1000 }, () => attack(path)));
  const during = Array.from({ length: 100 }, (_, n) => good.rpc("echo.echo", n));
  attackers.forEach(({ socket }, n) => socket.write(`nonsense number ${n}`));
  await Promise.all(attackers.map(({ closed }) => closed));
  expect(await Promise.all(during)).toEqual(during.map((_, n) => n));
  expect(await good.rpc("echo.echo", "after")).toBe("after");
  const lines = (): string[] => log.filter(({ level }) => level === "warning").map(({ text }) => text);
  expect(lines()).toHaveLength(20);
  clock.advance(10_000);
  expect(lines()).toHaveLength(21);
  expect(lines().at(-1)).toMatch(/^980 more connections/);
  await good.close();
});

test("a thousand connections at once are each served", async () => {
  const { uri } = await target();
  const clients = await Promise.all(Array.from({ length: 1000 }, () => connect(uri)));
  const answers = await Promise.all(clients.map((client, n) => client.rpc("echo.echo", n)));
  expect(answers).toEqual(clients.map((_, n) => n));
  await Promise.all(clients.map((client) => client.close()));
});

describe("connections that begin a message and never finish it", () => {
  const begun = Buffer.concat([
    (() => {
      const whole = request("echo.echo", '"x"');
      whole.writeUInt32BE(64 * MIB, 4);
      return whole;
    })(),
    Buffer.alloc(8 * MIB, 0x20),
  ]);

  test("hold no more than 256 MiB together: who has been at it longest is closed", async () => {
    const { path, uri, logged } = await target();
    const good = await connect(uri);
    const attackers: Attacker[] = [];
    let open = 0;
    for (let n = 0; n < 48; n++) {
      const attacker = await attack(path);
      attackers.push(attacker);
      open++;
      void attacker.closed.then(() => open--);
      await new Promise<void>((resolve) => attacker.socket.write(begun, () => resolve()));
    }
    expect(await logged("disconnected: over 256 MiB of incomplete messages")).toMatchObject({
      level: "warning",
    });
    await vi.waitFor(() => expect(open).toBeLessThanOrEqual(32), PATIENTLY);
    expect(open).toBeGreaterThan(24);
    await Promise.all(attackers.slice(0, 12).map(({ closed }) => closed));
    // A message as large as may be gets through all the same.
    expect(await good.rpc("echo.echo", new Uint8Array(60 * MIB))).toHaveLength(60 * MIB);
    for (const { socket } of attackers) socket.destroy();
    await good.close();
  });

  test("are closed after 30 s, however they go on", async () => {
    const { path, uri, logged, clock } = await target();
    const good = await connect(uri);
    const { socket, closed } = await attack(path);
    socket.write(begun.subarray(0, 4));
    await good.rpc("echo.echo", 1);
    await vi.waitFor(() => expect(clock.delays).toContain(30_000), PATIENTLY);
    clock.advance(29_000);
    socket.write(begun.subarray(4, 5));
    await good.rpc("echo.echo", 1);
    clock.advance(1_000);
    await closed;
    await logged("disconnected: its message was incomplete for 30 s");
    await good.close();
  });
});

test("responses that are made up answer nobody's request", async () => {
  const { path, uri, broker } = await target();
  const victim = await connect(uri);
  const outcome = vi.fn();
  void victim.rpc("echo.never").then(outcome, outcome);
  await victim.rpc("echo.echo", 1);
  const { socket, closed } = await attack(path);
  for (const route of [[victim.uuid], [victim.uuid, "x"], ["@0", victim.uuid], []]) {
    for (let matchtag = 0; matchtag < 5; matchtag++) {
      const forged: Message = {
        type: "response",
        topic: "echo.never",
        matchtag,
        errnum: 0,
        route,
        payload: "1",
      };
      socket.write(encodeMessage(forged));
    }
  }
  // Nor does what it says of itself: no module, no route of another, no end of another's streams.
  for (const route of [[victim.uuid]]) {
    socket.write(
      encodeMessage({
        type: "request",
        topic: "echo.disconnect",
        matchtag: 0,
        flags: 1,
        nodeid: "any",
        route,
      }),
    );
    socket.write(
      encodeMessage({
        type: "request",
        topic: "module.status",
        matchtag: 9,
        flags: 0,
        nodeid: "any",
        route,
        payload: '{"status":3}',
      }),
    );
  }
  socket.end(encodeMessage({ type: "control", control: "disconnect" }));
  await closed;
  expect(await victim.rpc("echo.echo", 2)).toBe(2);
  expect(outcome).not.toHaveBeenCalled();
  expect(broker.pendingRequests).toBe(1);
  await victim.close();
  expect(outcome).toHaveBeenCalledTimes(1);
});
