import { requestError } from "../../errors/index.js";
import { type Backlog, isHoldable, type RequestMessage } from "../../messages/index.js";
import type { Peer } from "./peer.js";

const MIB = 1024 * 1024;

/** The limits of waiting messages for one receiver (docs/design/modules.md §2). */
const LIMITS: Backlog = { messages: 10_000, bytes: 64 * MIB };

/**
 * Senders of a receiver resume when so few messages wait for it. That is well below the limits, so that the broker
 * does not hold them again at once.
 */
const LOW_WATER: Backlog = { messages: LIMITS.messages / 2, bytes: LIMITS.bytes / 2 };

/**
 * The most that may wait for a receiver, including messages that cannot be held. These are responses to its own
 * requests, requests from other ranks, and requests of senders that have gone.
 */
const LAST_LIMITS: Backlog = { messages: LIMITS.messages * 4, bytes: LIMITS.bytes * 4 };

/** The decision about a request. */
type Verdict = "pass" | "hold" | "refuse";

/**
 * Keeps the messages that wait for receivers in the broker's memory within bounds, whatever the receivers read
 * (docs/design/modules.md §2, back pressure).
 *
 * It parks a request to a full receiver, and holds further requests of its sender. That lasts until the
 * receiver has taken half of the messages that wait for it, or has gone. The senders that wait for one
 * receiver resume one after the other. The broker also holds a sender that does not read its own responses.
 * No two modules can block each other, because responses always pass. A module that reads gets the response
 * that it waits for, even if many requests wait for it.
 *
 * All places of flow control, from a sender to a receiver, with their bounds:
 *
 * | place | bounds |
 * |---|---|
 * | `StreamFlowControl` (messages/handle) | responses of streams: 256 messages under way on one channel |
 * | `PortChannel` (messages/channels) | messages between threads: 10,000 or 64 MiB from the broker, 256 or 4 MiB from a module |
 * | `FrameQueue` (messages/channels) | held requests of an end stay there, and its responses overtake them |
 * | `SocketChannel` (messages/channels) | requests received and not delivered: asks the other end to hold at 256; reads nothing from 10,000 or 64 MiB on |
 * | `IncompleteMessages` | incomplete messages of all connections: 256 MiB, and 30 s each |
 * | `FairShare` | the broker's time: requests that one flooding sender may have routed in a row |
 * | `BackPressure` | what waits for one receiver: 10,000 messages or 64 MiB; four times as much of what cannot be held |
 * | `HoldQueue` (broker/modules) | requests to a module that is being reloaded: 1,000, for 10 s |
 * | `Root`, `Leaf` (broker/ranks) | what waits on the connection of a rank: 64 MiB |
 * | `BoundedSink` (broker/exec) | records of a trace that wait for a slow reader: 1,000 or 8 MiB, the rest are counted |
 * | `ExecProcess` (broker/exec) | output of a remote command that its reader has not acknowledged: the window of the request |
 */
export class BackPressure {
  readonly #route: (request: RequestMessage, sender: Peer) => void;
  readonly #draining = new Set<Peer>();

  /** @param route takes a parked request */
  constructor(route: (request: RequestMessage, sender: Peer) => void) {
    this.#route = route;
  }

  /** Whether a request may go on to its receiver now. It keeps a held request until the receiver has room. */
  judge(request: RequestMessage, sender: Peer, target: Peer): Verdict {
    const full = isFull(target) ? target : isFullBesidesRequests(sender) ? sender : undefined;
    // Reports of a module's own state pass, as in its channel.
    if (full === undefined || !isHoldable(request)) return "pass";
    if (!sender.isHoldable) {
      holdOrigin(sender, request, full);
      return isOver(LAST_LIMITS, full.queue?.backlog()) ? "refuse" : "pass";
    }
    if (sender.wait !== undefined) {
      // A held sender whose channel has ended still delivers its last requests.
      this.#routeParked(sender);
      return isOver(LAST_LIMITS, full.queue?.backlog()) ? "refuse" : "pass";
    }
    sender.wait = { receiver: full, parked: request };
    full.waiters.add(sender);
    sender.holdFor(full);
    return "hold";
  }

  /** Call this when a peer has taken some of the messages that wait for it. */
  drained(peer: Peer): void {
    if (hasWaiters(peer) && !isOver(LOW_WATER, peer.queue?.backlog())) this.#drain(peer);
  }

