import type { Channel, LogLevel, Message } from "../../messages/index.js";
import type { Link } from "../../nats/index.js";
import type { NatsAccess } from "../routing/overlay.js";
import { startTimer } from "../../processes/index.js";

/** A connection between two ranks, of any kind. */
export interface Connection {
  readonly channel: Channel;
  /** Ends it now, without sending the waiting messages. */
  readonly destroy: () => void;
  /** Calls back whenever data has come from the other end; undefined: only messages come. */
  readonly onHeard?: ((listener: () => void) => void) | undefined;
}

/** A connection that this rank has made. */
export interface OwnConnection extends Connection {
  /** Resolves when the connection is closed on both ends. */
  readonly closed: Promise<void>;
}

/** A connection in place of one that was lost, with the name under which this broker uses it. */
export interface NewConnection {
  readonly connection: OwnConnection;
  readonly uuid: string;
}

/** How the other ranks reach rank 0. */
export interface RootTransport {
  /** Accepts connections from now on. The first message of each is a notice. */
  listen(to: RootListener): Promise<void>;
  /** The broadcast to all members; undefined: every member gets its own messages. */
  readonly broadcast?: Broadcast | undefined;
  /** The right by which this broker leads; undefined: there can be no other leader. */
  readonly leadership?: Leadership | undefined;
  /** The server that this rank is connected to, for transports with servers. */
  readonly server?: (() => string) | undefined;
  /** How this rank connects to servers, for transports with servers. */
  readonly access?: NatsAccess | undefined;
  close(): Promise<void>;
}

/** The right to lead, which another broker may get. */
export interface Leadership {
  /** The epoch, which is higher than that of each leader before. */
  epoch(): number;
  /** Whether it is certain that no other broker leads now. */
  isHeld(): boolean;
  /**
   * Ranks that have followed another leader, and are about to follow this one. They are known when {@link
   * RootTransport.listen} resolves.
   */
  heirs(): ReadonlySet<number>;
  listen(to: LeadershipListener): void;
  /** Gives the right back, because the instance ends. */
  release(): Promise<void>;
}

export interface LeadershipListener {
  /** Another broker leads, or may lead. */
  lost(why: string): void;
  /** How many milliseconds a leader that cannot prove its right keeps trying. */
  patienceMs(): number;
  log(level: LogLevel, text: string): void;
}

export interface RootListener {
  /** @param from the rank whose connection it must be; undefined if the transport cannot find that out */
  connected(connection: Connection, from?: number): void;
  /** A client on another machine has connected. */
  client(link: Link): void;
  /** Broadcast messages may be lost. */
  restored(): void;
  /** A broker requests a number; undefined: the broker is to repeat the request. */
  assign(uuid: string, host: string): Assignment | undefined;
  log(level: LogLevel, text: string): void;
}

/** The answer to a broker that requests a number. */
export type Assignment =
  { readonly rank: number; readonly problem?: undefined } | { readonly problem: string };

/** Sends to all members at once. A message that is sent in this way may not reach all of them. */
export interface Broadcast {
  /**
   * Sends consecutive events.
   * @param first the number of the first event
   * @returns false if they cannot be sent in this way
   */
  events(batch: Message, first: number): boolean;
  /** Announces that this rank is alive, with the number of the newest event. */
  beat(seq: number): void;
}

/** How a rank other than 0 reaches the others. */
export interface LeafTransport {
  /**
   * Connects to rank 0. It tries until rank 0 answers, or the time has passed.
   * @throws SluiceError `BROKER_STATE` with `EHOSTUNREACH`; `ECANCELED` when the signal was aborted
   */
  connect(signal: AbortSignal): Promise<OwnConnection>;
  /**
   * Connects again after rank 0 has closed the connection. For the other ranks, this rank is then another
   * broker.
   * @throws SluiceError `BROKER_STATE` with `EHOSTUNREACH` when rank 0 has left; `ECANCELED` when the signal was aborted
   */
  reconnect(signal: AbortSignal): Promise<NewConnection>;
  /** Broadcasts of rank 0, and connections to other ranks; undefined: all messages take the connection to rank 0. */
  readonly direct?: DirectTransport | undefined;
  /** The server that this rank is connected to, for transports with servers. */
  readonly server?: (() => string) | undefined;
  close(): Promise<void>;
}

export interface DirectTransport {
  listen(to: DirectListener): void;
  /** Connects to another rank that has joined. */
  open(rank: number): OwnConnection;
  /** A rank has joined. Its connections belong to the broker with this uuid. */
  joined(rank: number, uuid: string): void;
  left(rank: number): void;
  /**
   * For the other ranks, this rank is another broker from now on.
   * @returns its uuid
   */
  renew(): string;
  /** The broker of rank 0 leads with this epoch. */
  follows(epoch: number): void;
}

export interface DirectListener {
  connected(rank: number, connection: OwnConnection): void;
  /** A client on another machine has connected. */
  client(link: Link): void;
  /** A broadcast of rank 0. */
  events(batch: Message): void;
  /**
   * @param seq the number of the newest event that rank 0 has sent
   * @param hasStandby whether another broker waits to lead
   */
  beat(seq: number, hasStandby: boolean): void;
  /** Another broker leads now. A connection to rank 0 leads to that broker. */
  leads(uuid: string): void;
  /** The connection to the other ranks was interrupted. Messages that rank 0 has sent meanwhile may be lost. */
  restored(): void;
  /** Rank 0 has sent an invalid message. */
  failed(error: Error): void;
  log(level: LogLevel, text: string): void;
}

/**
 * Waits for a promise, for a limited time.
 * @param timeoutMs milliseconds
 */
export async function within(timeoutMs: number, wanted: Promise<unknown>): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = startTimer(timeoutMs, resolve);
    const end = (): void => {
      timer.cancel();
      resolve();
    };
    wanted.then(end, end);
  });
}
