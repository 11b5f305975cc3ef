import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { encodeMessage, FrameDecoder, type Message } from "../../src/messages/index.js";

const ROOT = join(import.meta.dirname, "../..");
const PAGE = readFileSync(join(ROOT, "docs/wire-protocol.md"), "utf8");

interface Branch {
  readonly properties: Readonly<Record<string, unknown>>;
}

interface Schema {
  readonly $defs: Readonly<Record<"request" | "response" | "event" | "control", Branch>>;
}

const SCHEMA = JSON.parse(readFileSync(join(ROOT, "schema/wire-header.schema.json"), "utf8")) as Schema;

function decode(header: string): Message {
  const payload = header.includes('"payload"') ? "{}" : "";
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(Buffer.byteLength(header), 0);
  lengths.writeUInt32BE(payload.length, 4);
  const messages: Message[] = [];
  new FrameDecoder().push(Buffer.concat([lengths, Buffer.from(header + payload)]), (m) => messages.push(m));
  const [message] = messages;
  if (message === undefined) throw new Error(`no message in ${header}`);
  return message;
}

const EXAMPLES = [...PAGE.matchAll(/^```json\n(.*)\n```$/gm)].map(([, header]) => header ?? "");

test("the page shows a message of each type", () => {
  expect(new Set(EXAMPLES.map((header) => decode(header).type))).toEqual(
    new Set(["control", "request", "response", "event"]),
  );
});

test.each(EXAMPLES)("the example %s is a message", (header) => {
  const message = decode(header);
  const frame = encodeMessage(message);
  const again = JSON.parse(frame.subarray(8, 8 + frame.readUInt32BE(0)).toString()) as object;
  expect(again).toMatchObject(JSON.parse(header) as object);
});

test("the table of header fields says which message has which", () => {
  const [, table = ""] = /### Header fields\n([\s\S]*?)\n\n[^|]*$/m.exec(PAGE.split("\n## The life")[0] ?? "") ?? [];
  const listed = new Map<string, Set<string>>();
  for (const row of table.split("\n").filter((line) => line.startsWith("| `"))) {
    const [, names = "", on = ""] = row.split("|");
    const types = on.trim() === "all" ? Object.keys(SCHEMA.$defs) : on.split(",").map((type) => type.trim());
    for (const [, name = ""] of names.matchAll(/`([a-z]+)`/g)) listed.set(name, new Set(types));
  }
  for (const type of ["request", "response", "event", "control"] as const) {
    const fields = [...listed].filter(([, types]) => types.has(type)).map(([name]) => name);
    expect(fields.sort()).toEqual(Object.keys(SCHEMA.$defs[type].properties).sort());
  }
});
