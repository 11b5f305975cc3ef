import { requestError } from "../../errors/index.js";
import { type Backlog, isHoldable, type RequestMessage } from "../../messages/index.js";
import type { Peer } from "./peer.js";

const MIB = 1024 * 1024;

/** What may wait for one receiver (modules.md §2). */
const LIMITS: Backlog = { messages: 10_000, bytes: 64 * MIB };

/** Where those who wait for a receiver go on: well below, so that nobody is stopped and started all the time. */
const LOW_WATER: Backlog = { messages: LIMITS.messages / 2, bytes: LIMITS.bytes / 2 };

/**
 * What may wait for a receiver in the end, by way of those who cannot be made to wait: responses to what it has asked
 * itself, requests from other ranks and from senders that have gone.
 */
const LAST_LIMITS: Backlog = { messages: LIMITS.messages * 4, bytes: LIMITS.bytes * 4 };

/** What is to be done with a request. */
type Verdict = "pass" | "wait" | "refuse";

/**
 * Keeps what waits in the broker's memory within bounds, whoever does not read (modules.md §2, back pressure).
 *
 * A request to a receiver that has its fill is parked, and further requests of its sender are held, until the receiver
 * has taken half of what waits for it, or is gone. Those who wait for one receiver go on in turn. Whoever does not take
 * its own responses is not heard either. Responses always pass, which is why no two modules can block each other: one
 * that reads gets what lets it go on, however many wait to ask it.
 */
export class BackPressure {
  readonly #route: (request: RequestMessage, sender: Peer) => void;
  readonly #draining = new Set<Peer>();

  /** @param route takes a request that has waited */
  constructor(route: (request: RequestMessage, sender: Peer) => void) {
    this.#route = route;
  }

  /** Whether a request may go on to its receiver now. One that has to wait is kept until its turn comes. */
  judge(request: RequestMessage, sender: Peer, target: Peer): Verdict {
    const full = isFull(target) ? target : isFullOfUnasked(sender) ? sender : undefined;
    // Reports of a module's own state pass, as they do in its channel.
    if (full === undefined || !isHoldable(request)) return "pass";
    if (!sender.isHoldable) {
      holdBehind(sender, request, full);
      return isOver(LAST_LIMITS, full.queue?.backlog()) ? "refuse" : "pass";
    }
    if (sender.wait !== undefined) {
      // It is heard although it is held: its channel has ended, and this is the last that it had sent.
      this.#routeParked(sender);
      return isOver(LAST_LIMITS, full.queue?.backlog()) ? "refuse" : "pass";
    }
    sender.wait = { receiver: full, parked: request };
    full.waiters.add(sender);
    sender.holdFor(full);
    return "wait";
  }

  /** To be called when a peer has taken some of what waits for it. */
  drained(peer: Peer): void {
    if (hasWaiters(peer) && !isOver(LOW_WATER, peer.queue?.backlog())) this.#drain(peer);
  }

  /** A peer goes away: what it had sent goes on, and nobody waits for it any more. */
  leave(peer: Peer): void {
    this.#routeParked(peer);
    peer.wait?.receiver.waiters.delete(peer);
    peer.wait = undefined;
    if (hasWaiters(peer)) this.#drain(peer);
  }

  /** In a turn of its own: where routing began in the midst of routing, messages would lose their order. */
  #drain(receiver: Peer): void {
    if (this.#draining.has(receiver)) return;
    this.#draining.add(receiver);
    setImmediate(() => {
      this.#draining.delete(receiver);
      this.#letGo(receiver);
    });
  }

  /**
   * Those that have waited longest first, as long as there is room; who must wait again queues up at the end. Those on
   * other ranks are told before, all of them: it takes them a while to come.
   */
  #letGo(receiver: Peer): void {
    for (const [rank, ids] of receiver.waitersBehind) for (const id of ids) rank.holdBehind?.(id, false);
    receiver.waitersBehind.clear();
    for (const sender of receiver.waiters) {
      if (receiver.isAttached && isFull(receiver)) return;
      receiver.waiters.delete(sender);
      const parked = sender.wait?.parked;
      sender.wait = undefined;
      if (parked !== undefined) this.#route(parked, sender);
      // It may have to wait again, for this receiver or for another.
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
 * A request of another rank has gone too far to be kept. What its sender asks after it is held there, until it is told to
 * go on; a rank that does not is refused in the end.
 */
function holdBehind(rank: Peer, { route }: RequestMessage, receiver: Peer): void {
  const id = route.at(-2);
  if (rank.holdBehind === undefined || id === undefined) return;
  const held = receiver.waitersBehind.get(rank) ?? new Set();
  receiver.waitersBehind.set(rank, held);
  if (held.has(id)) return;
  held.add(id);
  rank.holdBehind(id, true);
}

function hasWaiters({ waiters, waitersBehind }: Peer): boolean {
  return waiters.size > 0 || waitersBehind.size > 0;
}

function waitsFor({ wait }: Peer): Peer | undefined {
  return wait?.receiver;
}

/** Whether as much waits for a peer as may. */
function isFull(peer: Peer): boolean {
  return isOver(LIMITS, peer.queue?.backlog());
}

/**
 * Whether as many events and responses wait for a peer as may. Requests do not count, as whoever sends them can be made to
 * wait: nobody is to be cut off, or not to be heard, for what others ask of it.
 */
export function isFullOfUnasked(peer: Peer): boolean {
  return isFull(peer) && isOver(LIMITS, unaskedFor(peer));
}

/** Whether more responses wait for a peer than it can still be expected to take. */
export function isDrowning(peer: Peer): boolean {
  return isOver(LAST_LIMITS, peer.queue?.backlog()) && isOver(LAST_LIMITS, unaskedFor(peer));
}

/** Why a peer is cut off, or a request to it refused. */
export function noBufferSpace(peer: Peer): Error {
  const { messages, bytes } = peer.queue?.backlog() ?? { messages: 0, bytes: 0 };
  return requestError("ENOBUFS", `${peer.name}: ${messages} messages with ${bytes} bytes wait to be read`);
}

function unaskedFor({ queue }: Peer): Backlog | undefined {
  if (queue === undefined) return undefined;
  const all = queue.backlog();
  const requests = queue.requestBacklog();
  return { messages: all.messages - requests.messages, bytes: all.bytes - requests.bytes };
}

function isOver(limits: Backlog, backlog: Backlog | undefined): boolean {
  return backlog !== undefined && (backlog.messages >= limits.messages || backlog.bytes >= limits.bytes);
}
