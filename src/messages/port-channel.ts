import type { MessagePort } from "node:worker_threads";
import { Fifo } from "./fifo.js";
import { Inbox, isHoldable } from "./inbox.js";
import { payloadBytes } from "./payload.js";
import { packMessage, type PortItem, unpackMessages } from "./port-form.js";
import type { Backlog, Channel, Message } from "./types.js";

/** Requests beyond this wait at the sender until the other end has taken some (modules.md §2, back pressure). */
const CREDIT_MESSAGES = 10_000;
const CREDIT_BYTES = 64 * 1024 * 1024;

/** What has been taken is reported with the next message, at this much even without one, and at the latest after this. */
const REPORT_MESSAGES = 64;
const REPORT_BYTES = 1024 * 1024;
const REPORT_MS = 20;

/** Copies at least this large are moved to the other thread; below, copying once more is cheaper. */
const TRANSFER_BYTES = 16 * 1024;

/**
 * What one `postMessage` carries: how many messages, and bytes of payload, the sender of it has taken since its last,
 * then any number of messages as {@link packMessage} writes them.
 */
type Parcel = readonly [takenMessages: number, takenBytes: number, ...messages: PortItem[]];

const PARCEL_HEAD = 2;

/**
 * A channel over a `MessagePort`, between threads. What is sent within one turn of the loop travels together. Both ends
 * must be made by this function: each tells the other what it has taken, which is what the backlog is counted from.
 * @param port in nobody else's use
 */
export function portChannel(port: MessagePort): Channel {
  return new PortChannel(port);
}

class PortChannel implements Channel {
  readonly #port: MessagePort;
  readonly #inbox = new Inbox({ onTaken: (message) => this.#took(message) });
  readonly #drainListeners: (() => void)[] = [];
  readonly #receive = (message: Message): void => this.#inbox.receive(message);
  #outgoing: PortItem[] = emptyParcel();
  #transfer: ArrayBuffer[] = [];
  /** Requests for which there is no credit. */
  readonly #waiting = new Fifo<Message>();
  #waitingBytes = 0;
  /** Posted, and not reported as taken by the other end. */
  #postedMessages = 0;
  #postedBytes = 0;
  #takenMessages = 0;
  #takenBytes = 0;
  #flushScheduled = false;
  #reportTimer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(port: MessagePort) {
    this.#port = port;
    port.on("message", (parcel: Parcel) => this.#open(parcel));
    port.on("messageerror", (error) => this.#fail(error));
    port.on("close", () => this.#gone());
  }

  send(message: Message): void {
    if (this.#closed) return;
    const own = this.#withOwnPayload(message);
    if (isHoldable(own) && (this.#waiting.size > 0 || !this.#hasCredit())) {
      this.#waiting.push(own);
      this.#waitingBytes += payloadBytes(own.payload);
    } else {
      this.#post(own);
    }
  }

  flush(): void {
    if (!this.#closed) this.#flush();
  }

  onMessage(listener: (message: Message) => void): void {
    this.#inbox.onMessage(listener);
  }

  onClose(listener: (cause: Error | undefined) => void): void {
    this.#inbox.onClose(listener);
  }

  onDrain(listener: () => void): void {
    this.#drainListeners.push(listener);
  }

  backlog(): Backlog {
    return {
      messages: this.#postedMessages + this.#waiting.size,
      bytes: this.#postedBytes + this.#waitingBytes,
    };
  }

  holdRequests(on: boolean): void {
    this.#inbox.hold(on);
  }

  close(): void {
    if (this.#closed) return;
    this.#postWaiting(() => true);
    this.#flush();
    this.#shut();
    this.#port.close();
    queueMicrotask(() => this.#inbox.abandon());
  }

  ref(): void {
    this.#port.ref();
  }

  unref(): void {
    this.#port.unref();
  }

  #hasCredit(): boolean {
    return this.#postedMessages < CREDIT_MESSAGES && this.#postedBytes < CREDIT_BYTES;
  }

  /** The caller may change its bytes as soon as `send` returns, and they are often part of a larger buffer. */
  #withOwnPayload(message: Message): Message {
    return message.payload instanceof Uint8Array
      ? { ...message, payload: new Uint8Array(message.payload) }
      : message;
  }

  #postWaiting(mayPost: () => boolean): void {
    while (mayPost()) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#waitingBytes -= payloadBytes(next.payload);
      this.#post(next);
    }
  }

  #post(message: Message): void {
    packMessage(message, this.#outgoing);
    const { payload } = message;
    this.#postedMessages++;
    this.#postedBytes += payloadBytes(payload);
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
    if (parcel.length === PARCEL_HEAD && this.#takenMessages === 0) return;
    parcel[0] = this.#takenMessages;
    parcel[1] = this.#takenBytes;
    const transfer = this.#transfer;
    this.#takenMessages = 0;
    this.#takenBytes = 0;
    this.#outgoing = emptyParcel();
    this.#transfer = [];
    this.#port.postMessage(parcel, transfer);
  }

  #open(parcel: Parcel): void {
    const [messages, bytes] = parcel;
    if (messages > 0) this.#refill(messages, bytes);
    unpackMessages(parcel, PARCEL_HEAD, this.#receive);
  }

  #refill(messages: number, bytes: number): void {
    this.#postedMessages -= messages;
    this.#postedBytes -= bytes;
    this.#postWaiting(() => this.#hasCredit());
    for (const listener of this.#drainListeners) listener();
  }

  #took(message: Message): void {
    this.#takenMessages++;
    this.#takenBytes += payloadBytes(message.payload);
    if (this.#takenMessages >= REPORT_MESSAGES || this.#takenBytes >= REPORT_BYTES) this.#scheduleFlush();
    else this.#reportTimer ??= this.#reportSoon();
  }

  /** Usually a message of ours takes the report along before the timer fires. */
  #reportSoon(): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.#reportTimer = undefined;
      if (!this.#closed) this.#flush();
    }, REPORT_MS);
    return timer.unref();
  }

  #fail(error: Error): void {
    if (this.#closed) return;
    this.#shut();
    this.#inbox.end(error);
    this.#port.close();
  }

  #gone(): void {
    if (this.#closed) return;
    this.#shut();
    this.#inbox.end(undefined);
  }

  #shut(): void {
    this.#closed = true;
    clearTimeout(this.#reportTimer);
  }
}

/** With room for what has been taken. */
function emptyParcel(): PortItem[] {
  return [0, 0];
}
