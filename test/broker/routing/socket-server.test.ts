import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../../src/broker/clock.js";
import { isServed, SocketServer } from "../../../src/broker/routing/socket-server.js";
import { isErrno } from "../../../src/errors/index.js";
import { WIRE_LIMITS } from "../../../src/messages/index.js";

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "sluice-test-"));
  path = join(dir, "local-0");
});
afterEach(() => {
  rmSync(dir, { recursive: true });
});

const listen = (): Promise<SocketServer> =>
  SocketServer.listen({
    path,
    clock: systemClock,
    limits: () => WIRE_LIMITS,
    onConnection: () => undefined,
    onError: (error) => {
      throw error;
    },
  });

test("fault-D3: a server that closes leaves the socket of its successor", async () => {
  const first = await listen();
  // A client that does not go keeps it closing for a while.
  const client = createConnection(path);
  await new Promise((connected) => client.once("connect", connected));
  rmSync(path);
  const second = await listen();
  await first.close();
  expect(await isServed(path)).toBe(true);
  await second.close();
  client.destroy();
  expect(readdirSync(dir)).toEqual([]);
});

test("fault-D3: the successor may come while the first one is closing", async () => {
  const first = await listen();
  const client = createConnection(path);
  await new Promise((connected) => client.once("connect", connected));
  const closed = first.close();
  const second = await listen();
  await closed;
  expect(await isServed(path)).toBe(true);
  await second.close();
  client.destroy();
  expect(readdirSync(dir)).toEqual([]);
});

test("of servers that start at once, one has the socket, and the others say so", async () => {
  const started = await Promise.allSettled([listen(), listen(), listen()]);
  const servers = started.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const errors = started.flatMap((one) => (one.status === "rejected" ? [one.reason as unknown] : []));
  expect(servers).toHaveLength(1);
  expect(errors.every((error) => isErrno(error, "EEXIST"))).toBe(true);
  await servers[0]?.close();
  expect(readdirSync(dir)).toEqual([]);
});