  /** No sender is to wait for this receiver: those that do so resume, even if messages wait for it. */
  release(receiver: Peer): void {
    for (const sender of [...receiver.waiters]) {
      receiver.waiters.delete(sender);
      const parked = sender.wait?.parked;
      sender.wait = undefined;
      if (parked !== undefined) this.#route(parked, sender);
      sender.resumeFor(receiver);
    }
  }

  /** A peer leaves: its parked request goes on. The senders that wait for it resume. */
  remove(peer: Peer): void {
    this.#routeParked(peer);
    peer.wait?.receiver.waiters.delete(peer);
    peer.wait = undefined;
    if (hasWaiters(peer)) this.#drain(peer);
  }

  /**
   * Resumes the senders in a later turn of the loop. If routing began inside other routing, messages would lose their
   * order.
   */
  #drain(receiver: Peer): void {
    if (this.#draining.has(receiver)) return;
    this.#draining.add(receiver);
    setImmediate(() => {
      this.#draining.delete(receiver);
      this.#resume(receiver);
    });
  }

  /**
   * Resumes the senders that have waited longest first, as long as there is room. A sender that is held again goes to
   * the end of the queue. It resumes all senders on other ranks before, because their requests take a while to
   * arrive.
   */
  #resume(receiver: Peer): void {
    for (const [rank, ids] of receiver.waitersBehind)
      for (const id of ids) rank.setFlowBehind?.(id, "resume");
    receiver.waitersBehind.clear();
    for (const sender of receiver.waiters) {
      if (receiver.isAttached && isFull(receiver)) return;
      receiver.waiters.delete(sender);
      const parked = sender.wait?.parked;
      sender.wait = undefined;
      if (parked !== undefined) this.#route(parked, sender);
      // It may be held again, for this receiver or another one.
      if (waitsFor(sender) !== receiver) sender.resumeFor(receiver);
    }
  }

  #routeParked(sender: Peer): void {
    const parked = sender.wait?.parked;
    if (sender.wait === undefined || parked === undefined) return;
    sender.wait.parked = undefined;
    this.#route(parked, sender);
  }
}

/**
 * A request of another rank has already arrived. Its own sender must therefore be held. It holds the sender
 * there for its next requests. In the end it refuses requests of a rank that ignores this.
 */
function holdOrigin(rank: Peer, { route }: RequestMessage, receiver: Peer): void {
  const id = route.at(-2);
  if (rank.setFlowBehind === undefined || id === undefined) return;
  const held = receiver.waitersBehind.get(rank) ?? new Set();
  receiver.waitersBehind.set(rank, held);
  if (held.has(id)) return;
  held.add(id);
  rank.setFlowBehind(id, "hold");
}

function hasWaiters({ waiters, waitersBehind }: Peer): boolean {
  return waiters.size > 0 || waitersBehind.size > 0;
}

function waitsFor({ wait }: Peer): Peer | undefined {
  return wait?.receiver;
}

/** Whether the limit of waiting messages for a peer is reached. */
function isFull(peer: Peer): boolean {
  return isOver(LIMITS, peer.queue?.backlog());
}

/**
 * Whether the limit of waiting events and responses for a peer is reached. Requests do not count, because their
 * senders can be held. The broker never disconnects or holds a peer because of requests that others send to it.
 */
export function isFullBesidesRequests(peer: Peer): boolean {
  return isFull(peer) && isOver(LIMITS, besidesRequests(peer));
}

/** Whether so many responses wait for a peer that it will hardly read them. */
export function isBeyondLastLimits(peer: Peer): boolean {
  return isOver(LAST_LIMITS, peer.queue?.backlog()) && isOver(LAST_LIMITS, besidesRequests(peer));
}

/** The reason for which the broker disconnects a peer, or refuses a request to it. */
export function noBufferSpace(peer: Peer): Error {
  const { messages, bytes } = peer.queue?.backlog() ?? { messages: 0, bytes: 0 };
  return requestError(
    "ENOBUFS",
    `${peer.name} has not read the ${messages} messages with ${bytes} bytes waiting for it`,
  );
}

function besidesRequests({ queue }: Peer): Backlog | undefined {
  if (queue === undefined) return undefined;
  const all = queue.backlog();
  const requests = queue.requestBacklog();
  return { messages: all.messages - requests.messages, bytes: all.bytes - requests.bytes };
}

function isOver(limits: Backlog, backlog: Backlog | undefined): boolean {
  return backlog !== undefined && (backlog.messages >= limits.messages || backlog.bytes >= limits.bytes);
}
