import { Fifo } from "../fifo.js";
import { payloadBytes } from "../wire/payload.js";
import type { FlowControl, Message, RequestMessage } from "../types.js";

/** Callbacks of an inbox. */
interface InboxOptions {
  /** Called for each message that the listener has received. */
  readonly onTaken?: (message: Message) => void;
}

/**
 * The receiving half of every channel. It keeps messages that arrive before the first listener, and holds requests on
 * demand. It reports the end of the channel once, after all earlier messages.
 */
export class Inbox {
  readonly #onTaken: ((message: Message) => void) | undefined;
  #listener: ((message: Message) => void) | undefined;
  readonly #closeListeners: ((cause: Error | undefined) => void)[] = [];
  readonly #early = new Fifo<Message>();
  readonly #held = new Fifo<RequestMessage>();
  #heldBytes = 0;
  #holding = false;
  #admit: (request: RequestMessage) => boolean = () => true;
  #end: { readonly cause: Error | undefined; isReported: boolean } | undefined;

  constructor(options: InboxOptions = {}) {
    this.#onTaken = options.onTaken;
  }

  /** Number of requests that are held. */
  get heldMessages(): number {
    return this.#held.size;
  }

  /**
   * Number of messages that no listener has received: those that came before the first listener, and held requests.
   */
  get unread(): number {
    return this.#early.size + this.#held.size;
  }

  /** Bytes of payload of the requests that are held. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Whether `end` or `abandon` was called. */
  get ended(): boolean {
    return this.#end !== undefined;
  }

  receive(message: Message): void {
    if (this.#end !== undefined) return;
    // A message waits behind those that came before the listener, until the listener has received them.
    if (this.#listener === undefined || this.#early.size > 0) this.#early.push(message);
    else this.#route(message, this.#listener);
  }

  onMessage(listener: (message: Message) => void): void {
    this.#listener = listener;
    // This delivers later, so that the caller can first finish its own set-up.
    queueMicrotask(() => this.#deliverEarly());
  }

  onClose(listener: (cause: Error | undefined) => void): void {
    this.#closeListeners.push(listener);
    if (this.#end?.isReported === true) {
      const { cause } = this.#end;
      queueMicrotask(() => listener(cause));
    }
  }

  setFlow(flow: FlowControl): void {
    // Nothing delays the end, because requests to the other end may be pending, and must fail now.
    this.#holding = flow === "hold" && this.#end === undefined;
    if (!this.#holding) this.#deliverHeld();
  }

  /** @returns a function that calls `admit` again for the waiting requests */
  admit(admit: (request: RequestMessage) => boolean): () => void {
    this.#admit = admit;
    return () => this.#deliverHeld();
  }

  /** The other end has closed; reported after all its messages, held or not. */
  end(cause: Error | undefined): void {
    this.#end ??= { cause, isReported: false };
    this.setFlow("resume");
  }

  /** This end was closed. The inbox reports that now, and drops the messages that were not delivered. */
  abandon(): void {
    this.#early.clear();
    this.#held.clear();
    this.#heldBytes = 0;
    this.end(undefined);
  }

  #deliverEarly(): void {
    while (this.#listener !== undefined) {
      const message = this.#early.shift();
      if (message === undefined) break;
      this.#route(message, this.#listener);
    }
    this.#reportEnd();
  }

  #route(message: Message, listener: (message: Message) => void): void {
    // While held requests are being delivered a new one may arrive. It must stay behind them.
    if (message.type === "request" && isHoldable(message) && this.#mustWait(message)) {
      this.#held.push(message);
      this.#heldBytes += payloadBytes(message.payload);
    } else {
      this.#deliver(message, listener);
    }
  }

  #mustWait(request: RequestMessage): boolean {
    return this.#holding || this.#held.size > 0 || !this.#admit(request);
  }

  #deliverHeld(): void {
    while (!this.#holding && this.#listener !== undefined) {
      const message = this.#held.peek();
      // No hold may delay the end.
      if (message === undefined || (this.#end === undefined && !this.#admit(message))) break;
      this.#held.shift();
      this.#heldBytes -= payloadBytes(message.payload);
      this.#deliver(message, this.#listener);
    }
    this.#reportEnd();
  }

  #deliver(message: Message, listener: (message: Message) => void): void {
    this.#onTaken?.(message);
    listener(message);
  }

  #reportEnd(): void {
    if (this.#end === undefined || this.#end.isReported || this.#early.size > 0 || this.#held.size > 0)
      return;
    this.#end.isReported = true;
    for (const listener of this.#closeListeners) listener(this.#end.cause);
  }
}

/** Reports of a module's own state pass, so that a flooding module can still be removed in order. */
export function isHoldable(message: Message): boolean {
  return message.type === "request" && message.topic !== "module.status";
}
