import {
  type Channel,
  FLAG,
  type FlowControl,
  type Message,
  methodOf,
  type RequestMessage,
  ROLE,
} from "../../messages/index.js";
import type { Share } from "./fair-share.js";

/** The credentials of a sender, which the broker writes into each message on entry (docs/design/modules.md §2). */
export interface Credentials {
  readonly userid: number;
  readonly rolemask: number;
}

/** The credentials of the broker's user, which its modules and its local clients have. */
export function ownerCredentials(): Credentials {
  return { userid: process.getuid?.() ?? 0, rolemask: ROLE.owner };
}

/** Begins the id of a service of the broker itself. */
export const BUILTIN = "#";

/** Identifies one request among those between two peers: its matchtag, or matchtag and route when it came from afar. */
export type RequestKey = number | string;

/** A sender that used services of a peer: the peer at the end of a link, or a peer behind it on another rank. */
interface LinkUser {
  readonly route: readonly string[];
  readonly services: Set<string>;
}

/**
 * The open relations of one peer with another: the users of its services, and the unanswered requests. Made once for
 * each pair, so that a request costs few look-ups.
 */
export class Link {
  readonly sender: Peer;
  readonly target: Peer;
  /** By route. Only a link to another rank has more than one user. */
  readonly users = new Map<string, LinkUser>();
  readonly pending = new Map<RequestKey, RequestMessage>();
  /** Between modules: the topics of answered requests, and whether a sender sent one before it ran. */
  answered: Map<string, boolean> | undefined;

  constructor(sender: Peer, target: Peer) {
    this.sender = sender;
    this.target = target;
  }

  /** Notes the user of a service, until it disconnects itself. */
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

/** Messages to a receiver that wait in our memory until it reads them. */
export type ReceiveQueue = Pick<Channel, "backlog" | "requestBacklog">;

export interface PeerOptions {
  /** Unique within the broker. Each message that the peer sends has it on its route stack. */
  readonly id: string;
  /** The name of the module, or of the connection, for messages and logs. */
  readonly name: string;
  /** The credentials for all messages of the peer. Undefined for another broker, which has already written them. */
  readonly credentials: Credentials | undefined;
  /** The number of the rank that it stands for, if it stands for one. */
  readonly rank?: number;
  /** @throws SluiceError `EMSGSIZE` for a message that its channel cannot carry */
  readonly deliver: (message: Message) => void;
  /** The messages that wait for it; undefined for a receiver that takes all messages at once. */
  readonly queue?: ReceiveQueue;
  /** Holds its requests, or resumes them; undefined for a peer whose requests cannot be held. */
  readonly setFlow?: (flow: FlowControl) => void;
  /**
   * For a peer that stands for another rank: makes that rank hold the requests of one of its own peers, or resume
   * them.
   * @param id the name of the peer on that rank
   */
  readonly setFlowBehind?: (id: string, flow: FlowControl) => void;
  /** Its share of the broker's time; undefined for a peer whose requests are routed at once. */
  readonly share?: Share;
  /** Disconnects the peer, because it cannot receive messages that it must get. */
  readonly fail?: (error: unknown) => void;
  /** Called once, when the peer has been removed from the router. */
  readonly onDetach?: () => void;
}

/** A sender and receiver of messages: a module, a connection, a service of the broker, another rank. */
export class Peer {
  readonly id: string;
  readonly name: string;
  readonly credentials: Credentials | undefined;
  readonly rank: number | undefined;
  readonly deliver: (message: Message) => void;
  readonly queue: ReceiveQueue | undefined;
  readonly setFlowBehind: ((id: string, flow: FlowControl) => void) | undefined;
  readonly share: Share | undefined;
  readonly fail: (error: unknown) => void;
  readonly onDetach: (() => void) | undefined;
  /** The links by target. */
  readonly outgoing = new Map<Peer, Link>();
  readonly incoming = new Set<Link>();
  /** The broker answers new requests to it with `ENOSYS`, although it still owns its services. */
  refusing = false;
  /**
   * When a module began to run, by `performance.now()`; Infinity before that. Undefined for a peer that is no module.
   */
  runsFromMs: number | undefined;
  /** Topics of events of a module. */
  published: Set<string> | undefined;
  /** Whether it is in the router. */
  isAttached = false;
  /** Peers whose requests are held until this peer has taken some of the messages that wait for it. */
  readonly waiters = new Set<Peer>();
  /** The same of those on other ranks, by the peers that stand for those. */
  readonly waitersBehind = new Map<Peer, Set<string>>();
  /** The receiver for which its own requests are held, and the first of these requests. */
  wait: { readonly receiver: Peer; parked: RequestMessage | undefined } | undefined;
  readonly #setFlow: ((flow: FlowControl) => void) | undefined;
  /** The causes for which its requests are held: a receiver here, and the ranks that have requested it. */
  readonly #heldFor = new Set<Peer | number>();

  constructor(options: PeerOptions) {
    this.id = options.id;
    this.name = options.name;
    this.credentials = options.credentials;
    this.rank = options.rank;
    this.deliver = options.deliver;
    this.queue = options.queue;
    this.#setFlow = options.setFlow;
    this.setFlowBehind = options.setFlowBehind;
    this.share = options.share;
    this.fail = options.fail ?? (() => undefined);
    this.onDetach = options.onDetach;
  }

  /** Whether its requests can be held. */
  get isHoldable(): boolean {
    return this.#setFlow !== undefined;
  }

  /** Holds its requests because of a peer, or of another rank. */
  holdFor(receiver: Peer | number): void {
    this.#heldFor.add(receiver);
    if (this.#heldFor.size === 1) this.#setFlow?.("hold");
  }

  /** Ends that hold. Its requests resume when no other hold is left. */
  resumeFor(receiver: Peer | number): void {
    if (this.#heldFor.delete(receiver) && this.#heldFor.size === 0) this.#setFlow?.("resume");
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

/** Removes a link on both ends. */
export function unlink(link: Link): void {
  link.sender.outgoing.delete(link.target);
  link.target.incoming.delete(link);
}

/** Writes the sender into a message, unless another broker has already done so. */
export function stamp(message: Message, from: Peer): void {
  if (from.credentials === undefined) return;
  message.userid = from.credentials.userid;
  message.rolemask = from.credentials.rolemask;
}

/** Whether it is a service of the broker itself. */
export function isOfBroker({ id }: Peer): boolean {
  return id.startsWith(BUILTIN);
}
