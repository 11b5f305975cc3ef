import { ERRNO, messageOf, SluiceError } from "../../errors/index.js";
import {
  decodePayload,
  encodeMessage,
  type EventMessage,
  fields,
  type FlowControl,
  FrameDecoder,
  type Message,
  type Payload,
  type RequestMessage,
  type ResponseMessage,
  WIRE_LIMITS,
  type WireLimits,
} from "../../messages/index.js";
import type { JsonObject } from "../configuration.js";
import type { Departure } from "../routing/overlay.js";

/** Messages between the overlays of two ranks themselves, which they do not carry for peers. */
export type Notice =
  /**
   * From a broker that does not yet have the data of the instance that it joins; from rank 0: a request for an
   * answer.
   */
  | { readonly kind: "ask" }
  | ({ readonly kind: "about" } & AboutInstance)
  /** The first message of a rank that joins. */
  | ({
      readonly kind: "hello";
      readonly instanceId: string;
      readonly rank: number;
      readonly size: number;
      /** The newest event that it has received; 0 if it joins for the first time. */
      readonly seq: number;
    } & Whereabouts)
  /** Rank 0 admits the rank. Has the other ranks, each with its `uuid`, and the last event before it. */
  | {
      readonly kind: "welcome";
      readonly ranks: readonly number[];
      readonly uuids: readonly string[];
      readonly seq: number;
      readonly epoch: number;
    }
  | { readonly kind: "refused"; readonly errnum: number; readonly error: string }
  | { readonly kind: "joined"; readonly rank: number; readonly uuid: string }
  | { readonly kind: "left"; readonly rank: number; readonly how: Departure }
  /** From one rank to another: flow control for the requests of a peer there. */
  | {
      readonly kind: "hold";
      readonly from: number;
      readonly to: number;
      readonly sender: string;
      readonly on: boolean;
    }
  /**
   * The rank is alive; sent once a period, in both directions. To rank 0 with the newest event that the rank has
   * received, and with its server, which is empty without one. After `stopsMs` without a message of rank 0, none of
   * its modules runs any more; 0: it keeps them.
   */
  | { readonly kind: "alive"; readonly seq: number; readonly server: string; readonly stopsMs: number }
  /** From rank 0 to a broker that joins: another broker may still be this rank. */
  | { readonly kind: "wait"; readonly why: string }
  /** From rank 0: a rank has stalled, or sends heartbeats again. */
  | { readonly kind: "stalled"; readonly rank: number; readonly on: boolean }
  /**
   * To rank 0 from a rank that was stopped: requests whether it counts as lost. Rank 0 returns the number if
   * it does not.
   */
  | { readonly kind: "still"; readonly number: number }
  /**
   * To rank 0: events after this one have not arrived. Rank 0 sends these events, and then `repeated`. A new leader
   * also sends this to the rank that has received the most.
   */
  | { readonly kind: "missed"; readonly seq: number }
  /**
   * From rank 0: a part of the missed events has been sent, or is no longer kept. The newest event has the number `seq`. If they
   * are not kept, `own` has the numbers of those that the rank has published since it joined.
   */
  | {
      readonly kind: "repeated";
      readonly isKept: boolean;
      readonly seq: number;
      readonly own: readonly number[];
    }
  /** The connection is about to close cleanly. */
  | { readonly kind: "goodbye" };

/** The data of the instance that a broker needs before it joins. */
export interface AboutInstance {
  readonly instanceId: string;
  readonly size: number;
  readonly config: JsonObject;
}

/** The broker of a rank, and its host. */
export interface Whereabouts {
  /** Identifies this run of the broker. A later broker under the same number has another one. */
  readonly uuid: string;
  readonly host: string;
  readonly pid: number;
}

/** A request or response on its way between two ranks. */
export interface Carried {
  readonly from: number;
  readonly to: number;
  /** The newest event that the sender had received. The receiver must receive it before this message. */
  readonly after: number;
  readonly message: RequestMessage | ResponseMessage;
}

/** The messages on a connection of the overlay. */
export type Arrival =
  | { readonly type: "notice"; readonly notice: Notice }
  | ({ readonly type: "carried" } & Carried)
  /** Consecutive events of one rank; `seq` is 0 on their way to rank 0. */
  | { readonly type: "events"; readonly origin: number; readonly events: readonly EventMessage[] };

const PRELUDE_BYTES = 8;
/** The names of two ranks, and the number of an event, on a route. */
const ENVELOPE_BYTES = 64;

/**
 * Larger than between a broker and its clients, so that every message of a client fits. A route is two names
 * longer. The payload of an event contains the event's header.
 */
export const OVERLAY_LIMITS: WireLimits = {
  headerBytes: WIRE_LIMITS.headerBytes + ENVELOPE_BYTES,
  payloadBytes: WIRE_LIMITS.payloadBytes + WIRE_LIMITS.headerBytes + ENVELOPE_BYTES + PRELUDE_BYTES,
};

/** The limits for events with a sequence number, which they did not have at their publication. */
const SEQUENCED_LIMITS: WireLimits = { ...WIRE_LIMITS, headerBytes: OVERLAY_LIMITS.headerBytes };

const BATCH = "overlay.batch";

/** The flow that a notice of kind `hold` sets. */
export function flowOf({ on }: { readonly on: boolean }): FlowControl {
  return on ? "hold" : "resume";
}

/** Notices travel as control messages, which no broker passes on. */
export function noticeMessage(notice: Notice): Message {
  return { type: "control", control: "status", payload: JSON.stringify(notice) };
}

/** Event, sender and receiver go on top of the route, where rank 0 finds them without parsing the rest. */
export function carriedMessage({ from, to, after, message }: Carried): Message {
  return { ...message, route: [...message.route, String(after), String(from), String(to)] };
}

