import type { MessagePort } from "node:worker_threads";
import { Fifo } from "../fifo.js";
import { BaseChannel } from "./base-channel.js";
import { Inbox, isHoldable } from "./inbox.js";
import { payloadBytes } from "../wire/payload.js";
import { packMessage, type PortItem, unpackMessages } from "../wire/port-form.js";
import { Tally, type TallyCounts } from "./tally.js";
import type { Backlog, Channel, FlowControl, Message } from "../types.js";

/**
 * The sender holds requests beyond this until the other end has taken some (docs/design/modules.md §2, back
 * pressure).
 */
const LIMITS: Backlog = { messages: 10_000, bytes: 64 * 1024 * 1024 };

/**
 * The limits for reports of taken messages. A report goes with the next message, or without one at this amount, and
 * at the latest after this time.
 */
const REPORT_MESSAGES = 64;
const REPORT_BYTES = 1024 * 1024;
const REPORT_MS = 20;

/**
 * The number of messages that it delivers in one turn of the loop. The messages gathered before must not keep a host
 * from its timers.
 */
const TURN_MESSAGES = 64;

/** The channel moves copies of at least this size to the other thread. For smaller ones, a second copy is cheaper. */
const TRANSFER_BYTES = 16 * 1024;

/**
 * The data of one `postMessage`. First come the numbers of messages and bytes that the sender has taken since its
 * last parcel, and the same for requests alone. Then come any number of messages in the form of {@link packMessage}.
 */
type Parcel = readonly [
  messages: number,
  bytes: number,
  requests: number,
  requestBytes: number,
  ...messages: PortItem[],
];

const PARCEL_HEAD = 4;

/**
 * A channel over a `MessagePort`, between threads. Messages that are sent within one turn of the loop travel
 * together. This function must make both ends: each reports the messages that it has taken, from which the
 * other end computes its backlog.
 * @param port not used elsewhere
 * @param limits how much may be under way before requests are held here
 */
export function portChannel(port: MessagePort, limits: Backlog = LIMITS): Channel {
  return new PortChannel(port, limits);
}

