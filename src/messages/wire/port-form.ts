import type { ControlMessage, Message, NodeId, RawPayload } from "../types.js";

/** The data on a `MessagePort`: only texts, numbers and bytes. */
export type PortItem = RawPayload | number;

const CODE = { request: 0, response: 1, event: 2, control: 3 } as const;

/** The number of items before the payload, and then the length of the route, of every message. */
const FIXED_ITEMS = 9;

/**
 * Appends a message to the items that travel between threads. All messages of a turn travel as one flat array.
 * Cloning an object with its property names takes several times as long, at both ends of every hop. Packing is most
 * of the cost of a hop.
 */
export function packMessage(message: Message, into: PortItem[]): void {
  const { payload, userid, rolemask } = message;
  switch (message.type) {
    case "request": {
      const { topic, matchtag, flags, nodeid, route } = message;
      into.push(
        CODE.request,
        topic,
        matchtag,
        flags,
        nodeid,
        payload,
        userid,
        rolemask,
        route.length,
        ...route,
      );
      break;
    }
    case "response": {
      const { topic, matchtag, errnum, error, route } = message;
      into.push(
        CODE.response,
        topic,
        matchtag,
        errnum,
        error,
        payload,
        userid,
        rolemask,
        route.length,
        ...route,
      );
      break;
    }
    case "event": {
      const { topic, seq } = message;
      into.push(CODE.event, topic, seq, undefined, undefined, payload, userid, rolemask, 0);
      break;
    }
    case "control":
      into.push(CODE.control, message.control, 0, undefined, undefined, payload, userid, rolemask, 0);
      break;
  }
}

/**
 * Delivers the messages in an array of {@link packMessage}, in order. No check is needed, because both ends
 * of a port are our own code in one process.
 * @param start index of the first
 * @param atMost the largest number of messages
 * @returns the index of the next
 */
export function unpackMessages(
  items: readonly PortItem[],
  start: number,
  deliver: (message: Message) => void,
  atMost: number,
): number {
  let at = start;
  for (let left = atMost; at < items.length && left > 0; left--) {
    const end = at + FIXED_ITEMS + (items[at + 8] as number);
    deliver(unpack(items, at, end));
    at = end;
  }
  return at;
}

function unpack(items: readonly PortItem[], at: number, end: number): Message {
  const payload = items[at + 5] as RawPayload;
  const userid = items[at + 6] as number | undefined;
  const rolemask = items[at + 7] as number | undefined;
  const topic = items[at + 1] as string;
  switch (items[at] as (typeof CODE)[keyof typeof CODE]) {
    case CODE.request: {
      const matchtag = items[at + 2] as number;
      const flags = items[at + 3] as number;
      const nodeid = items[at + 4] as NodeId;
      const route = items.slice(at + FIXED_ITEMS, end) as string[];
      return { type: "request", topic, matchtag, flags, nodeid, route, payload, userid, rolemask };
    }
    case CODE.response: {
      const matchtag = items[at + 2] as number;
      const errnum = items[at + 3] as number;
      const error = items[at + 4] as string | undefined;
      const route = items.slice(at + FIXED_ITEMS, end) as string[];
      return { type: "response", topic, matchtag, errnum, error, route, payload, userid, rolemask };
    }
    case CODE.event:
      return { type: "event", topic, seq: items[at + 2] as number, payload, userid, rolemask };
    case CODE.control:
      return {
        type: "control",
        control: topic as ControlMessage["control"],
        payload,
        userid,
        rolemask,
      };
  }
}
