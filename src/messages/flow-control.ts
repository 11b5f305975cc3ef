import type { ControlMessage, Message } from "./types.js";

/** Payloads of the control message `status` that a broker sends to an end whose requests have to wait. */
const SEND = '{"requests":"send"}';
const HOLD = '{"requests":"hold"}';

/**
 * Tells the other end of a channel whether it may send requests (docs/wire-protocol.md, not standing in the way). Ends
 * that know nothing of it are held back all the same, only later.
 */
export function leaveMessage(maySend: boolean): ControlMessage {
  return { type: "control", control: "status", payload: maySend ? SEND : HOLD };
}

/** @returns whether requests may be sent, or undefined if the message says nothing of that */
export function leaveOf(message: Message): boolean | undefined {
  if (message.type !== "control" || message.control !== "status") return undefined;
  if (message.payload === HOLD) return false;
  return message.payload === SEND ? true : undefined;
}
