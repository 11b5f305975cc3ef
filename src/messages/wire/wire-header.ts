import { requestError, SluiceError, ERRNO } from "../../errors/index.js";
import { isWireTopic } from "../topic.js";
import { type ControlMessage, FLAG, type Message, type NodeId, type RawPayload } from "../types.js";

/** The form of the bytes after a header; absent without a payload. */
export type PayloadKind = "json" | "bytes" | undefined;

/**
 * The error of invalid input on a connection. It closes that connection only (docs/design/modules.md §2).
 * @returns SluiceError `BROKER_PROTOCOL` with `EPROTO`
 */
export function protocolError(message: string, cause?: unknown): SluiceError {
  return new SluiceError("BROKER_PROTOCOL", message, { errnum: ERRNO.EPROTO, cause });
}

/** A response cuts longer error texts, because it must fit with a text of any length. */
const ERROR_TEXT_LENGTH = 8192;

/**
 * The header of a message as JSON text, in the form of schema/wire-header.schema.json. Defaults are left out.
 */
export function formatHeader(message: Message): string {
  const { type, userid, rolemask } = message;
  const payload = payloadKind(message.payload);
  switch (type) {
    case "request": {
      const { topic, matchtag, flags, nodeid, route } = message;
      return JSON.stringify({ type, topic, matchtag, flags, nodeid, route, payload, userid, rolemask });
    }
    case "response": {
      const { topic, matchtag, errnum, route } = message;
      const error = message.error?.slice(0, ERROR_TEXT_LENGTH);
      return JSON.stringify({ type, topic, matchtag, errnum, error, route, payload, userid, rolemask });
    }
    case "event": {
      const { topic, seq } = message;
      return JSON.stringify({ type, topic, seq, payload, userid, rolemask });
    }
    case "control": {
      const { control } = message;
      return JSON.stringify({ type, control, payload, userid, rolemask });
    }
  }
}

function payloadKind(payload: RawPayload): PayloadKind {
  if (payload === undefined) return undefined;
  return typeof payload === "string" ? "json" : "bytes";
}

/**
 * Makes a message out of a header and its payload. It checks the header as strictly as
 * schema/wire-header.schema.json. A test compares the two. Written by hand because it runs for every message.
 * @param text the JSON between the lengths and the payload
 * @param readPayload returns the payload for its kind
 * @throws SluiceError `BROKER_PROTOCOL`
 */
export function parseMessage(text: string, readPayload: (kind: PayloadKind) => RawPayload): Message {
  const raw = parseObject(text);
  const type = messageType(raw.type);
  for (const key in raw) {
    if (!KNOWN[type].has(key)) throw protocolError(`malformed message: a ${type} has no '${key}'`);
  }
  return build(type, raw, readPayload(payloadKindOf(raw.payload)));
}

function parseObject(text: string): RawHeader {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw protocolError("malformed message: the header is not JSON", cause);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong("header", "an object");
  return value;
}

type RawHeader = Readonly<Partial<Record<KnownKey, unknown>>>;
type KnownKey = (typeof KEYS)[keyof typeof KEYS][number];

const COMMON_KEYS = ["type", "payload", "userid", "rolemask"] as const;
const KEYS = {
  request: [...COMMON_KEYS, "topic", "matchtag", "flags", "nodeid", "route"],
  response: [...COMMON_KEYS, "topic", "matchtag", "errnum", "error", "route"],
  event: [...COMMON_KEYS, "topic", "seq"],
  control: [...COMMON_KEYS, "control"],
} as const;

const KNOWN: Readonly<Record<Message["type"], ReadonlySet<string>>> = {
  request: new Set(KEYS.request),
  response: new Set(KEYS.response),
  event: new Set(KEYS.event),
  control: new Set(KEYS.control),
};

function build(type: Message["type"], raw: RawHeader, payload: RawPayload): Message {
  const userid = raw.userid === undefined ? undefined : uint(raw, "userid", UINT32);
  const rolemask = raw.rolemask === undefined ? undefined : uint(raw, "rolemask", UINT32);
  switch (type) {
    case "request": {
      const matchtag = uint(raw, "matchtag", UINT32);
      const flags = uint(raw, "flags", FLAG.noresponse + FLAG.streaming);
      const nodeid = nodeidOf(raw.nodeid);
      const route = routeOf(raw.route);
      return { type, topic: topicOf(raw), matchtag, flags, nodeid, route, payload, userid, rolemask };
    }
    case "response": {
      const matchtag = uint(raw, "matchtag", UINT32);
      const errnum = uint(raw, "errnum", INT32);
      const error = raw.error === undefined ? undefined : textOf(raw, "error");
      const route = routeOf(raw.route);
      return { type, topic: topicOf(raw), matchtag, errnum, error, route, payload, userid, rolemask };
    }
    case "event":
      return { type, topic: topicOf(raw), seq: uint(raw, "seq", LAST_SEQ), payload, userid, rolemask };
    case "control":
      return { type, control: controlOf(raw.control), payload, userid, rolemask };
  }
}

const LAST_SEQ = Number.MAX_SAFE_INTEGER;
const UINT32 = 0xffff_ffff;
const INT32 = 0x7fff_ffff;

function messageType(type: unknown): Message["type"] {
  if (type === "request" || type === "response" || type === "event" || type === "control") return type;
  throw wrong("type", "one of request, response, event, control");
}

function payloadKindOf(kind: unknown): PayloadKind {
  if (kind === undefined || kind === "json" || kind === "bytes") return kind;
  throw wrong("payload", "json or bytes");
}

function controlOf(control: unknown): ControlMessage["control"] {
  if (control === "welcome" || control === "status" || control === "disconnect") return control;
  throw wrong("control", "one of welcome, status, disconnect");
}

function topicOf(raw: RawHeader): string {
  const topic = textOf(raw, "topic");
  if (!isWireTopic(topic)) throw wrong("topic", "words joined by dots");
  return topic;
}

function nodeidOf(nodeid: unknown): NodeId {
  if (nodeid === undefined) return "any";
  if (nodeid === "any" || nodeid === "upstream" || isUint(nodeid, UINT32)) return nodeid;
  throw wrong("nodeid", "a rank, any or upstream");
}

function routeOf(route: unknown): string[] {
  if (route === undefined) return [];
  if (!Array.isArray(route)) throw wrong("route", "an array of names");
  for (const id of route) if (typeof id !== "string" || id === "") throw wrong("route", "an array of names");
  return route as string[];
}

function textOf(raw: RawHeader, key: KnownKey): string {
  const value = raw[key];
  if (typeof value !== "string") throw wrong(key, "a string");
  return value;
}

/** @returns 0 if it is missing */
function uint(raw: RawHeader, key: KnownKey, maximum: number): number {
  const value = raw[key];
  if (value === undefined) return 0;
  if (!isUint(value, maximum)) throw wrong(key, `an integer from 0 to ${maximum}`);
  return value;
}

function isUint(value: unknown, maximum: number): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= maximum;
}

function wrong(key: string, expected: string): SluiceError {
  return protocolError(`malformed message: '${key}' must be ${expected}`);
}

/** The error of a message that is too large to be sent. */
export function tooLarge(what: "header" | "payload", bytes: number, maximum: number): SluiceError {
  return requestError("EMSGSIZE", `message ${what} of ${bytes} bytes is over the limit of ${maximum}`);
}
