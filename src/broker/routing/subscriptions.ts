import { requestError } from "../../errors/index.js";
import { SubscriptionTable } from "../../messages/index.js";
import type { Peer } from "./peer.js";

/** The limits for one peer, so that no peer fills the memory of the broker. */
const MAX_SUBSCRIPTIONS = 10_000;
const MAX_TOPIC_BYTES = 4 * 1024 * 1024;

/** The subscriptions of one peer. */
interface Asked {
  readonly topics: Set<string>;
  /** Approximately: the characters of all topics. */
  bytes: number;
}

/** The events that each peer has subscribed to. */
export class Subscriptions {
  readonly #table = new SubscriptionTable<Peer>();
  readonly #topicsOf = new Map<Peer, Asked>();

  /**
   * Subscribing again to the same topic changes nothing.
   * @throws SluiceError BROKER_REQUEST `EMFILE` for one more than a peer may have, in number or in bytes
   */
  add(topic: string, peer: Peer): void {
    const asked = this.#topicsOf.get(peer) ?? { topics: new Set(), bytes: 0 };
    if (asked.topics.has(topic)) return;
    const bytes = asked.bytes + topic.length;
    if (asked.topics.size >= MAX_SUBSCRIPTIONS || bytes > MAX_TOPIC_BYTES) {
      const most = `${MAX_SUBSCRIPTIONS} subscriptions, and ${MAX_TOPIC_BYTES / 1024 / 1024} MiB of topics`;
      throw requestError("EMFILE", `too many subscriptions: a client or module has at most ${most}`);
    }
    this.#table.add(topic, peer);
    asked.topics.add(topic);
    this.#topicsOf.set(peer, { topics: asked.topics, bytes });
  }

  /** @returns whether there was such a subscription */
  remove(topic: string, peer: Peer): boolean {
    const asked = this.#topicsOf.get(peer);
    if (asked?.topics.delete(topic) !== true) return false;
    asked.bytes -= topic.length;
    if (asked.topics.size === 0) this.#topicsOf.delete(peer);
    this.#table.delete(topic, peer);
    return true;
  }

  removeAll(peer: Peer): void {
    for (const topic of this.#topicsOf.get(peer)?.topics ?? []) this.#table.delete(topic, peer);
    this.#topicsOf.delete(peer);
  }

  /** Number of subscriptions. */
  get size(): number {
    let size = 0;
    for (const { topics } of this.#topicsOf.values()) size += topics.size;
    return size;
  }

  /** Subscribers of an event, once each even where subscriptions overlap. */
  match(topic: string): Iterable<Peer> {
    return this.#table.match(topic);
  }
}