/**
 * The wire form of one event, to be joined with others to a {@link batchMessage}.
 * @throws SluiceError `BROKER_REQUEST` with `EMSGSIZE` if it is too large
 */
export function eventFrame(event: EventMessage): Buffer {
  return encodeMessage(event, event.seq === 0 ? WIRE_LIMITS : SEQUENCED_LIMITS);
}

/** Consecutive events of one rank. */
export function batchMessage(origin: number, frames: readonly Buffer[]): Message {
  return { type: "event", topic: `${BATCH}.${origin}`, seq: 0, payload: Buffer.concat(frames) };
}

/**
 * Reads a message of an overlay connection.
 * @throws SluiceError `BROKER_PROTOCOL` if no broker would send it
 */
export function readArrival(message: Message): Arrival {
  switch (message.type) {
    case "control":
      return { type: "notice", notice: readNotice(message.payload) };
    case "event":
      return readBatch(message);
    case "request":
    case "response":
      return readCarried(message);
  }
}

/** @returns SluiceError `BROKER_PROTOCOL` with `EPROTO` */
export function overlayProtocolError(text: string, cause?: unknown): SluiceError {
  return new SluiceError("BROKER_PROTOCOL", text, { errnum: ERRNO.EPROTO, cause });
}

function readNotice(payload: Message["payload"]): Notice {
  try {
    return noticeOf(decodePayload(payload));
  } catch (cause) {
    throw overlayProtocolError(`malformed overlay notice: ${messageOf(cause)}`, cause);
  }
}

function noticeOf(payload: Payload): Notice {
  const { kind } = fields(payload, { kind: "string" });
  switch (kind) {
    case "hello":
      return helloOf(payload);
    case "welcome": {
      const { ranks, uuids, seq, epoch } = fields(payload, {
        ranks: "array",
        uuids: "array",
        seq: "integer",
        epoch: "integer?",
      });
      return {
        kind,
        ranks: ranks.map((rank) => fields({ rank }, { rank: "integer" }).rank),
        uuids: uuids.map((uuid) => fields({ uuid }, { uuid: "string" }).uuid),
        seq,
        epoch: epoch ?? 1,
      };
    }
    case "about":
      return { kind, ...fields(payload, { instanceId: "string", size: "integer", config: "object" }) };
    case "missed":
      return { kind, ...fields(payload, { seq: "integer" }) };
    case "repeated":
      return repeatedOf(payload);
    case "refused":
      return { kind, ...fields(payload, { errnum: "integer", error: "string" }) };
    case "joined":
      return { kind, ...fields(payload, { rank: "integer", uuid: "string" }) };
    case "left": {
      const { rank, how } = fields(payload, { rank: "integer", how: "string" });
      return { kind, rank, how: how === "goodbye" ? "goodbye" : "lost" };
    }
    case "hold":
      return {
        kind,
        ...fields(payload, { from: "integer", to: "integer", sender: "string", on: "boolean" }),
      };
    case "stalled":
      return { kind, ...fields(payload, { rank: "integer", on: "boolean" }) };
    case "alive": {
      const { seq, server, stopsMs } = fields(payload, {
        seq: "integer?",
        server: "string?",
        stopsMs: "integer?",
      });
      return { kind, seq: seq ?? 0, server: server ?? "", stopsMs: stopsMs ?? 0 };
    }
    case "wait":
      return { kind, ...fields(payload, { why: "string" }) };
    case "still":
      return { kind, ...fields(payload, { number: "integer" }) };
    case "ask":
    case "goodbye":
      return { kind };
    default:
      throw new Error(`unknown kind '${kind}'`);
  }
}

function repeatedOf(payload: Payload): Notice {
  const { isKept, seq, own } = fields(payload, { isKept: "boolean", seq: "integer", own: "array?" });
  const numbers = (own ?? []).map((number) => fields({ number }, { number: "integer" }).number);
  return { kind: "repeated", isKept, seq, own: numbers };
}

function helloOf(payload: Payload): Notice {
  const { instanceId, rank, size } = fields(payload, {
    instanceId: "string",
    rank: "integer",
    size: "integer",
  });
  const { uuid, host, pid, seq } = fields(payload, {
    uuid: "string?",
    host: "string?",
    pid: "integer?",
    seq: "integer?",
  });
  return {
    kind: "hello",
    ...{ instanceId, rank, size, uuid: uuid ?? "", host: host ?? "", pid: pid ?? 0, seq: seq ?? 0 },
  };
}

function readCarried(message: RequestMessage | ResponseMessage): Arrival {
  const { route } = message;
  const to = numberOf(route.at(-1));
  const from = numberOf(route.at(-2));
  const after = numberOf(route.at(-3));
  return { type: "carried", from, to, after, message: { ...message, route: route.slice(0, -3) } };
}

function readBatch({ topic, payload }: EventMessage): Arrival {
  if (!topic.startsWith(`${BATCH}.`) || !(payload instanceof Uint8Array)) {
    throw overlayProtocolError(`unexpected event ${topic} on an overlay connection`);
  }
  const events: EventMessage[] = [];
  const decoder = new FrameDecoder(SEQUENCED_LIMITS);
  decoder.push(payload, (message) => {
    if (message.type !== "event")
      throw overlayProtocolError(`unexpected ${message.type} in a batch of events`);
    events.push(message);
  });
  decoder.end();
  return { type: "events", origin: numberOf(topic.slice(BATCH.length + 1)), events };
}

function numberOf(text: string | undefined): number {
  if (text === undefined || !/^\d{1,15}$/.test(text)) {
    throw overlayProtocolError("malformed overlay message: its route lacks sender, receiver and event");
  }
  return Number(text);
}
