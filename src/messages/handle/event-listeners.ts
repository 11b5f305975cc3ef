import { messageOf, requestError } from "../../errors/index.js";
import { type Limits, withinLimits } from "../../processes/index.js";
import { decodePayload } from "../wire/payload.js";
import { isSubscription, SubscriptionTable } from "../topic.js";
import type { Event, EventMessage } from "../types.js";

type EventListener = (event: Event) => void;

/** The part of the handle that the listeners use. */
interface ListenersPort {
  /** A listener threw. */
  fault(error: Error): void;
  /** An event is invalid; an event has no requester to answer. */
  warn(text: string): void;
}

/** The requests to the broker for subscriptions. */
interface BrokerCalls {
  /** @param signal aborted when no call waits for the answer any more */
  subscribe(signal: AbortSignal): Promise<unknown>;
  unsubscribe(): void;
}

/** A subscription that the broker has. */
interface KnownTopic {
  readonly answer: Promise<unknown>;
  /** Ends the wait for the answer. */
  readonly giveUp: AbortController;
  /** Calls that wait for the answer. */
  waiting: number;
}

/** The event listeners of a handle. The broker gets one subscription for each topic, for any number of listeners. */
export class EventListeners {
  readonly #table = new SubscriptionTable<EventListener>();
  readonly #known = new Map<string, KnownTopic>();
  readonly #port: ListenersPort;

  constructor(port: ListenersPort) {
    this.#port = port;
  }

  /**
   * @param limits of this call; the subscription is undone when the last call that waits for it reaches its limit
   * @throws SluiceError `EINVAL` for a bad topic, `ECANCELED` and `ETIMEDOUT` at a limit, else the error of
   *   `subscribe`
   */
  async add(topic: string, listener: EventListener, limits: Limits, calls: BrokerCalls): Promise<void> {
    if (!isSubscription(topic)) throw requestError("EINVAL", `'${topic}' is not an event topic`);
    this.#table.add(topic, listener);
    const known = this.#known.get(topic) ?? this.#tell(topic, calls);
    known.waiting++;
    try {
      await withinLimits(`subscription to ${topic}`, limits, known.answer);
    } catch (error) {
      this.#table.delete(topic, listener);
      if (known.waiting === 1 && this.#known.get(topic) === known) {
        this.#known.delete(topic);
        known.giveUp.abort();
      }
      throw error;
    } finally {
      known.waiting--;
    }
  }

  #tell(topic: string, calls: BrokerCalls): KnownTopic {
    const giveUp = new AbortController();
    const answer = calls.subscribe(giveUp.signal);
    // The broker may be about to subscribe.
    giveUp.signal.addEventListener("abort", () => calls.unsubscribe(), { once: true });
    // Only the callers that wait need its result.
    answer.catch(() => undefined);
    const known = { answer, giveUp, waiting: 0 };
    this.#known.set(topic, known);
    return known;
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
