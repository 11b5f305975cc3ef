import { requestError, type SluiceError } from "../../errors/index.js";
import {
  type EventMessage,
  FLAG,
  type FlowControl,
  methodOf,
  ROLE,
  serviceOf,
  type Message,
  type RawPayload,
  type RequestMessage,
  type ResponseMessage,
} from "../../messages/index.js";
import { BackPressure, isBeyondLastLimits, isFullBesidesRequests, noBufferSpace } from "./back-pressure.js";
import { cancelOf, disconnectOf, refuse, responseTo } from "./broker-messages.js";
import { FairShare } from "./fair-share.js";
import type { Overlay } from "./overlay.js";
import { type Link, Peer, type RequestKey, stamp, unlink } from "./peer.js";
import { isLarger } from "./payload-size.js";
import { ServiceTable } from "./service-table.js";
import { Subscriptions } from "./subscriptions.js";
import { noteAnswer } from "./unit-messages.js";
import { WaitingRequests } from "./waiting-requests.js";

/** A matchtag is unique per sender. For a request that came through other brokers, the whole route is the sender. */
function requestKey(route: readonly string[], matchtag: number): RequestKey {
  return route.length === 1 ? matchtag : `${matchtag}/${route.join("/")}`;
}

/** The text of `ENOSYS` for a request to a service that has no provider. */
export function noSuchService(topic: string): string {
  return `No service matching ${topic} is registered`;
}

/**
 * Carries messages between peers by the first word of their topics, and never parses payloads.
 *
 * It never changes a `route` array that it was given: between peers in one thread the sender may still use it.
 */
export class Router {
  readonly services = new ServiceTable();
  readonly subscriptions = new Subscriptions();
  readonly fairShare = new FairShare();
  /** The time until which the broker notes messages between modules, by `performance.now()`. */
  notesUntilMs = 0;
  readonly #overlay: Overlay;
  readonly #maxPayload: () => number;
  readonly #peers = new Map<string, Peer>();
  readonly #ranks = new Map<number, Peer>();
  /** Requests for a rank whose broker is about to be replaced. */
  readonly #waiting = new WaitingRequests();
  readonly #pressure = new BackPressure((request, sender) => this.#dispatch(request, sender));

  /** @param maxPayload bytes, asked at each request */
  constructor(overlay: Overlay, maxPayload: () => number = () => Infinity) {
    this.#overlay = overlay;
    this.#maxPayload = maxPayload;
  }

  attach(peer: Peer): void {
    this.#peers.set(peer.id, peer);
    peer.isAttached = true;
  }

  /**
   * Removes a peer: its services and subscriptions vanish. Requests to it fail. The services that it used
   * receive a notice for each sender behind it. A second call has no effect.
   * @param error the error of requests to it; `ECONNRESET` by default
   */
  detach(peer: Peer, error = requestError("ECONNRESET", `${peer.name}: module disconnect`)): void {
    if (!peer.isAttached) return;
    this.#pressure.remove(peer);
    peer.isAttached = false;
    this.#peers.delete(peer.id);
    this.services.removeAll(peer);
    this.subscriptions.removeAll(peer);
    for (const link of [...peer.incoming]) {
      unlink(link);
      for (const request of link.pending.values()) {
        refuse(request, link.sender, error);
      }
    }
    for (const link of [...peer.outgoing.values()]) {
      unlink(link);
      for (const { route, services } of link.users.values()) {
        for (const service of services) link.target.deliver(disconnectOf(service, route, peer));
      }
    }
    peer.onDetach?.();
  }

  /** Call this when a peer has taken some of the messages that wait for it. */
  drained(peer: Peer): void {
    this.#pressure.drained(peer);
  }

  /** A peer that is attached now. */
  peer(id: string): Peer | undefined {
    return this.#peers.get(id);
  }

  /** All peers that are attached. */
  peers(): Iterable<Peer> {
    return this.#peers.values();
  }

  /** Requests that were passed on and not answered yet, in the whole broker. */
  get pendingCount(): number {
    let count = 0;
    for (const peer of this.#peers.values()) {
      for (const link of peer.incoming) count += link.pending.size;
    }
    return count;
  }

  /**
   * Routes a message that a peer has sent. Control messages end at the channel. Events come only from the
   * overlay.
   */
  receive(message: Message, from: Peer): void {
    // A disconnected peer may still send messages for a moment. It can no longer receive answers.
    if (!from.isAttached) return;
    switch (message.type) {
      case "request":
        this.#enter(message, from);
        return;
      case "response":
        this.respond(message, from);
        return;
      case "event":
      case "control":
        return;
    }
  }

  /** Delivers an event, already in order, to its subscribers on this rank. */
  broadcast(event: EventMessage): void {
    for (const peer of this.subscriptions.match(event.topic)) {
      try {
        if (isFullBesidesRequests(peer)) throw noBufferSpace(peer);
        peer.deliver(event);
      } catch (error) {
        // A gap in the events of the peer would be worse. This therefore disconnects it. The other peers get
        // the event.
        this.#disconnect(peer, error);
      }
    }
  }

