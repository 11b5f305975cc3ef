import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ERRNO, SluiceError } from "../../src/errors/index.js";
import { encodeMessage, FrameDecoder, type Message, WIRE_LIMITS } from "../../src/messages/index.js";
import { reply, request } from "./fake-broker.js";

const word = fc
  .string({ unit: "binary", minLength: 1, maxLength: 12 })
  .map((text) => text.replace(/[.\s]/gu, "-"));
const topic = fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => words.join("."));
const uint32 = fc.nat(0xffff_ffff);
const payload = fc.option(
  fc.oneof(fc.json(), fc.string({ unit: "grapheme" }), fc.uint8Array({ maxLength: 400 })),
  {
    nil: undefined,
  },
);
const sender = { userid: fc.option(uint32, { nil: undefined }), rolemask: fc.constantFrom(1, 2, undefined) };
const route = fc.array(fc.uuid(), { maxLength: 4 });

const message: fc.Arbitrary<Message> = fc.oneof(
  fc.record({
    type: fc.constant("request" as const),
    topic,
    matchtag: uint32,
    flags: fc.nat(3),
    nodeid: fc.oneof(uint32, fc.constantFrom("any" as const, "upstream" as const)),
    route,
    payload,
    ...sender,
  }),
  fc.record({
    type: fc.constant("response" as const),
    topic,
    matchtag: uint32,
    errnum: fc.nat(200),
    error: fc.option(fc.string(), { nil: undefined }),
    route,
    payload,
    ...sender,
  }),
  fc.record({ type: fc.constant("event" as const), topic, seq: fc.maxSafeNat(), payload, ...sender }),
  fc.record({
    type: fc.constant("control" as const),
    control: fc.constantFrom("welcome" as const, "status" as const, "disconnect" as const),
    payload,
    ...sender,
  }),
);

function frame(header: string | Uint8Array, body: Uint8Array = new Uint8Array()): Buffer {
  const head = Buffer.from(header);
  const prelude = Buffer.alloc(8);
  prelude.writeUInt32BE(head.length, 0);
  prelude.writeUInt32BE(body.length, 4);
  return Buffer.concat([prelude, head, body]);
}

function decode(...chunks: Uint8Array[]): Message[] {
  const decoder = new FrameDecoder();
  const messages: Message[] = [];
  for (const chunk of chunks) decoder.push(chunk, (m) => messages.push(m));
  return messages;
}

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return error instanceof SluiceError ? error.code : "not a SluiceError";
  }
  return undefined;
}

describe("the wire form", () => {
  test("is two big-endian lengths, the header as JSON, the payload", () => {
    const encoded = encodeMessage(request("kvs.get", { payload: '{"key":"ä"}' }));
    const headerBytes = encoded.readUInt32BE(0);
    expect(JSON.parse(encoded.toString("utf8", 8, 8 + headerBytes))).toMatchObject({
      type: "request",
      topic: "kvs.get",
      payload: "json",
    });
    expect(encoded.readUInt32BE(4)).toBe(Buffer.byteLength('{"key":"ä"}'));
    expect(encoded.toString("utf8", 8 + headerBytes)).toBe('{"key":"ä"}');
  });

  test("gives back every message, in order, however the stream is cut into pieces", () => {
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 20 }),
        (messages, sizes) => {
          const stream = Buffer.concat(messages.map((m) => encodeMessage(m)));
          const decoder = new FrameDecoder();
          const decoded: Message[] = [];
          for (let at = 0, i = 0; at < stream.length; i++) {
            const size = sizes[i % sizes.length] ?? 1;
            decoder.push(stream.subarray(at, at + size), (m) => decoded.push(m));
            at += size;
          }
          decoder.end();
          expect(decoded).toEqual(messages);
        },
      ),
    );
  });

  test("never throws anything but BROKER_PROTOCOL, whatever comes in", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 8 }), (chunks) => {
        expect([undefined, "BROKER_PROTOCOL"]).toContain(codeOf(() => decode(...chunks)));
      }),
    );
  });

  test("is decoded in linear time from single bytes", () => {
    const body = new Uint8Array(100_000).fill(7);
    const stream = encodeMessage({ type: "event", topic: "e", seq: 1, payload: body });
    const decoder = new FrameDecoder();
    const decoded: Message[] = [];
    for (let i = 0; i < stream.length; i++) decoder.push(stream.subarray(i, i + 1), (m) => decoded.push(m));
    expect(decoded).toHaveLength(1);
    expect(decoded[0]?.payload).toEqual(body);
  });

  test("shares no memory between a message and the piece that it came in", () => {
    const chunk = encodeMessage({ type: "event", topic: "e", seq: 1, payload: new Uint8Array([1, 2, 3]) });
    const [decoded] = decode(chunk);
    chunk.fill(0);
    expect(decoded?.payload).toEqual(new Uint8Array([1, 2, 3]));
  });

  test("refuses to send what is over the limits, as EMSGSIZE", () => {
    const limits = { headerBytes: 100, payloadBytes: 10 };
    const large = request("x", { payload: "12345678901" });
    expect(() => encodeMessage(large, limits)).toThrow(expect.objectContaining({ errnum: ERRNO.EMSGSIZE }));
    const longTopic = request("x".repeat(200));
    expect(() => encodeMessage(longTopic, limits)).toThrow(
      expect.objectContaining({ errnum: ERRNO.EMSGSIZE }),
    );
  });

  test("cuts an error text that would not fit into a header", () => {
    const error = "\u0001".repeat(1_000_000);
    const [decoded] = decode(encodeMessage(reply(request("x"), { errnum: 5, error })));
    expect(decoded).toMatchObject({ errnum: 5, error: error.slice(0, 8192) });
  });
});

