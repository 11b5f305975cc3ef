import { followEvents, type Handle } from "../../messages/index.js";

interface Topic {
  readonly listeners: Set<() => void>;
  /** Settles when the broker has answered. */
  readonly subscribed: Promise<void>;
}

/** Lets several entries listen to one topic, with one subscription. */
export class EventListeners {
  readonly #h: Handle;
  readonly #topics = new Map<string, Topic>();

  constructor(h: Handle) {
    this.#h = h;
  }

  /** Resolves, when the broker has the subscription, to a function that ends it. */
  async on(name: string, listener: () => void): Promise<() => Promise<void>> {
    const topic = this.#topics.get(name) ?? this.#subscribe(name);
    topic.listeners.add(listener);
    const off = async (): Promise<void> => {
      topic.listeners.delete(listener);
      if (topic.listeners.size > 0) return;
      this.#topics.delete(name);
      await this.#h.unsubscribe(name);
    };
    try {
      await topic.subscribed;
    } catch (error) {
      this.#topics.delete(name);
      throw error;
    }
    return off;
  }

  #subscribe(name: string): Topic {
    const listeners = new Set<() => void>();
    const subscribed = followEvents(this.#h, name, () => {
      for (const call of listeners) call();
    });
    const topic = { listeners, subscribed };
    this.#topics.set(name, topic);
    return topic;
  }
}