class PortChannel extends BaseChannel implements Channel {
  readonly #port: MessagePort;
  readonly #limits: Backlog;
  readonly #receive = (message: Message): void => {
    this.#turnLeft--;
    this.inbox.receive(message);
  };
  /** Parcels that have arrived and are not completely delivered. */
  readonly #parcels = new Fifo<Parcel>();
  /** Index of the next message in the first parcel. */
  #nextItem = PARCEL_HEAD;
  /** Messages that may still be delivered in this turn. */
  #turnLeft = TURN_MESSAGES;
  #isTurnOpen = false;
  #outgoing: PortItem[] = emptyParcel();
  #transfer: ArrayBuffer[] = [];
  /** Requests beyond the limits. */
  readonly #held = new Fifo<Message>();
  #heldBytes = 0;
  /** Messages that the listener has taken, and that this end has not reported yet. */
  readonly #taken = new Tally();
  #flushScheduled = false;
  #reportTimer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(port: MessagePort, limits: Backlog) {
    super(new Inbox({ onTaken: (message) => this.#took(message) }));
    this.#limits = limits;
    this.#port = port;
    port.on("message", (parcel: Parcel) => this.#open(parcel));
    port.on("messageerror", (error) => this.#fail(error));
    port.on("close", () => this.#gone());
  }

  send(message: Message): void {
    if (this.#closed) return;
    const own = this.#withOwnPayload(message);
    const hadRoom = this.#hasRoom();
    this.untaken.add(payloadBytes(own.payload), message.type === "request");
    if (isHoldable(own) && (this.#held.size > 0 || !hadRoom)) {
      this.#held.push(own);
      this.#heldBytes += payloadBytes(own.payload);
    } else {
      this.#post(own);
    }
  }

  flush(): void {
    if (!this.#closed) this.#flush();
  }

  setFlow(flow: FlowControl): void {
    this.inbox.setFlow(flow);
  }

  abort(): void {
    this.#held.clear();
    this.close();
  }

  close(): void {
    if (this.#closed) return;
    this.#postHeld(() => true);
    this.#flush();
    this.#shut();
    this.#port.close();
    queueMicrotask(() => this.inbox.abandon());
  }

  ref(): void {
    this.#port.ref();
  }

  unref(): void {
    this.#port.unref();
  }

  protected heldRequests(): number {
    return this.#held.size;
  }

  #hasRoom(): boolean {
    return (
      this.underWay() < this.#limits.messages && this.untaken.bytes - this.#heldBytes < this.#limits.bytes
    );
  }

  /** The caller may change its bytes as soon as `send` returns. The bytes are often part of a larger buffer. */
  #withOwnPayload(message: Message): Message {
    return message.payload instanceof Uint8Array
      ? { ...message, payload: new Uint8Array(message.payload) }
      : message;
  }

  #postHeld(mayPost: () => boolean): void {
    while (mayPost()) {
      const next = this.#held.shift();
      if (next === undefined) return;
      this.#heldBytes -= payloadBytes(next.payload);
      this.#post(next);
    }
  }

  #post(message: Message): void {
    packMessage(message, this.#outgoing);
    const { payload } = message;
    if (payload instanceof Uint8Array && payload.byteLength >= TRANSFER_BYTES) {
      if (payload.buffer instanceof ArrayBuffer) this.#transfer.push(payload.buffer);
    }
    this.#scheduleFlush();
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    process.nextTick(() => {
      this.#flushScheduled = false;
      if (!this.#closed) this.#flush();
    });
  }

  #flush(): void {
    const parcel = this.#outgoing;
    const taken = this.#taken;
    if (parcel.length === PARCEL_HEAD && taken.messages === 0) return;
    parcel[0] = taken.messages;
    parcel[1] = taken.bytes;
    parcel[2] = taken.requests;
    parcel[3] = taken.requestBytes;
    taken.reset();
    const transfer = this.#transfer;
    this.#outgoing = emptyParcel();
    this.#transfer = [];
    this.#port.postMessage(parcel, transfer);
  }

  #open(parcel: Parcel): void {
    const [messages, bytes, requests, requestBytes] = parcel;
    if (messages > 0) this.#refill({ messages, bytes, requests, requestBytes });
    if (parcel.length === PARCEL_HEAD) return;
    this.#parcels.push(parcel);
    this.#deliverSome();
  }

  #deliverSome(): void {
    this.#deliver();
    if (this.#isTurnOpen) return;
    this.#isTurnOpen = true;
    setImmediate(() => {
      this.#isTurnOpen = false;
      this.#turnLeft = TURN_MESSAGES;
      if (this.#parcels.size > 0) this.#deliverSome();
    });
  }

  #deliver(): void {
    for (;;) {
      const parcel = this.#parcels.peek();
      if (parcel === undefined || this.#turnLeft <= 0) return;
      this.#nextItem = unpackMessages(parcel, this.#nextItem, this.#receive, this.#turnLeft);
      // If the channel was closed meanwhile, the queue no longer has the parcel.
      if (this.#nextItem < parcel.length || this.#parcels.peek() !== parcel) continue;
      this.#parcels.shift();
      this.#nextItem = PARCEL_HEAD;
    }
  }

  /** All messages from before the end are delivered before it. */
  #deliverRest(): void {
    this.#turnLeft = Infinity;
    this.#deliver();
  }

  #refill(taken: TallyCounts): void {
    this.untaken.subtract(taken);
    this.#postHeld(() => this.#hasRoom());
    this.drained();
  }

  #took(message: Message): void {
    const taken = this.#taken;
    taken.add(payloadBytes(message.payload), message.type === "request");
    if (taken.messages >= REPORT_MESSAGES || taken.bytes >= REPORT_BYTES) this.#scheduleFlush();
    else this.#reportTimer ??= this.#reportSoon();
  }

  /** Usually the next message takes the report along before the timer fires. */
  #reportSoon(): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.#reportTimer = undefined;
      if (!this.#closed) this.#flush();
    }, REPORT_MS);
    return timer.unref();
  }

  #fail(error: Error): void {
    if (this.#closed) return;
    this.#deliverRest();
    this.#shut();
    this.inbox.end(error);
    this.#port.close();
  }

  #gone(): void {
    if (this.#closed) return;
    this.#deliverRest();
    this.#shut();
    this.inbox.end(undefined);
  }

  #shut(): void {
    this.#closed = true;
    this.#parcels.clear();
    clearTimeout(this.#reportTimer);
  }
}

/** A parcel with room for the counts of taken messages. */
function emptyParcel(): PortItem[] {
  return [0, 0, 0, 0];
}
