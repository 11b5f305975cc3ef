/** The stream that is made of messages which may be lost, doubled or late. */
import { createHash, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { Link, type LinkOptions } from "../../src/nats/link.js";
import { formatFrame, parseFrame } from "../../src/nats/link-frame.js";
import { heldBytes } from "../helpers/memory.js";

const [A, B] = ["a".repeat(16), "b".repeat(16)];

/** What becomes of the messages of one direction, in turn. */
type Fate = "arrives" | "is lost" | "comes twice" | "is late";

interface Pair {
  readonly a: Link;
  readonly b: Link;
  readonly sent: { frames: number; dataBytes: number; furthest: number };
}

/** Two ends, and between them a wire that does to messages what it is told to. */
function pair(
  fates: (direction: "to a" | "to b") => Fate,
  options: Partial<LinkOptions> = {},
  peer: string | undefined = B,
): Pair {
  const sent = { frames: 0, dataBytes: 0, furthest: 0 };
  const wire =
    (direction: "to a" | "to b", to: () => Link): LinkOptions["send"] =>
    (frame, bytes) => {
      sent.frames += 1;
      sent.dataBytes += bytes?.length ?? 0;
      sent.furthest = Math.max(sent.furthest, frame.number + (bytes?.length ?? 0));
      const copy = Uint8Array.from(bytes ?? []);
      // As on the wire.
      const read = parseFrame(formatFrame(frame));
      if (read === undefined) throw new Error(`no frame: ${formatFrame(frame)}`);
      const arrive = (): void => to().receive(read, copy);
      const fate = fates(direction);
      if (fate !== "is lost" && fate !== "is late") setImmediate(arrive);
      if (fate === "comes twice") setImmediate(arrive);
      if (fate === "is late") setTimeout(arrive, 3);
    };
  const shared = { windowBytes: () => 4096, segmentBytes: () => 512, retryMs: () => 5, ...options };
  const a: Link = new Link({ ...shared, self: A, peer, send: wire("to b", () => b) });
  const b: Link = new Link({ ...shared, self: B, peer: A, send: wire("to a", () => a) });
  onTestFinished(() => {
    for (const link of [a, b]) link.on("error", () => undefined).destroy();
  });
  return { a, b, sent };
}

const arrives = (): Fate => "arrives";

/** All that comes until the end. The link is not destroyed then, as iterating over it would. */
function all(link: Link): Promise<Buffer> {
  const chunks: Buffer[] = [];
  link.on("data", (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve, reject) => {
    link.once("end", () => resolve(Buffer.concat(chunks)));
    link.once("error", reject);
  });
}

const fateOf = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Fate>("arrives") },
  { weight: 2, arbitrary: fc.constantFrom<Fate>("is lost", "comes twice", "is late") },
);

describe("what is written arrives once and in order", () => {
  test("both ways, whatever is lost, doubled or late", async () => {
    const fates = fc.infiniteStream(fateOf);
    const writes = fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(fates, fates, writes, writes, async (toA, toB, fromA, fromB) => {
        const { a, b } = pair((direction) => (direction === "to a" ? toA : toB).next().value as Fate);
        const [atA, atB] = [all(a), all(b)];
        for (const bytes of fromA) a.write(bytes);
        for (const bytes of fromB) b.write(bytes);
        a.end();
        b.end();
        expect(await atB).toEqual(Buffer.concat(fromA));
        expect(await atA).toEqual(Buffer.concat(fromB));
      }),
      { numRuns: 60 },
    );
  });

  test("to the first that answers, when the other end was not known", async () => {
    let lost = 3;
    const { a, b } = pair(() => (lost-- > 0 ? "is lost" : "arrives"), {}, undefined);
    const got = all(b);
    a.end("hello");
    expect(String(await got)).toBe("hello");
    expect(a.peer).toBe(B);
  });

  test("at once when an end is connected again that has missed it, though the other one knows of no loss", async () => {
    let fate: Fate = "arrives";
    const { a, b } = pair((direction) => (direction === "to a" ? fate : "arrives"), {
      retryMs: () => 60_000,
    });
    const got = all(a);
    b.write("one ");
    const heard = new Promise<void>((resolve) => b.onHeard(resolve));
    await heard;
    fate = "is lost";
    b.end("two");
    await new Promise((resolve) => setImmediate(resolve));
    fate = "arrives";
    a.reconnected();
    expect(String(await got)).toBe("one two");
  });

  test("in one megabyte for each that was written, when nothing is lost", async () => {
    const { a, b, sent } = pair(arrives, {
      windowBytes: () => 65_536,
      segmentBytes: () => 8192,
      retryMs: () => 60_000,
    });
    const bytes = randomBytes(1024 * 1024);
    const hash = all(b).then((got) => createHash("sha256").update(got).digest("hex"));
    const heard = new Promise<void>((resolve) => a.onHeard(resolve));
    a.write(bytes.subarray(0, 1));
    // What has not answered yet is tried again soon.
    await heard;
    const before = sent.dataBytes;
    a.end(bytes.subarray(1));
    expect(await hash).toBe(createHash("sha256").update(bytes).digest("hex"));
    expect(sent.dataBytes - before).toBe(bytes.length - 1);
    expect(sent.frames).toBeLessThan(256);
  });
});