describe("a malformed stream", () => {
  const header = '{"type":"event","topic":"e","seq":1}';

  test.each([
    ["a header that is not JSON", frame("{")],
    ["a header that is no object", frame("[1]")],
    ["an empty header", frame("")],
    ["a header that is not UTF-8", frame(new Uint8Array([0x22, 0xff, 0x22]))],
    ["a deeply nested header", frame("[".repeat(60_000))],
    [
      "JSON text that is not UTF-8",
      frame('{"type":"event","topic":"e","payload":"json"}', new Uint8Array([0xc3])),
    ],
    ["bytes that the header does not announce", frame(header, new Uint8Array(1))],
    ["a header longer than allowed", Buffer.from([0, 1, 0, 1, 0, 0, 0, 0])],
    ["a length of four gigabytes", Buffer.from([0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff])],
    ["a text protocol", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
  ])("with %s is refused", (_what, bytes) => {
    expect(codeOf(() => decode(bytes))).toBe("BROKER_PROTOCOL");
  });

  test("delivers what was whole before it, and nothing after it", () => {
    const decoder = new FrameDecoder();
    const topics: string[] = [];
    const take = (m: Message): void => {
      if (m.type === "event") topics.push(m.topic);
    };
    const good = encodeMessage({ type: "event", topic: "good", seq: 1 });
    expect(codeOf(() => decoder.push(Buffer.concat([good, frame("{"), good]), take))).toBe("BROKER_PROTOCOL");
    decoder.push(good, take);
    expect(topics).toEqual(["good"]);
  });

  test("that ends inside a message is truncated, one that ends between messages is not", () => {
    const whole = encodeMessage({ type: "event", topic: "e", seq: 1 });
    for (let length = 0; length <= whole.length; length++) {
      const decoder = new FrameDecoder();
      decoder.push(whole.subarray(0, length), () => undefined);
      const isWhole = length === 0 || length === whole.length;
      expect(codeOf(() => decoder.end())).toBe(isWhole ? undefined : "BROKER_PROTOCOL");
    }
  });

  test("costs no memory for what it merely declares", () => {
    const before = process.memoryUsage().arrayBuffers;
    const decoders = Array.from({ length: 64 }, () => {
      const decoder = new FrameDecoder();
      const prelude = Buffer.alloc(8);
      prelude.writeUInt32BE(WIRE_LIMITS.headerBytes, 0);
      prelude.writeUInt32BE(WIRE_LIMITS.payloadBytes, 4);
      decoder.push(prelude, () => undefined);
      return decoder;
    });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(decoders.length * 64 * 1024);
  });
});

describe("the header check", () => {
  const schema = JSON.parse(
    readFileSync(new URL("../../schema/wire-header.schema.json", import.meta.url), "utf8"),
  ) as object;
  const validate = new Ajv2020({ strict: false }).compile(schema);

  const value = fc.oneof(
    fc.constantFrom("request", "response", "event", "control", "welcome", "json", "bytes", "any", "upstream"),
    fc.constantFrom("a.b", "a..b", ".a", "a.", "", "a b", "a\u00a0b", "ä.ö"),
    fc.constantFrom(-1, 0, -0, 1, 3, 4, 1.5, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x1_0000_0000, 2 ** 53),
    fc.constantFrom(null, true, [], [""], ["a"], ["a", 1], {}, { a: 1 }),
  );
  const key = fc.constantFrom(
    ...["type", "topic", "matchtag", "flags", "nodeid", "errnum", "error", "seq", "userid", "rolemask"],
    ...["route", "control", "payload", "toString", "__proto__", "unknown"],
  );
  const valid = message.map((m) => {
    const encoded = encodeMessage(m);
    return JSON.parse(encoded.toString("utf8", 8, 8 + encoded.readUInt32BE(0))) as Record<string, unknown>;
  });
  /** A valid header with some keys set to something, or taken away. */
  const header = fc
    .tuple(valid, fc.array(fc.tuple(key, fc.option(value, { nil: undefined })), { maxLength: 3 }))
    .map(([base, changes]) => {
      const entries = new Map(Object.entries(base));
      for (const [name, changed] of changes) {
        if (changed === undefined) entries.delete(name);
        else entries.set(name, changed);
      }
      const members = [...entries].map(([name, v]) => `${JSON.stringify(name)}:${JSON.stringify(v)}`);
      return `{${members.join(",")}}`;
    });

  test("accepts exactly what schema/wire-header.schema.json accepts", () => {
    let accepted = 0;
    let refused = 0;
    fc.assert(
      fc.property(header, (text) => {
        const bySchema = validate(JSON.parse(text));
        expect(codeOf(() => decode(frame(text)))).toBe(bySchema ? undefined : "BROKER_PROTOCOL");
        if (bySchema) accepted++;
        else refused++;
      }),
      { numRuns: 2000 },
    );
    expect(Math.min(accepted, refused)).toBeGreaterThan(100);
  });

  test("fills in the defaults", () => {
    expect(decode(frame('{"type":"request","topic":"a.b"}'))).toEqual([
      { type: "request", topic: "a.b", matchtag: 0, flags: 0, nodeid: "any", route: [] },
    ]);
    expect(decode(frame('{"type":"response","topic":"a.b"}'))).toEqual([
      { type: "response", topic: "a.b", matchtag: 0, errnum: 0, route: [] },
    ]);
  });
});
