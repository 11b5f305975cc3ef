/** Connections to NATS servers: the sockets of failed attempts, and the pauses between brief connections. */
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { connectNats } from "../../src/nats/connect-nats.js";
import { LastingConnection } from "../../src/nats/lasting-connection.js";
import { type NatsServer, startNats } from "../helpers/nats.js";

let nats: NatsServer;
let server: Server;
afterEach(async () => {
  server.close();
  await nats.kill();
});

/** A way to a server on which connections that come after others hear the greeting only, or nothing. */
async function gate(answers: readonly ("greeting" | "silence")[]): Promise<{
  readonly port: number;
  readonly open: Set<Socket>;
}> {
  nats = await startNats();
  const open = new Set<Socket>();
  let count = 0;
  server = createServer((near) => {
    const answer = answers[count++];
    open.add(near);
    near.on("error", () => undefined).on("close", () => open.delete(near));
    if (answer !== undefined) near.resume();
    if (answer === "silence") return;
    const far = createConnection(nats.port, "127.0.0.1");
    far.on("error", () => near.destroy()).on("close", () => near.destroy());
    near.on("close", () => far.destroy());
    far.pipe(near);
    if (answer === undefined) near.pipe(far);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("it listens on a port");
  return { port: address.port, open };
}

test.each([
  ["hears nothing", ["silence"]],
  ["hears nothing after the greeting of another connection", ["greeting", "silence"]],
  ["hears the greeting, and no answer to its own", ["greeting", "greeting"]],
] as const)("an attempt that %s leaves no socket open once it has failed", async (_, answers) => {
  const { port, open } = await gate(answers);
  const failures: (readonly string[])[] = [];
  const connection = await connectNats({
    servers: { addresses: [`127.0.0.1:${port}`], isTls: false, user: undefined, password: undefined },
    connectTimeoutMs: Infinity,
    name: "test",
    failed: (lines) => void failures.push(lines),
  });
  expect(failures).toEqual([[`nats://127.0.0.1:${port}: no answer in time`]]);
  // That of the connection alone.
  await vi.waitFor(() => expect(open.size).toBe(1));
  await connection.close();
  await vi.waitFor(() => expect(open.size).toBe(0));
});

test("a server that takes each connection and ends it gets the next one later each time", async () => {
  nats = await startNats();
  const atMs: number[] = [];
  server = createServer((near) => {
    const far = createConnection(nats.port, "127.0.0.1");
    far.on("error", () => near.destroy()).on("close", () => near.destroy());
    near.on("error", () => undefined).on("close", () => far.destroy());
    near.pipe(far);
    far.on("data", (chunk: Buffer) => {
      const isTaken = chunk.toString("latin1").includes("PONG");
      if (isTaken) atMs.push(performance.now());
      near.write(chunk, () => isTaken && near.destroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("it listens on a port");
  const connection = await LastingConnection.open({
    servers: { addresses: [`127.0.0.1:${address.port}`], isTls: false, user: undefined, password: undefined },
    connectTimeoutMs: 10_000,
    name: "test",
  });
  await vi.waitFor(() => expect(atMs.length).toBeGreaterThanOrEqual(5), { timeout: 60_000 });
  await connection.close();
  const pauses = atMs.slice(1, 5).map((at, index) => at - (atMs[index] ?? 0));
  // A timer may fire a fraction of a millisecond early.
  expect(pauses.map((pauseMs, index) => pauseMs > 99 * 2 ** index)).toEqual([true, true, true, true]);
});