describe("a reader that does not read", () => {
  test("is sent no more than its window, however often it is tried, and then all the rest", async () => {
    const { a, b, sent } = pair(arrives, { retryMs: () => 2 });
    const bytes = randomBytes(100_000);
    a.end(bytes);
    // Paused from the start. Ask and answer go on.
    const frames = sent.frames + 40;
    await expect.poll(() => sent.frames).toBeGreaterThan(frames);
    expect(b.readableLength).toBeLessThanOrEqual(4096);
    expect(sent.furthest).toBe(4096);
    expect((await all(b)).equals(bytes)).toBe(true);
  });

  test("that is frozen is not sent again what waits for it", async () => {
    let isFrozen = false;
    const { a, b, sent } = pair((direction) => (direction === "to b" && isFrozen ? "is lost" : "arrives"), {
      retryMs: () => 2,
    });
    const got = all(b);
    a.write("x");
    // Its answer is here.
    await expect.poll(() => a.writableLength === 0 && sent.frames).toBeGreaterThan(1);
    isFrozen = true;
    a.end(randomBytes(100_000));
    const someMoreFrames = async (): Promise<void> => {
      const frames = sent.frames + 8;
      await expect.poll(() => sent.frames).toBeGreaterThan(frames);
    };
    // By then its window is sent, and what was on its way to the sender has come.
    await someMoreFrames();
    const { dataBytes } = sent;
    await someMoreFrames();
    expect(sent.dataBytes).toBe(dataBytes);
    expect(sent.furthest).toBe(1 + 4096);
    isFrozen = false;
    expect((await got).length).toBe(1 + 100_000);
  });
});

test("the most that fits into a message may change at any time", async () => {
  let limit = 512;
  let isCut = true;
  const { a, b } = pair((direction) => (direction === "to b" && isCut ? "is lost" : "arrives"), {
    segmentBytes: () => limit,
  });
  const bytes = randomBytes(3000);
  a.end(bytes);
  limit = 64;
  isCut = false;
  expect((await all(b)).equals(bytes)).toBe(true);
});

describe("the end", () => {
  test("by destroying one side reaches the other at once", async () => {
    const { a, b } = pair(arrives);
    const error = new Promise((resolve) => b.once("error", resolve));
    a.write("x");
    await expect.poll(() => b.readableLength).toBe(1);
    a.destroy();
    expect(await error).toMatchObject({ code: "BROKER_STATE" });
  });

  test("in order closes both without an error", async () => {
    const { a, b } = pair(arrives);
    const closed = Promise.all([a, b].map((link) => new Promise((resolve) => link.once("close", resolve))));
    void all(a);
    void all(b);
    a.end("one");
    b.end("two");
    await closed;
    expect([a.errored, b.errored]).toEqual([null, null]);
  });
});

test("what is no frame is none", () => {
  for (const text of [
    "",
    "x",
    `${A} ${B} data 1 2`,
    `${A} ${B} nothing 1 2 3`,
    `${A} ${B} data -1 2 3`,
    `${A}  data 1 2 3`,
  ]) {
    expect(parseFrame(text)).toBeUndefined();
  }
});

test("a link lets go of what the other end has received, while more is on its way all the time", async () => {
  const { a, b } = pair(arrives, {
    windowBytes: () => 2 ** 20,
    segmentBytes: () => 2 ** 16,
    retryMs: () => 1000,
  });
  let read = 0;
  const before = heldBytes();
  b.on("data", (chunk: Buffer) => (read += chunk.length));
  for (let n = 0; n < 200; n++) {
    const isFull = !a.write(Buffer.alloc(2 ** 20));
    if (isFull) await new Promise((resolve) => a.once("drain", resolve));
  }
  await expect.poll(() => heldBytes() - before).toBeLessThan(64 * 2 ** 20);
  await expect.poll(() => read).toBe(200 * 2 ** 20);
});