  /**
   * Ends all subscriptions on this rank, because events are missing. Disconnects a peer whose subscription has no
   * stream to end, because that peer must not continue without the events.
   */
  endSubscriptions(error: SluiceError): void {
    for (const { peer, streams, isSilent } of this.subscriptions.takeAll()) {
      if (isSilent) this.#disconnect(peer, error);
      else for (const stream of streams) refuse(stream, peer, error);
    }
  }

  /**
   * Routes a response back to its requester. Drops a response that no requester awaits: its requester has
   * disconnected, or it belongs to no request.
   */
  respond(response: ResponseMessage, from: Peer): void {
    const awaited = this.#awaited(response, from);
    if (awaited === undefined) return;
    const { link, key, request } = awaited;
    if ((request.enteredMs ?? 0) < this.notesUntilMs) noteAnswer(link, request, response);
    if (response.errnum !== 0 || (request.flags & FLAG.streaming) === 0) link.pending.delete(key);
    if (request.flags === 0) link.sender.share?.answered();
    stamp(response, from);
    response.route = response.route.slice(0, -1);
    if (isBeyondLastLimits(link.sender)) {
      this.#disconnect(link.sender, noBufferSpace(link.sender));
      return;
    }
    try {
      link.sender.deliver(response);
    } catch (error) {
      // The response is too large for the requester's channel. The requester must not wait for ever.
      link.pending.delete(key);
      refuse(request, link.sender, error);
    }
  }

  /** Answers a request, which is in the form that its receiver got. */
  answer(request: RequestMessage, from: Peer, payload?: RawPayload): void {
    if ((request.flags & FLAG.noresponse) !== 0) return;
    this.respond({ ...responseTo(request), errnum: 0, payload }, from);
  }

  /** Answers a request without a payload. A stream that it opens counts as answered: it can only end. */
  confirm(request: RequestMessage, from: Peer): void {
    this.answer(request, from);
    const awaited = this.#awaited(request, from);
    awaited?.link.pending.delete(awaited.key);
  }

  answerError(request: RequestMessage, from: Peer, errnum: number, error: string): void {
    if ((request.flags & FLAG.noresponse) !== 0) return;
    this.respond({ ...responseTo(request), errnum, error }, from);
  }

  /**
   * Takes a request from the peer that received it, and gives it to another.
   * @param which the request as delivered, or a response to it
   * @param to undefined: the provider of its service now
   * @returns false if no requester waits for it any more
   */
  reassign(which: RequestMessage | ResponseMessage, from: Peer, to?: Peer): boolean {
    const isNotice = which.type === "request" && (which.flags & FLAG.noresponse) !== 0;
    const awaited = this.#awaited(which, from);
    const sender = this.#peers.get(which.route.at(-1) ?? "");
    const request = isNotice ? which : awaited?.request;
    if (request === undefined || sender === undefined) return false;
    awaited?.link.pending.delete(awaited.key);
    if (to === undefined) this.#routeHere(request, sender);
    else this.#give(request, sender, to, serviceOf(request.topic));
    return true;
  }

  /** The peer that stands for another rank. */
  rankPeer(rank: number): Peer {
    const known = this.#ranks.get(rank);
    if (known !== undefined) return known;
    const peer = new Peer({
      id: `@${rank}`,
      name: `rank ${rank}`,
      credentials: undefined,
      rank,
      deliver: (message) => {
        if (message.type === "request" || message.type === "response") this.#overlay.send(rank, message);
      },
      // Responses do not count: they always pass.
      queue: {
        backlog: () => this.#overlay.backlog(rank),
        requestBacklog: () => this.#overlay.backlog(rank),
      },
      setFlowBehind: (id, flow) => this.#overlay.setFlow(rank, id, flow),
      onDetach: () => this.#ranks.delete(rank),
    });
    this.#ranks.set(rank, peer);
    this.attach(peer);
    return peer;
  }

  /** Another rank holds or resumes the requests of one of our peers. The peer may have gone in the meantime. */
  setFlowForRank(rank: number, id: string, flow: FlowControl): void {
    const peer = this.#peers.get(id);
    // The peers of other ranks, by the number of the rank. The peer may also be held for the peer of the rank,
    // because of messages that wait to be sent there.
    if (flow === "hold") peer?.holdFor(rank);
    else peer?.resumeFor(rank);
  }

  /** Some of the messages that waited for another rank have been sent. */
  rankDrained(rank: number): void {
    const peer = this.#ranks.get(rank);
    if (peer !== undefined) this.drained(peer);
  }

