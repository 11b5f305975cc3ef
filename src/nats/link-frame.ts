/**
 * The control data of a link (docs/design/hosts.md §2): in the header `link` of a NATS message, its fields with a
 * blank between them.
 */
export interface LinkFrame {
  /** Identifies the sending run of a broker. */
  readonly from: string;
  /** Identifies the receiving run; `-` while it is unknown. */
  readonly to: string;
  readonly kind: LinkFrameKind;
  /**
   * For `data` and `end`, the number of bytes before it. For `ask`, the number of sent bytes, which `answer` returns.
   * Else 0.
   */
  readonly number: number;
  /** The number of received bytes without a gap. The end counts as one. */
  readonly ack: number;
  /** The total number of bytes that the other end may send. */
  readonly room: number;
}

const KINDS = [
  /** Bytes of the stream. */
  "data",
  /** The end of the stream. */
  "end",
  /** A report of the received bytes. */
  "ack",
  /** A request for the number of received bytes. */
  "ask",
  "answer",
  /** Some bytes are missing. */
  "gap",
  /** The sender has no such link. */
  "reset",
] as const;

export type LinkFrameKind = (typeof KINDS)[number];

/** A broker whose uuid is unknown. */
export const UNKNOWN = "-";

const FRAME = /^([0-9a-f]{16}) ([0-9a-f]{16}|-) ([a-z]+) (\d{1,15}) (\d{1,15}) (\d{1,15})$/;

export function formatFrame({ from, to, kind, number, ack, room }: LinkFrame): string {
  return `${from} ${to} ${kind} ${number} ${ack} ${room}`;
}

/** @returns undefined for another kind of frame */
export function parseFrame(text: string): LinkFrame | undefined {
  const [, from, to, name, number, ack, room] = FRAME.exec(text) ?? [];
  const kind = KINDS.find((known) => known === name);
  if (from === undefined || to === undefined || kind === undefined) return undefined;
  return { from, to, kind, number: Number(number), ack: Number(ack), room: Number(room) };
}
