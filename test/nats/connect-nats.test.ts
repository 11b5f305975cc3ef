/** The first connection to NATS servers: what a failed attempt leaves behind. */
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { connectNats } from "../../src/nats/connect-nats.js";
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
