import type { Duplex } from "node:stream";
import type { NatsCredentials, NatsServers } from "../../nats/index.js";
import type {
  Backlog,
  EventMessage,
  FlowControl,
  JsonValue,
  LogLevel,
  RequestMessage,
  ResponseMessage,
} from "../../messages/index.js";

/** An event before rank 0 has given it its place in the order. */
export type UnsequencedEvent = Omit<EventMessage, "seq" | "type">;

/** The result of a publication. */
export type PublishOutcome =
  { readonly ok: true; readonly seq: number } | { readonly ok: false; readonly error: Error };

/** How a rank left: it shut down cleanly, or its connection was lost. */
export type Departure = "goodbye" | "lost";

/** The parts of the broker that its overlay uses. */
export interface OverlayReceiver {
  /** A request or response that another rank has sent here. */
  message(from: number, message: RequestMessage | ResponseMessage): void;
  /**
   * Another rank holds or resumes the requests of one of our peers. The peer's requests also resume when that rank
   * has left.
   * @param sender the peer on this rank that sends the requests, by its name in their routes
   */
  setFlow(from: number, sender: string, flow: FlowControl): void;
  /** Some of the messages that waited for another rank have been sent. */
  drained(rank: number): void;
  /**
   * The next event of the instance, also if this rank has published it. Calls come in the order of `seq`, without
   * gaps unless {@link missed} reports one. A rank that joins later gets the events from then on.
   */
  event(event: EventMessage): void;
  /** This rank misses events after `after`. It gets all events after `upTo`. */
  missed(after: number, upTo: number): void;
  /** A client on another machine has connected to this rank. Its messages come over the stream. */
  client(stream: Duplex): void;
  /** Another rank can receive requests from now on. Also called for ranks that joined before this one. */
  joined(rank: number): void;
  /** Another rank has missed its heartbeats, and does not answer requests for now. */
  stalled(rank: number): void;
  /** A stalled rank sends heartbeats again. */
  resumed(rank: number): void;
  /** The configuration of this rank, for a rank that joins without a configuration of its own. */
  config(): Readonly<Record<string, JsonValue>>;
  /** How often each rank sends a heartbeat, in milliseconds. */
  heartbeatPeriodMs(): number;
  /** How long a rank may send nothing before it is lost, in milliseconds. */
  lostAfterMs(): number;
  /** How much of the newest events rank 0 keeps for ranks that have missed some, in bytes. */
  keptEventsBytes(): number;
  /** How long a rank without rank 0 waits for a leader, in milliseconds. */
  leaderTimeoutMs(): number;
  /**
   * The time in milliseconds after the last message of rank 0 when no module of this rank runs any more. It is 0 if a
   * rank without rank 0 keeps its modules.
   */
  stopsAfterMs(): number;
  /** Whether a rank that was lost joins again. Otherwise it has left permanently. */
  isToRejoin(): boolean;
  /**
   * A rank has left, and will not answer its pending requests. A rank that has lost rank 0 gets this call for all
   * other ranks.
   */
  left(rank: number, how: Departure): void;
  /**
   * This rank has left the instance permanently. There is no rank 0 any more, rank 0 does not admit this rank again,
   * or another broker leads in place of this one.
   */
  abandoned(why: string): void;
  /** A line for the log of this rank. */
  log(level: LogLevel, text: string): void;
}

/**
 * The connection between the brokers of an instance (docs/design/instance.md §5). It carries messages between any two
 * ranks, gives events one order, and keeps the list of ranks. Each message that it delivers has the credentials that
 * its first broker wrote into it.
 */
export interface Overlay {
  readonly rank: number;
  readonly size: number;
  /** Where requests to `any` go on to when this rank does not serve them; undefined on rank 0. */
  readonly upstream: number | undefined;
  /**
   * Joins. Messages may arrive from then on. Rank 0 joins at once, any other rank when rank 0 admits it.
   * @throws SluiceError `BROKER_STATE`: `EEXIST` the rank has joined already. `EINVAL` it is of another instance or
   *   size. `EHOSTUNREACH` rank 0 does not appear in time. `ECANCELED` after a {@link close} during the start
   */
  start(receiver: OverlayReceiver): Promise<void>;
  /** Whether another rank can receive requests: it has joined, and is not stalled. */
  reaches(rank: number): boolean;
  /** Whether requests to another rank wait for a broker that is to replace its own. */
  awaits?(rank: number): boolean;
  /** @throws SluiceError `EMSGSIZE` if the message is too large, `ENOBUFS` for a request that too much waits before */
  send(rank: number, message: RequestMessage | ResponseMessage): void;
  /** Requests that wait here to be sent to another rank. */
  backlog(rank: number): Backlog;
  /** Makes another rank hold the requests of one of its peers, or resume them. Requests under way still arrive. */
  setFlow(rank: number, sender: string, flow: FlowControl): void;
  /** Sends an event to rank 0, which numbers it and passes it on to every rank. `done` is called once, perhaps at once. */
  publish(event: UnsequencedEvent, done: (outcome: PublishOutcome) => void): void;
  /** On rank 0, the number of leaders so far, including this one; undefined where there can be no other. */
  epoch?(): number | undefined;
  /** On rank 0, the hosts of the joined ranks; empty on one machine. */
  places?(): readonly RankPlace[];
  /** On rank 0, how it connects to the NATS servers; undefined without any. */
  access?(): NatsAccess | undefined;
  /** To rank 0: the process of a rank has ended. The rank is lost unless it has shut down cleanly. */
  ended?(rank: number): void;
  /**
   * To rank 0: because no broker of a rank comes back, another one may take its number at once.
   * @throws SluiceError `EBUSY` if it answers, `EINVAL` for rank 0 and ranks that this instance does not have
   */
  forget?(rank: number): void;
  /** Leaves cleanly, and makes no more calls to the receiver. */
  close(): Promise<void>;
}

/** The place of a rank in an instance over many hosts. */
export interface RankPlace {
  readonly rank: number;
  readonly host: string;
  /** The NATS server that it is connected to, such as `n1:4222`; empty before its first report. */
  readonly server: string;
  /** The number of events that it lacked at its last heartbeat. */
  readonly lag: number;
}

/** The data for a connection of a module to the same servers as its broker. */
export interface NatsAccess {
  readonly servers: NatsServers;
  readonly credentials: NatsCredentials;
}

/** No messages wait. */
export const NO_BACKLOG: Backlog = { messages: 0, bytes: 0 };

/** The overlay of an instance of one rank. */
export function loopback(): Overlay {
  let receiver: OverlayReceiver | undefined;
  let seq = 0;
  return {
    rank: 0,
    size: 1,
    upstream: undefined,
    start(to) {
      receiver = to;
      return Promise.resolve();
    },
    reaches: () => false,
    send: () => undefined,
    backlog: () => NO_BACKLOG,
    setFlow: () => undefined,
    publish(event, done) {
      seq += 1;
      receiver?.event({ ...event, type: "event", seq });
      done({ ok: true, seq });
    },
    close() {
      receiver = undefined;
      return Promise.resolve();
    },
  };
}
