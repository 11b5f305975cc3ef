import { formatHeader, tooLarge } from "./wire-header.js";
import type { Message, RawPayload } from "../types.js";

/** The limits of a connection, in bytes. */
export interface WireLimits {
  readonly headerBytes: number;
  /** Attribute `broker.max-payload`. */
  readonly payloadBytes: number;
}

/** The limits of the wire form (docs/design/modules.md §2). */
export const WIRE_LIMITS: WireLimits = { headerBytes: 64 * 1024, payloadBytes: 64 * 1024 * 1024 };

/** Length of the two length words. */
export const PRELUDE_BYTES = 8;

/**
 * The wire form of a message: header length and payload length as big-endian uint32, the header as JSON, the payload.
 * The result shares no memory with the message.
 * @throws SluiceError `BROKER_REQUEST` with `EMSGSIZE` if the header or the payload is over its limit
 */
export function encodeMessage(message: Message, limits: WireLimits = WIRE_LIMITS): Buffer {
  const header = formatHeader(message);
  const headerBytes = Buffer.byteLength(header);
  const payloadBytes = byteLength(message.payload);
  if (headerBytes > limits.headerBytes) throw tooLarge("header", headerBytes, limits.headerBytes);
  if (payloadBytes > limits.payloadBytes) throw tooLarge("payload", payloadBytes, limits.payloadBytes);
  const frame = Buffer.allocUnsafe(PRELUDE_BYTES + headerBytes + payloadBytes);
  frame.writeUInt32BE(headerBytes, 0);
  frame.writeUInt32BE(payloadBytes, 4);
  frame.write(header, PRELUDE_BYTES, "utf8");
  writePayload(frame, PRELUDE_BYTES + headerBytes, message.payload);
  return frame;
}

function byteLength(payload: RawPayload): number {
  if (payload === undefined) return 0;
  return typeof payload === "string" ? Buffer.byteLength(payload) : payload.byteLength;
}

function writePayload(frame: Buffer, offset: number, payload: RawPayload): void {
  if (payload === undefined) return;
  if (typeof payload === "string") frame.write(payload, offset, "utf8");
  else frame.set(payload, offset);
}
