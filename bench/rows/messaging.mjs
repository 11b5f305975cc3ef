/** Requests from a client in another process to a module in a thread, against the bare chain that they take. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "../../dist/index.js";
import { median } from "../measure.mjs";
import { frame, Frames } from "../servers/frames.mjs";
import { startServer, stop } from "../servers/start.mjs";

const PAYLOAD = { text: "x".repeat(64), n: 1 };
const ROUNDS = 7;
const IN_A_ROW = 3000;
const PIPELINED = 20_000;
const IN_FLIGHT = 256;

/** Microseconds a request, one after the other, and with many in flight. */
async function timings(request) {
  const startedAt = performance.now();
  for (let i = 0; i < IN_A_ROW; i++) await request();
  const oneMs = (performance.now() - startedAt) / IN_A_ROW;
  const pipelinedAt = performance.now();
  let sent = 0;
  const lane = async () => {
    while (sent++ < PIPELINED) await request();
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  return { one: oneMs * 1000, pipelined: ((performance.now() - pipelinedAt) / PIPELINED) * 1000 };
}

async function echoClient(path) {
  const socket = createConnection(path);
  await once(socket, "connect");
  const waiting = [];
  const frames = new Frames((text) => {
    JSON.parse(text);
    waiting.shift()();
  });
  socket.on("data", (chunk) => frames.push(chunk));
  return {
    request: () =>
      new Promise((resolve) => {
        waiting.push(resolve);
        socket.write(frame(JSON.stringify(PAYLOAD)));
      }),
    close: () => socket.destroy(),
  };
}

async function measure() {
  const dir = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  const echo = await startServer("echo", [join(dir, "echo")]);
  const broker = await startServer("broker");
  const bare = await echoClient(join(dir, "echo"));
  const handle = await connect(broker.line);
  const rounds = [];
  try {
    for (let i = 0; i < ROUNDS; i++) {
      rounds.push({
        bare: await timings(bare.request),
        ours: await timings(() => handle.rpc("echo.echo", PAYLOAD)),
      });
    }
  } finally {
    bare.close();
    await handle.close();
    await Promise.all([stop(echo), stop(broker)]);
    rmSync(dir, { recursive: true, force: true });
  }
  return ["one", "pipelined"].map((key) => {
    const [ours, base] = [median(rounds.map((r) => r.ours[key])), median(rounds.map((r) => r.bare[key]))];
    const detail = `${ours.toFixed(1)} µs, echo ${base.toFixed(1)} µs`;
    const what = key === "one" ? "round trip" : `${IN_FLIGHT} in flight, time a message`;
    // Half the rate of the bare chain is twice its time a message.
    return { what, measured: ours / base, goal: key === "one" ? 1.8 : 2, unit: "× echo", detail };
  });
}

export const MESSAGING = [
  { name: "request", title: "one request and its response, client to module in a thread", measure },
];
