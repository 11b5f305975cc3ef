import { type EventMessage, Fifo } from "../../../messages/index.js";
import type { PublishOutcome, UnsequencedEvent } from "../../routing/overlay.js";
import { eventFrame } from "../overlay-wire.js";

/** An event or message that waits until earlier events have their place in the order. */
type Waiting =
  | {
      readonly kind: "event";
      readonly event: EventMessage;
      readonly done: (outcome: PublishOutcome) => void;
      /** It was sent, by this connection or an earlier one. */
      isSent: boolean;
    }
  | { readonly kind: "message"; readonly send: () => void };

/**
 * The events that a rank has published and whose number it has not received from rank 0. They come back in the order
 * in which they were sent. When another connection replaces the present one, this rank sends them again.
 */
export class OwnEvents {
  readonly #send: (event: EventMessage) => void;
  readonly #waiting = new Fifo<Waiting>();
  #isSending = true;

  /** @param send sends an event to rank 0 */
  constructor(send: (event: EventMessage) => void) {
    this.#send = send;
  }

  /** Whether no event or message waits that must come first. */
  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  /** @throws SluiceError `EMSGSIZE` if the event cannot be sent */
  publish(unsequenced: UnsequencedEvent, done: (outcome: PublishOutcome) => void): void {
    const event: EventMessage = { ...unsequenced, type: "event", seq: 0 };
    if (this.#isSending) this.#send(event);
    // This refuses an oversized event now, rather than at the time when it would be sent.
    else eventFrame(event);
    this.#waiting.push({ kind: "event", event, done, isSent: this.#isSending });
  }

  /** Sends a message once the earlier events have their numbers. */
  follow(send: () => void): void {
    this.#waiting.push({ kind: "message", send });
  }

  /** The oldest event has come back with its number. */
  ordered(seq: number): void {
    this.#settle({ ok: true, seq });
  }

  /**
   * Some events have a number, but do not come back.
   * @param numbers those of the events that were sent by this connection
   * @param error for the events that were sent by an earlier one: any of them may have a number
   */
  missed(numbers: readonly number[], error: Error): void {
    while (!this.#isSending && this.#hasSent) this.#settle({ ok: false, error });
    for (const seq of numbers) this.ordered(seq);
  }

  get #hasSent(): boolean {
    const next = this.#waiting.peek();
    return next?.kind === "event" && next.isSent;
  }

  #settle(outcome: PublishOutcome): void {
    const own = this.#waiting.shift();
    if (own?.kind === "event") own.done(outcome);
    for (let next = this.#waiting.peek(); next?.kind === "message"; next = this.#waiting.peek()) {
      this.#waiting.shift();
      next.send();
    }
  }

  /** Sends nothing until {@link resend}. */
  pause(): void {
    this.#isSending = false;
  }

  /** Drops messages that wait for events. */
  dropMessages(): void {
    const all = [...this.#waiting];
    this.#waiting.clear();
    for (const item of all) if (item.kind === "event") this.#waiting.push(item);
  }

  /** All earlier numbered events have come back: the remaining ones were lost on their way. */
  resend(): void {
    if (this.#isSending) return;
    this.#isSending = true;
    for (const item of this.#waiting) {
      if (item.kind !== "event") continue;
      item.isSent = true;
      this.#send(item.event);
    }
  }

  fail(error: Error): void {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (next.kind === "event") next.done({ ok: false, error });
    }
  }
}
