import { Fifo } from "../fifo.js";
import { payloadBytes } from "../wire/payload.js";
import type { Message, RequestMessage } from "../types.js";

/** How a channel hears of what its inbox does. */
interface InboxOptions {
  /** Called for each message when its listener has it. */
  readonly onTaken?: (message: Message) => void;
}

/**
 * The receiving half of every channel: keeps what came before there was a listener, holds requests back on demand, and
 * tells the end of the channel once, after everything that came before it.
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
  #end: { readonly cause: Error | undefined; told: boolean } | undefined;

  constructor(options: InboxOptions = {}) {
    this.#onTaken = options.onTaken;
  }

  /** Number of requests held back. */
  get heldMessages(): number {
    return this.#held.size;
  }

  /** Number of messages that no listener has been given: those that came before there was one, and those held back. */
  get unread(): number {
    return this.#early.size + this.#held.size;
  }

  /** Payload of the requests held back. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Whether `end` or `abandon` was called. */
  get ended(): boolean {
    return this.#end !== undefined;
  }

  receive(message: Message): void {
    if (this.#end !== undefined) return;
    // Behind what came before the listener, as long as that has not been delivered.
    if (this.#listener === undefined || this.#early.size > 0) this.#early.push(message);
    else this.#route(message, this.#listener);
  }

  onMessage(listener: (message: Message) => void): void {
    this.#listener = listener;
    // Not before the caller has finished setting itself up.
    queueMicrotask(() => this.#deliverEarly());
  }

  onClose(listener: (cause: Error | undefined) => void): void {
    this.#closeListeners.push(listener);
    if (this.#end?.told === true) {
      const { cause } = this.#end;
      queueMicrotask(() => listener(cause));
    }
  }

  hold(on: boolean): void {
    // Nothing holds up the end: somebody may wait for what the other end will never answer now.
    this.#holding = on && this.#end === undefined;
    if (!this.#holding) this.#deliverHeld();
  }

  /** @returns what goes on with the requests that wait for `admit` to say yes */
  pace(admit: (request: RequestMessage) => boolean): () => void {
    this.#admit = admit;
    return () => this.#deliverHeld();
  }

  /** The other end has gone; told after what it had sent, held or not. */
  end(cause: Error | undefined): void {
    this.#end ??= { cause, told: false };
    this.hold(false);
  }

  /** This end was closed: told now, and what nobody has taken is dropped. */
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
    this.#tellEnd();
  }

  #route(message: Message, listener: (message: Message) => void): void {
    // While held ones are being delivered a new one may come in; it must stay behind them.
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
      // Nothing holds up the end.
      if (message === undefined || (this.#end === undefined && !this.#admit(message))) break;
      this.#held.shift();
      this.#heldBytes -= payloadBytes(message.payload);
      this.#deliver(message, this.#listener);
    }
    this.#tellEnd();
  }

  #deliver(message: Message, listener: (message: Message) => void): void {
    this.#onTaken?.(message);
    listener(message);
  }

  #tellEnd(): void {
    if (this.#end === undefined || this.#end.told || this.#early.size > 0 || this.#held.size > 0) return;
    this.#end.told = true;
    for (const listener of this.#closeListeners) listener(this.#end.cause);
  }
}

/** Reports of a module's own state pass, so that a module that floods can still be removed in order. */
export function isHoldable(message: Message): boolean {
  return message.type === "request" && message.topic !== "module.status";
}
