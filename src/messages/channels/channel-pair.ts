import { Fifo } from "../fifo.js";
import { Inbox } from "./inbox.js";
import { payloadBytes } from "../wire/payload.js";
import { Tally } from "./tally.js";
import type { Backlog, Channel, FlowControl, Message, RequestMessage } from "../types.js";

/**
 * Two ends of a channel within one thread: each end receives the messages of the other, in order, in a later turn of
 * the loop. It does not keep the process alive.
 */
export function channelPair(): [Channel, Channel] {
  const a = new MemoryChannel();
  const b = new MemoryChannel();
  a.connect(b);
  b.connect(a);
  return [a, b];
}

class MemoryChannel implements Channel {
  readonly #inbox = new Inbox({ onTaken: (message) => this.#peer?.taken(message) });
  readonly #arrived = new Fifo<Message>();
  readonly #drainListeners: (() => void)[] = [];
  #peer: MemoryChannel | undefined;
  readonly #tally = new Tally();
  #wakeScheduled = false;
  #peerClosed = false;
  #closed = false;

  connect(peer: MemoryChannel): void {
    this.#peer = peer;
  }

  send(message: Message): void {
    if (this.#closed || this.#peer === undefined) return;
    this.#tally.add(payloadBytes(message.payload), message.type === "request");
    this.#peer.arrive(copyOf(message));
  }

  flush(): void {
    // No message can arrive before the next turn of the loop, which both ends share.
  }

  onMessage(listener: (message: Message) => void): void {
    this.#inbox.onMessage(listener);
  }

  onClose(listener: (cause: Error | undefined) => void): void {
    this.#inbox.onClose(listener);
  }

  onDrain(listener: () => void): void {
    this.#drainListeners.push(listener);
  }

  backlog(): Backlog {
    return this.#tally.all();
  }

  requestBacklog(): Backlog {
    return this.#tally.ofRequests();
  }

  underWay(): number {
    return this.#tally.messages;
  }

  unread(): number {
    return this.#arrived.size + this.#inbox.unread;
  }

  setFlow(flow: FlowControl): void {
    this.#inbox.setFlow(flow);
  }

  admitRequests(admit: (request: RequestMessage) => boolean): () => void {
    return this.#inbox.admit(admit);
  }

  abort(): void {
    this.#peer?.forget();
    this.close();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#arrived.clear();
    this.#peer?.closedByPeer();
    queueMicrotask(() => this.#inbox.abandon());
  }

  /** No action, because the channel has no handle of the event loop. */
  ref(): void {
    return;
  }

  unref(): void {
    return;
  }

  /** The other end has delivered a message to its listener. */
  taken(message: Message): void {
    this.#tally.remove(payloadBytes(message.payload), message.type === "request");
    for (const listener of this.#drainListeners) listener();
  }

  arrive(message: Message): void {
    if (this.#closed) return;
    this.#arrived.push(message);
    this.#wake();
  }

  /** Drops messages that have arrived and were not delivered. */
  forget(): void {
    this.#arrived.clear();
  }

  closedByPeer(): void {
    this.#peerClosed = true;
    this.#wake();
  }

  /** A turn of the loop for each batch, so that two ends that answer each other at once do not starve other work. */
  #wake(): void {
    if (this.#wakeScheduled) return;
    this.#wakeScheduled = true;
    setImmediate(() => {
      this.#wakeScheduled = false;
      this.#deliver(this.#arrived.size);
    });
  }

  #deliver(count: number): void {
    for (let i = 0; i < count; i++) {
      const message = this.#arrived.shift();
      if (message === undefined) break;
      this.#inbox.receive(message);
    }
    if (this.#arrived.size > 0) this.#wake();
    else if (this.#peerClosed) this.#closeAfterPeer();
  }

  #closeAfterPeer(): void {
    this.#closed = true;
    this.#inbox.end(undefined);
  }
}

/** The two ends must not share data that either may change: the payload's bytes, the route. */
function copyOf(message: Message): Message {
  const payload = message.payload instanceof Uint8Array ? new Uint8Array(message.payload) : message.payload;
  switch (message.type) {
    case "request":
    case "response":
      return { ...message, payload, route: [...message.route] };
    case "event":
    case "control":
      return { ...message, payload };
  }
}
