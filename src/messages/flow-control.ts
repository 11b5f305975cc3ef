import type { ControlMessage, FlowControl, Message } from "./types.js";

/** Payloads of the control message `status` that a broker sends to the other end of a channel. */
const PAYLOADS: Readonly<Record<FlowControl, string>> = {
  resume: '{"requests":"send"}',
  hold: '{"requests":"hold"}',
};

/**
 * The request to the other end of a channel to hold its requests, or to resume them (docs/wire-protocol.md, Flow
 * control). The requests of an end that ignores it are held too, only later.
 */
export function flowControlMessage(flow: FlowControl): ControlMessage {
  return { type: "control", control: "status", payload: PAYLOADS[flow] };
}

/** @returns the order in the message about requests; undefined for a message without one */
export function flowControlOf(message: Message): FlowControl | undefined {
  if (message.type !== "control" || message.control !== "status") return undefined;
  if (message.payload === PAYLOADS.hold) return "hold";
  return message.payload === PAYLOADS.resume ? "resume" : undefined;
}
