/** What only the overlay of one machine has: the unix socket that joins its ranks. */
import { existsSync, statSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ERRNO } from "../../../src/errors/index.js";
import { encodeMessage, type Message } from "../../../src/messages/index.js";
import { events, INSTANCE_ID, meeting, presentRanks, startRank } from "../support/ranks-of-a-test.js";

describe("joining", () => {
  test("is refused to a rank of another instance", async () => {
    const at = await meeting("local");
    const zero = await startRank({ rank: 0, size: 3, at });
    const message = "rank 2 belongs to instance x, not instance-of-a-test";
    await expect(startRank({ rank: 2, size: 3, instanceId: "x", at })).rejects.toMatchObject({
      code: "BROKER_STATE",
      errnum: ERRNO.EINVAL,
      message,
    });
    await zero.logged(message);
  });

  test("shares a cache of code, which is there until rank 0 has gone", async () => {
    const at = await meeting("local");
    const zero = await startRank({ rank: 0, size: 2, at });
    const one = await startRank({ rank: 1, size: 2, at });
    const cache = join(at.rundir, "cache");
    expect([await zero.handle.attr("cachedir"), await one.handle.attr("cachedir")]).toEqual([cache, cache]);
    expect(statSync(cache).mode & 0o777).toBe(0o700);
    await one.broker.close();
    expect(existsSync(cache)).toBe(true);
    await zero.broker.close();
    expect(existsSync(cache)).toBe(false);
  });

  test("is for us alone: the socket is 0600", async () => {
    const at = await meeting("local");
    await startRank({ rank: 0, size: 2, at });
    expect(statSync(join(at.rundir, "overlay")).mode & 0o777).toBe(0o600);
    expect(statSync(at.rundir).mode & 0o777).toBe(0o700);
  });
});

describe("a connection to the overlay", () => {
  const hello = control({ kind: "hello", instanceId: INSTANCE_ID, rank: 2, size: 3 });
  test.each([
    ["what is no message at all", [Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n")]],
    ["a header that claims to be huge", [Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0])]],
    ["half a message", [encodeMessage(hello).subarray(0, 20)]],
    ["a request before it has said who it is", [encodeMessage(request(["1", "0"]))]],
    ["a notice that there is not", [encodeMessage(control({ kind: "hallo" }))]],
    ["a message without ranks", [encodeMessage(hello), encodeMessage(request([]))]],
    ["a message of another rank", [encodeMessage(hello), encodeMessage(request(["1", "0"]))]],
    ["a welcome", [encodeMessage(hello), encodeMessage(control({ kind: "welcome", ranks: [], seq: 0 }))]],
    [
      "events that are none",
      [
        encodeMessage(hello),
        encodeMessage({
          type: "event",
          topic: "overlay.batch.2",
          seq: 0,
          payload: Buffer.from("nonsense, and long"),
        }),
      ],
    ],
  ])("that sends %s is closed with a line in the log, and harms no other", async (_case, frames) => {
    const at = await meeting("local");
    const zero = await startRank({ rank: 0, size: 3, at });
    const one = await startRank({ rank: 1, size: 3, at });
    const { socket, closed } = openRaw(join(at.rundir, "overlay"));
    socket.end(Buffer.concat(frames));
    await closed;
    expect(await zero.logged(" disconnected: ")).toMatchObject({ level: "warning", name: "broker" });
    expect(await one.handle.rpc("broker.ping", 1, { rank: 0 })).toBe(1);
  });

  test("of a rank that does not read is cut off when 64 MiB wait for it, and the others get everything", async () => {
    const at = await meeting("local");
    const zero = await startRank({ rank: 0, size: 3, at });
    const one = await startRank({ rank: 1, size: 3, at });
    const { socket, closed } = openRaw(join(at.rundir, "overlay"));
    socket.write(encodeMessage(hello));
    await presentRanks(zero.broker, 2);
    socket.pause();
    const payload = new Uint8Array(1024 * 1024);
    for (let n = 0; n < 100; n++) {
      const heard = await events(one.handle, `big.n${n}`, 1);
      await zero.handle.publish(`big.n${n}`, payload);
      await heard.all;
    }
    expect(await zero.logged("rank 2 disconnected: it has not read")).toMatchObject({ level: "err" });
    await presentRanks(zero.broker, 1);
    socket.resume();
    await closed;
  });
});

function control(notice: unknown): Message {
  return { type: "control", control: "status", payload: JSON.stringify(notice) };
}

function request(route: string[]): Message {
  return { type: "request", topic: "broker.ping", matchtag: 1, flags: 0, nodeid: 0, route, payload: "1" };
}

function openRaw(path: string): { readonly socket: Socket; readonly closed: Promise<void> } {
  const socket = createConnection(path);
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("error", () => socket.destroy());
  socket.resume();
  return { socket, closed };
}
