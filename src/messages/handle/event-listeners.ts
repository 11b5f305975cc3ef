import { messageOf, requestError, SluiceError } from "../../errors/index.js";
import { withinLimits } from "../../processes/index.js";
import type { Begun } from "./outgoing-requests.js";
import { decodePayload } from "../wire/payload.js";
import { isSubscription, SubscriptionTable } from "../topic.js";
import type { Event, EventMessage, SubscribeOptions } from "../types.js";

type EventListener = (event: Event) => void;

/** The part of the handle that the listeners use. */
interface ListenersPort {
  /** A listener threw. */
  fault(error: Error): void;
  /** An event is invalid. An event has no requester to answer. */
  warn(text: string): void;
  /** A subscription whose listener has no `onEnd` has ended. */
  deaf(error: SluiceError): void;
}

/** The requests to the broker for subscriptions. */
interface BrokerCalls {
  /**
   * @param signal aborted when nothing waits for the answer any more
   * @param ended called when the broker ends the subscription
   */
  subscribe(signal: AbortSignal, ended: (error: SluiceError) => void): Begun;
  unsubscribe(): void;
}

/** A subscription that the broker has. */
interface KnownTopic {
  readonly begun: Begun;
  /** Each listener, with the options of its subscription. */
  readonly listeners: Map<EventListener, SubscribeOptions>;
  /** Aborts the wait for the answer. */
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
   * @param options of this call; the subscription is undone when the last call that waits for it reaches its limit
   * @throws SluiceError `EINVAL` for a bad topic, `ECANCELED` and `ETIMEDOUT` at a limit, else what `subscribe` rejects with
   */
  async add(
    topic: string,
    listener: EventListener,
    options: SubscribeOptions,
    calls: BrokerCalls,
  ): Promise<void> {
    if (!isSubscription(topic)) throw requestError("EINVAL", `'${topic}' is not an event topic`);
    this.#table.add(topic, listener);
    const known = this.#known.get(topic) ?? this.#tell(topic, calls);
    known.listeners.set(listener, options);
    known.waiting++;
    try {
      await withinLimits(`subscription to ${topic}`, options, known.begun.confirmed);
    } catch (error) {
      if (this.#known.get(topic) === known) {
        this.#table.delete(topic, listener);
        known.listeners.delete(listener);
        if (known.waiting === 1 && known.listeners.size === 0) this.#giveUp(topic, known);
      }
      throw error;
    } finally {
      known.waiting--;
    }
  }

  #tell(topic: string, calls: BrokerCalls): KnownTopic {
    const giveUp = new AbortController();
    const begun = calls.subscribe(giveUp.signal, (error) => this.#ended(topic, known, error));
    // The broker may be about to subscribe.
    giveUp.signal.addEventListener("abort", () => calls.unsubscribe(), { once: true });
    // The calls that wait for the answer handle this error.
    begun.confirmed.catch(() => undefined);
    const known: KnownTopic = { begun, listeners: new Map(), giveUp, waiting: 0 };
    this.#known.set(topic, known);
    return known;
  }

  #giveUp(topic: string, { giveUp }: KnownTopic): void {
    this.#known.delete(topic);
    giveUp.abort();
  }

  /** @returns whether there was a listener */
  delete(topic: string): boolean {
    this.#table.deletePattern(topic);
    this.#known.get(topic)?.begun.forget();
    return this.#known.delete(topic);
  }

  /** Calls each `onEnd`, in which the listener may subscribe again. */
  #ended(topic: string, known: KnownTopic, cause: SluiceError): void {
    if (this.#known.get(topic) !== known) return;
    this.delete(topic);
    const text = `subscription to ${topic} has ended: ${messageOf(cause)}`;
    const error = new SluiceError("BROKER_REQUEST", text, { errnum: cause.errnum, cause });
    for (const options of known.listeners.values()) {
      if (options.onEnd === undefined) this.#port.deaf(error);
      else this.#guarded(() => options.onEnd?.(error));
    }
  }

  deliver(message: EventMessage): void {
    const listeners = this.#table.match(message.topic);
    if (listeners.size === 0) return;
    const event = this.#decode(message);
    if (event === undefined) return;
    for (const listener of listeners) this.#guarded(() => listener(event));
  }

  #guarded(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#port.fault(error instanceof Error ? error : new Error(String(error)));
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
