import { SubscriptionTable } from "../../messages/index.js";
import type { Peer } from "./peer.js";

/** Who wants which events, and what each peer has asked for. */
export class Subscriptions {
  readonly #table = new SubscriptionTable<Peer>();
  readonly #topicsOf = new Map<Peer, Set<string>>();

  /** Subscribing again to the same topic changes nothing. */
  add(topic: string, peer: Peer): void {
    this.#table.add(topic, peer);
    const topics = this.#topicsOf.get(peer);
    if (topics === undefined) this.#topicsOf.set(peer, new Set([topic]));
    else topics.add(topic);
  }

  /** @returns whether there was such a subscription */
  remove(topic: string, peer: Peer): boolean {
    const topics = this.#topicsOf.get(peer);
    if (topics?.delete(topic) !== true) return false;
    if (topics.size === 0) this.#topicsOf.delete(peer);
    this.#table.delete(topic, peer);
    return true;
  }

  removeAll(peer: Peer): void {
    for (const topic of this.#topicsOf.get(peer) ?? []) this.#table.delete(topic, peer);
    this.#topicsOf.delete(peer);
  }

  /** Number of subscriptions. */
  get size(): number {
    let size = 0;
    for (const topics of this.#topicsOf.values()) size += topics.size;
    return size;
  }

  /** Subscribers of an event, once each whatever overlaps. */
  match(topic: string): Iterable<Peer> {
    return this.#table.match(topic);
  }
}