  /** Fails the requests that a stalled rank has not answered. Its services, subscriptions and users stay. */
  rankStalled(rank: number): void {
    const peer = this.#ranks.get(rank);
    if (peer === undefined) return;
    for (const link of peer.incoming) {
      for (const request of takeAll(link.pending)) {
        refuse(request, link.sender, requestError("EHOSTUNREACH", `rank ${rank} is stalled`));
        // No requester waits for the stream any more when the rank runs again.
        if ((request.flags & FLAG.streaming) !== 0) peer.deliver(cancelOf(request));
      }
    }
    this.#pressure.release(peer);
    for (const other of this.#peers.values()) other.resumeFor(rank);
  }

  /** A rank can be reached again, or will not come back. The messages that have waited for it go on, or fail. */
  rankSettled(rank: number): void {
    for (const { request, from } of this.#waiting.take(rank)) {
      if (from.isAttached) this.#dispatch(request, from);
    }
  }

  /** Drops the links of a rank that has left. */
  rankLeft(rank: number): void {
    const peer = this.#ranks.get(rank);
    if (peer === undefined) return;
    this.detach(peer, requestError("EHOSTUNREACH", `rank ${rank} has left the instance`));
    for (const other of this.#peers.values()) other.resumeFor(rank);
  }

  #enter(request: RequestMessage, from: Peer): void {
    stamp(request, from);
    request.enteredMs = performance.now();
    // Only other brokers may add to a route. With a made-up route, any other peer could pass for another sender.
    request.route = from.credentials === undefined ? [...request.route, from.id] : [from.id];
    if (endsModule(request) && ((request.rolemask ?? 0) & ROLE.owner) === 0) {
      // Not every program checks the sender of its shutdown.
      refuse(request, from, requestError("EPERM", `${request.topic}: not for guests`));
      return;
    }
    const { payload } = request;
    if (payload !== undefined && isLarger(payload, this.#maxPayload())) {
      refuse(request, from, requestError("EMSGSIZE", `${request.topic}: payload is over broker.max-payload`));
      return;
    }
    this.#dispatch(request, from);
  }

  #dispatch(request: RequestMessage, from: Peer): void {
    const { nodeid } = request;
    if (nodeid === "any" || nodeid === this.#overlay.rank) {
      this.#routeHere(request, from);
    } else {
      this.#routeAway(request, from, nodeid === "upstream" ? this.#overlay.upstream : nodeid);
    }
  }

  #routeHere(request: RequestMessage, from: Peer): void {
    const service = serviceOf(request.topic);
    const target = this.services.owner(service);
    if (target !== undefined && !target.refusing) {
      this.#pass(request, from, target, service);
    } else if (target === undefined && request.nodeid === "any" && this.#overlay.upstream !== undefined) {
      this.#routeAway(request, from, this.#overlay.upstream);
    } else {
      refuse(request, from, requestError("ENOSYS", noSuchService(request.topic)));
    }
  }

  #routeAway(request: RequestMessage, from: Peer, rank: number | undefined): void {
    if (rank !== undefined && this.#overlay.awaits?.(rank) === true) {
      if (!this.#waiting.add(rank, { request, from })) {
        refuse(
          request,
          from,
          requestError("ENOBUFS", `${request.topic}: too many messages wait for rank ${rank}`),
        );
      }
      return;
    }
    if (rank === undefined || !this.#overlay.reaches(rank)) {
      const where = rank === undefined ? "rank 0 has no upstream rank" : `rank ${rank} is not online`;
      refuse(request, from, requestError("EHOSTUNREACH", `${request.topic}: ${where}`));
      return;
    }
    // Upstream is for this hop only: on arrival, the request is for that rank itself.
    const onward = request.nodeid === "upstream" ? { ...request, nodeid: rank } : request;
    this.#pass(onward, from, this.rankPeer(rank), serviceOf(request.topic));
  }

  #pass(request: RequestMessage, from: Peer, target: Peer, service: string): void {
    switch (this.#pressure.judge(request, from, target)) {
      case "pass":
        this.#give(request, from, target, service);
        return;
      case "hold":
        return;
      case "refuse":
        refuse(request, from, noBufferSpace(target));
        return;
    }
  }

  #give(request: RequestMessage, from: Peer, target: Peer, service: string): void {
    const link = from.linkTo(target);
    link.use(service, request);
    if ((request.flags & FLAG.noresponse) === 0) {
      link.pending.set(requestKey(request.route, request.matchtag), request);
    }
    try {
      target.deliver(request);
    } catch (error) {
      // The request is too large for the target's channel. No part of it was sent.
      link.pending.delete(requestKey(request.route, request.matchtag));
      refuse(request, from, error);
    }
  }

  /** It gets no more messages, although it may take time to end. */
  #disconnect(peer: Peer, error: unknown): void {
    this.detach(peer);
    peer.fail(error);
  }

  /** The request for a message with this route and matchtag, if `from` still has to answer it. */
  #awaited(message: RequestMessage | ResponseMessage, from: Peer): Awaited | undefined {
    const { route, matchtag } = message;
    const link = this.#peers.get(route.at(-1) ?? "")?.outgoing.get(from);
    if (link === undefined) return undefined;
    const key = requestKey(route, matchtag);
    const request = link.pending.get(key);
    return request === undefined ? undefined : { link, key, request };
  }
}

function takeAll<T>(values: Map<unknown, T>): T[] {
  const all = [...values.values()];
  values.clear();
  return all;
}

function endsModule({ topic }: RequestMessage): boolean {
  return topic.endsWith(".shutdown") && methodOf(topic) === "shutdown";
}

interface Awaited {
  readonly link: Link;
  readonly key: RequestKey;
  readonly request: RequestMessage;
}
