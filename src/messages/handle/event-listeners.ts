import { messageOf, requestError } from "../../errors/index.js";
import { decodePayload } from "../wire/payload.js";
import { isSubscription, SubscriptionTable } from "../topic.js";
import type { Event, EventMessage } from "../types.js";

type EventListener = (event: Event) => void;

/** What the listeners need of their handle. */
interface ListenersPort {
  /** A listener threw. */
  fault(error: Error): void;
  /** An event is invalid, and there is no requester to answer. */
  warn(text: string): void;
}

/** The event listeners of a handle. The broker gets one subscription a topic, however many listeners it has. */
export class EventListeners {
  readonly #table = new SubscriptionTable<EventListener>();
  /** Per topic, resolves when the broker knows. */
  readonly #known = new Map<string, Promise<unknown>>();
  readonly #port: ListenersPort;

  constructor(port: ListenersPort) {
    this.#port = port;
  }

  /**
   * @param subscribe tells the broker
   * @throws SluiceError `EINVAL` for a bad topic, else what `subscribe` rejects with
   */
  async add(topic: string, listener: EventListener, subscribe: () => Promise<unknown>): Promise<void> {
    if (!isSubscription(topic)) throw requestError("EINVAL", `'${topic}' is not an event topic`);
    this.#table.add(topic, listener);
    let known = this.#known.get(topic);
    if (known === undefined) {
      known = subscribe();
      this.#known.set(topic, known);
    }
    try {
      await known;
    } catch (error) {
      this.#table.delete(topic, listener);
      if (this.#known.get(topic) === known) this.#known.delete(topic);
      throw error;
    }
  }

  /** @returns whether there was a listener */
  delete(topic: string): boolean {
    this.#table.deletePattern(topic);
    return this.#known.delete(topic);
  }

  deliver(message: EventMessage): void {
    const listeners = this.#table.match(message.topic);
    if (listeners.size === 0) return;
    const event = this.#decode(message);
    if (event === undefined) return;
    for (const listener of listeners) {
      try {
        listener(event);
      } catch (error) {
        this.#port.fault(error instanceof Error ? error : new Error(String(error)));
      }
    }
  }

  /** A publisher's mistake must not fail its subscribers. */
  #decode(message: EventMessage): Event | undefined {
    const { topic, seq } = message;
    try {
      return { topic, payload: decodePayload(message.payload), seq };
    } catch (error) {
      this.#port.warn(`event ${topic} dropped: ${messageOf(error)}`);
      return undefined;
    }
  }
}
