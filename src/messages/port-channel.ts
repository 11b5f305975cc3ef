import type { MessagePort } from "node:worker_threads";
import { Fifo } from "./fifo.js";
import { Inbox, isHoldable } from "./inbox.js";
import { payloadBytes } from "./payload.js";
import type { Backlog, Channel, Message } from "./types.js";

/** Requests beyond this wait at the sender until the other end has taken some (modules.md §2, back pressure). */
const CREDIT_MESSAGES = 10_000;
const CREDIT_BYTES = 64 * 1024 * 1024;

/** Copies at least this large are moved to the other thread; below, copying once more is cheaper. */
const TRANSFER_BYTES = 16 * 1024;

/**
 * What one `postMessage` carries: how many messages, and bytes of payload, the sender of it has taken since its last,
 * then any number of messages.
 */
type Parcel = readonly [takenMessages: number, takenBytes: number, ...messages: Message[]];

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
  #outgoing: Message[] = [];
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
  #reportScheduled = false;
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
    this.#closed = true;
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
    this.#outgoing.push(message);
    const { payload } = message;
    this.#postedMessages++;
    this.#postedBytes += payloadBytes(payload);
    if (payload instanceof Uint8Array && payload.byteLength >= TRANSFER_BYTES) {
      if (payload.buffer instanceof ArrayBuffer) this.#transfer.push(payload.buffer);
    }
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    process.nextTick(() => {
      this.#flushScheduled = false;
      if (!this.#closed) this.#flush();
    });
  }

  #flush(): void {
    if (this.#outgoing.length === 0 && this.#takenMessages === 0) return;
    const parcel: Parcel = [this.#takenMessages, this.#takenBytes, ...this.#outgoing];
    const transfer = this.#transfer;
    this.#takenMessages = 0;
    this.#takenBytes = 0;
    this.#outgoing = [];
    this.#transfer = [];
    this.#port.postMessage(parcel, transfer);
  }

  #open(parcel: Parcel): void {
    const [messages, bytes] = parcel;
    if (messages > 0) this.#refill(messages, bytes);
    for (let i = 2; i < parcel.length; i++) this.#inbox.receive(parcel[i] as Message);
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
    if (this.#reportScheduled) return;
    this.#reportScheduled = true;
    // Usually a message of ours takes the report along before this runs.
    setImmediate(() => {
      this.#reportScheduled = false;
      if (!this.#closed) this.#flush();
    });
  }

  #fail(error: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#inbox.end(error);
    this.#port.close();
  }

  #gone(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#inbox.end(undefined);
  }
}
