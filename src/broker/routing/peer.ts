import {
  type Channel,
  FLAG,
  type Message,
  methodOf,
  type RequestMessage,
  ROLE,
} from "../../messages/index.js";
import type { Pace } from "./turns.js";

/** Who a message is from, as the broker stamps it on entry (modules.md §2). */
export interface Credentials {
  readonly userid: number;
  readonly rolemask: number;
}

/** Those of whoever runs the broker, which its modules and its local clients have. */
export function ownerCredentials(): Credentials {
  return { userid: process.getuid?.() ?? 0, rolemask: ROLE.owner };
}

/** Identifies one request among those between two peers: its matchtag, or matchtag and route when it came from afar. */
export type RequestKey = number | string;

/** A sender that used services of a peer: the end of a link itself, or somebody behind it on another rank. */
interface LinkUser {
  readonly route: readonly string[];
  readonly services: Set<string>;
}

/**
 * What one peer has going with another: who used which services there, and the requests that are not answered yet.
 * Made once a pair, so that a request costs few look-ups.
 */
export class Link {
  readonly sender: Peer;
  readonly target: Peer;
  /** By route. Only another rank has more than one behind it. */
  readonly users = new Map<string, LinkUser>();
  readonly pending = new Map<RequestKey, RequestMessage>();

  constructor(sender: Peer, target: Peer) {
    this.sender = sender;
    this.target = target;
  }

  /** Notes who uses a service, until it says itself that it is gone. */
  use(service: string, { route, topic, flags }: RequestMessage): void {
    const [id = ""] = route;
    const key = route.length === 1 ? id : route.join("/");
    const user = this.users.get(key);
    if (route.length > 1 && flags === FLAG.noresponse && methodOf(topic) === "disconnect") {
      user?.services.delete(service);
      if (user?.services.size === 0) this.users.delete(key);
    } else if (user === undefined) {
      this.users.set(key, { route, services: new Set([service]) });
    } else {
      user.services.add(service);
    }
  }
}

/** What was given to a receiver, and waits in our memory to be taken. */
export type ReceiveQueue = Pick<Channel, "backlog" | "requestBacklog">;

export interface PeerOptions {
  /** Unique within the broker; what it pushes on route stacks. */
  readonly id: string;
  /** For people: the module's name, or that of the connection. */
  readonly name: string;
  /** Stamped on all it sends; undefined for another broker, which has done so already. */
  readonly credentials: Credentials | undefined;
  /** If it stands for another rank: which. */
  readonly rank?: number;
  /** @throws SluiceError `EMSGSIZE` for a message that its channel cannot carry */
  readonly deliver: (message: Message) => void;
  /** What waits for it; none for one that takes everything at once. */
  readonly queue?: ReceiveQueue;
  /** Holds its requests back, or lets them come; none for one that cannot be made to wait. */
  readonly hold?: (on: boolean) => void;
  /**
   * Of one that stands for another rank: has that rank hold the requests of one of its own peers, or let them come.
   * @param id by which that rank knows it
   */
  readonly holdBehind?: (id: string, on: boolean) => void;
  /** Told when it is sent a response; none for one whose requests take no turns. */
  readonly pace?: Pace;
  /** Cuts it off, as it cannot get what it must. */
  readonly fail?: (error: unknown) => void;
  /** Told when the peer has been taken out of the router, once. */
  readonly onDetach?: () => void;
}

/** An end that messages come from and go to: a module, a connection, a service of the broker, another rank. */
export class Peer {
  readonly id: string;
  readonly name: string;
  readonly credentials: Credentials | undefined;
  readonly rank: number | undefined;
  readonly deliver: (message: Message) => void;
  readonly queue: ReceiveQueue | undefined;
  readonly holdBehind: ((id: string, on: boolean) => void) | undefined;
  readonly pace: Pace | undefined;
  readonly fail: (error: unknown) => void;
  readonly onDetach: (() => void) | undefined;
  /** By target. */
  readonly outgoing = new Map<Peer, Link>();
  readonly incoming = new Set<Link>();
  /** New requests to it are answered with `ENOSYS`, although its services are still taken. */
  refusing = false;
  /** Whether it is in the router. */
  isAttached = false;
  /** Those whose requests are held until it has taken some of what waits for it. */
  readonly waiters = new Set<Peer>();
  /** The same of those on other ranks, by the peers that stand for those. */
  readonly waitersBehind = new Map<Peer, Set<string>>();
  /** Whom its own requests are held for, and the first of them. */
  wait: { readonly receiver: Peer; parked: RequestMessage | undefined } | undefined;
  readonly #hold: ((on: boolean) => void) | undefined;
  /** For whose sake its requests are held: a receiver here, and the numbers of ranks that have asked for it. */
  readonly #heldFor = new Set<Peer | number>();

  constructor(options: PeerOptions) {
    this.id = options.id;
    this.name = options.name;
    this.credentials = options.credentials;
    this.rank = options.rank;
    this.deliver = options.deliver;
    this.queue = options.queue;
    this.#hold = options.hold;
    this.holdBehind = options.holdBehind;
    this.pace = options.pace;
    this.fail = options.fail ?? (() => undefined);
    this.onDetach = options.onDetach;
  }

  /** Whether its requests can be made to wait. */
  get isHoldable(): boolean {
    return this.#hold !== undefined;
  }

  /** Holds its requests for the sake of a peer, or of another rank. */
  holdFor(whom: Peer | number): void {
    this.#heldFor.add(whom);
    if (this.#heldFor.size === 1) this.#hold?.(true);
  }

  /** No longer does; its requests come when nobody else has them held. */
  resumeFor(whom: Peer | number): void {
    if (this.#heldFor.delete(whom) && this.#heldFor.size === 0) this.#hold?.(false);
  }

  /** The link to a target, made on first use. */
  linkTo(target: Peer): Link {
    const known = this.outgoing.get(target);
    if (known !== undefined) return known;
    const link = new Link(this, target);
    this.outgoing.set(target, link);
    target.incoming.add(link);
    return link;
  }
}

/** Forgets a link on both ends. */
export function unlink(link: Link): void {
  link.sender.outgoing.delete(link.target);
  link.target.incoming.delete(link);
}

/** Says of a message who sent it; another broker has done so already. */
export function stamp(message: Message, from: Peer): void {
  if (from.credentials === undefined) return;
  message.userid = from.credentials.userid;
  message.rolemask = from.credentials.rolemask;
}
