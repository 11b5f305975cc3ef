/** The sentences of docs/design/embedding.md §2, each by its number. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { promisify } from "node:util";
import { MessageChannel, Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { connect } from "../../dist/index.js";
import { Stack } from "./support/stack.js";

const FIXTURES = join(import.meta.dirname, "fixtures");

async function withPart() {
  const broker = await new Stack(`modules = [{name = "a"}]`).start({ roots: ["a"] });
  return { broker, handle: await broker.connect() };
}

test("sentence 1: an idle broker wakes up zero times a second", async () => {
  const argv = [join(FIXTURES, "idle.mjs")];
  const { stdout } = await promisify(execFile)(process.execPath, argv, { timeout: 55_000 });
  expect(JSON.parse(stdout)).toEqual({ seconds: 4, wakeUps: 0 });
}, 60_000);

describe("sentence 3", () => {
  test("posting a handle or a broker to another thread is a DataCloneError", async () => {
    const { broker, handle } = await withPart();
    const remote = await connect(broker.uri);
    const { port1, port2 } = new MessageChannel();
    for (const bound of [handle, remote, broker]) {
      const post = (): void => port1.postMessage({ bound });
      expect(post).toThrow(expect.objectContaining({ name: "DataCloneError" }));
    }
    port1.close();
    port2.close();
    await remote.close();
  });

  test("a worker thread opens a handle of its own", async () => {
    const { broker } = await withPart();
    const worker = new Worker(
      `const { parentPort, workerData } = require("node:worker_threads");
       import(workerData.library).then(async ({ connect }) => {
         const handle = await connect(workerData.uri);
         parentPort.postMessage(await handle.rpc("a.echo", "from a worker"));
         await handle.close();
       });`,
      {
        eval: true,
        workerData: { library: new URL("../../dist/index.js", import.meta.url).href, uri: broker.uri },
      },
    );
    const ended = once(worker, "exit");
    expect(await once(worker, "message")).toEqual(["from a worker"]);
    await ended;
  });
});

describe("sentence 4", () => {
  test("the caller may reuse its buffer at once, in this thread and over the socket", async () => {
    const { broker, handle } = await withPart();
    const remote = await connect(broker.uri);
    for (const one of [handle, remote]) {
      const buffer = Buffer.alloc(4096, 1);
      const first = one.rpc("a.echo", buffer);
      buffer.fill(2);
      const second = one.rpc("a.echo", buffer);
      buffer.fill(3);
      const answers = (await Promise.all([first, second])) as Uint8Array[];
      expect(answers.map((bytes) => [bytes.length, ...new Set(bytes)])).toEqual([
        [4096, 1],
        [4096, 2],
      ]);
    }
    await remote.close();
  });

  test("a received payload is the receiver's for ever", async () => {
    const { broker } = await withPart();
    const remote = await connect(broker.uri);
    const kept: Uint8Array[] = [];
    for (let i = 0; i < 50; i++) kept.push((await remote.rpc("a.echo", Buffer.alloc(3000, i))) as Uint8Array);
    expect(kept.map((bytes) => [...new Set(bytes)])).toEqual(Array.from({ length: 50 }, (_, i) => [i]));
    await remote.close();
  });
});

describe("sentence 6", () => {
  test("messages from one sender to one receiver keep their order", async () => {
    const { handle } = await withPart();
    const order: number[] = [];
    const sent = Array.from({ length: 2000 }, (_, i) => handle.rpc("a.echo", i).then(() => order.push(i)));
    await Promise.all(sent);
    expect(order).toEqual(Array.from({ length: 2000 }, (_, i) => i));
  });

  test("events have one order for the whole instance", async () => {
    const { broker, handle } = await withPart();
    const others = await Promise.all([connect(broker.uri), connect(broker.uri)]);
    const seen = await Promise.all(
      [handle, ...others].map(async (receiver) => {
        const topics: string[] = [];
        const all = new Promise<string[]>((resolve) => {
          void receiver.subscribe("race.*", ({ topic }) => {
            if (topics.push(topic) === 300) resolve(topics);
          });
        });
        // Known to the broker before anything is published.
        await receiver.rpc("a.ping", {});
        return { all };
      }),
    );
    await Promise.all(
      [handle, ...others].flatMap((sender, i) =>
        Array.from({ length: 100 }, (_, n) => sender.publish(`race.${i}-${n}`)),
      ),
    );
    const [first, ...rest] = await Promise.all(seen.map(({ all }) => all));
    expect(first).toHaveLength(300);
    for (const order of rest) expect(order).toEqual(first);
    await Promise.all(others.map((other) => other.close()));
  });
});
