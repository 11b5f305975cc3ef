import { requestError } from "../../errors/index.js";
import { FLAG, type RequestMessage, SubscriptionTable } from "../../messages/index.js";
import type { Peer } from "./peer.js";

/** The limits for one peer, so that no peer fills the memory of the broker. */
const MAX_SUBSCRIPTIONS = 10_000;
const MAX_TOPIC_BYTES = 4 * 1024 * 1024;

/** A streaming request that has been confirmed, and whose sender awaits its end. */
type Stream = RequestMessage;

/** The subscriptions of a peer that have ended. */
interface Ended {
  readonly peer: Peer;
  readonly streams: readonly Stream[];
  /** Whether a subscription has no stream, so that the broker cannot inform the peer of its end. */
  readonly isSilent: boolean;
}

/** The subscriptions of one peer. */
interface Asked {
  /** The subscriptions by topic, each with the request whose end is that of the subscription. */
  readonly topics: Map<string, Stream | undefined>;
  /** The approximate size: the characters of all topics. */
  bytes: number;
}

/** The events that each peer has subscribed to. */
export class Subscriptions {
  readonly #table = new SubscriptionTable<Peer>();
  readonly #topicsOf = new Map<Peer, Asked>();

  /**
   * Subscribing again to the same topic changes nothing. A new stream replaces the former.
   * @returns the former stream of this subscription
   * @throws SluiceError BROKER_REQUEST `EMFILE` for one more than a peer may have, in number or in bytes
   */
  add(topic: string, peer: Peer, request: RequestMessage): Stream | undefined {
    const stream = (request.flags & FLAG.streaming) === 0 ? undefined : request;
    const asked = this.#topicsOf.get(peer) ?? { topics: new Map<string, Stream | undefined>(), bytes: 0 };
    if (asked.topics.has(topic)) {
      if (stream === undefined) return undefined;
      const former = asked.topics.get(topic);
      asked.topics.set(topic, stream);
      return former;
    }
    const bytes = asked.bytes + topic.length;
    if (asked.topics.size >= MAX_SUBSCRIPTIONS || bytes > MAX_TOPIC_BYTES) {
      const most = `${MAX_SUBSCRIPTIONS} subscriptions, and ${MAX_TOPIC_BYTES / 1024 / 1024} MiB of topics`;
      throw requestError("EMFILE", `too many subscriptions: a client or module has at most ${most}`);
    }
    this.#table.add(topic, peer);
    asked.topics.set(topic, stream);
    this.#topicsOf.set(peer, { topics: asked.topics, bytes });
    return undefined;
  }

  /** @returns undefined without such a subscription; else its stream, if it has one */
  remove(topic: string, peer: Peer): { readonly stream: Stream | undefined } | undefined {
    const asked = this.#topicsOf.get(peer);
    if (asked?.topics.has(topic) !== true) return undefined;
    const stream = asked.topics.get(topic);
    asked.topics.delete(topic);
    asked.bytes -= topic.length;
    if (asked.topics.size === 0) this.#topicsOf.delete(peer);
    this.#table.delete(topic, peer);
    return { stream };
  }

  /** The topic of the subscription whose stream has this matchtag. */
  topicOf(matchtag: number, peer: Peer): string | undefined {
    for (const [topic, stream] of this.#topicsOf.get(peer)?.topics ?? []) {
      if (stream?.matchtag === matchtag) return topic;
    }
    return undefined;
  }

  removeAll(peer: Peer): void {
    for (const topic of this.#topicsOf.get(peer)?.topics.keys() ?? []) this.#table.delete(topic, peer);
    this.#topicsOf.delete(peer);
  }

  /** Removes the subscriptions of all peers. */
  takeAll(): Ended[] {
    return [...this.#topicsOf].map(([peer, { topics }]) => {
      this.removeAll(peer);
      const streams = [...topics.values()].filter((stream) => stream !== undefined);
      return { peer, streams, isSilent: streams.length < topics.size };
    });
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
