import type { Channel, LogLevel, Message } from "../../messages/index.js";
import type { Link } from "../../nats/index.js";
import type { NatsAccess } from "../routing/overlay.js";
import { startTimer } from "../../processes/index.js";

/** A connection between two ranks, however it is made. */
export interface Connection {
  readonly channel: Channel;
  /** Ends it now, without sending the waiting messages. */
  readonly destroy: () => void;
  /** Calls back whenever anything has come from the other end; undefined: only messages come. */
  readonly onHeard?: ((listener: () => void) => void) | undefined;
}

/** A connection that this rank has made. */
export interface OwnConnection extends Connection {
  /** Resolves when nothing of it is left. */
  readonly closed: Promise<void>;
}

/** A connection in place of one that was lost, with the name under which this broker uses it. */
export interface NewConnection {
  readonly connection: OwnConnection;
  readonly uuid: string;
}

/** How rank 0 is reached by the others. */
export interface RootTransport {
  /** Takes connections from now on; each begins with the notice of the other end. */
  listen(to: RootListener): Promise<void>;
  /** The broadcast to all members; undefined: every member gets its own messages. */
  readonly broadcast?: Broadcast | undefined;
  /** The right by which this broker leads; undefined: there can be no other leader. */
  readonly leadership?: Leadership | undefined;
  /** The server that this rank is connected to, if there are any. */
  readonly server?: (() => string) | undefined;
  /** How this rank connects to servers, if there are any. */
  readonly access?: NatsAccess | undefined;
  close(): Promise<void>;
}

/** The right to lead, which another broker may get. */
export interface Leadership {
  /** Higher than the epoch of each leader before. */
  epoch(): number;
  /** Whether no other broker can lead now. */
  isHeld(): boolean;
  /** Ranks that have followed another leader, and are about to follow this one; known when {@link RootTransport.listen} resolves. */
  heirs(): ReadonlySet<number>;
  listen(to: LeadershipListener): void;
  /** Gives it back, because the instance ends. */
  release(): Promise<void>;
}

export interface LeadershipListener {
  /** Another broker leads, or may. */
  lost(why: string): void;
  /** How long a leader that cannot prove its right tries to, in milliseconds. */
  patienceMs(): number;
  log(level: LogLevel, text: string): void;
}

export interface RootListener {
  /** @param from the rank whose connection it must be, where the transport can tell */
  connected(connection: Connection, from?: number): void;
  /** A client on another machine has connected. */
  client(link: Link): void;
  /** Broadcast messages may be lost. */
  restored(): void;
  /** A broker asks for a number; undefined: it is to ask again. */
  assign(uuid: string, host: string): Assignment | undefined;
  log(level: LogLevel, text: string): void;
}

/** The answer to a broker that requests a number. */
export type Assignment =
  { readonly rank: number; readonly problem?: undefined } | { readonly problem: string };

/** Sends to all members at once. A message that is sent in this way may not reach all of them. */
export interface Broadcast {
  /**
   * Events one after the other.
   * @param first the number of the first one
   * @returns false if they cannot be sent so
   */
  events(batch: Message, first: number): boolean;
  /** This rank lives, and the newest event has this number. */
  beat(seq: number): void;
}

/** How a rank that is not 0 reaches the others. */
export interface LeafTransport {
  /**
   * Connects to rank 0; tries until it answers, or the time has passed.
   * @throws SluiceError `BROKER_STATE` with `EHOSTUNREACH`; `ECANCELED` when the signal was aborted
   */
  connect(signal: AbortSignal): Promise<OwnConnection>;
  /**
   * Connects once more, after rank 0 has closed the connection. For the other ranks, this rank is then another
   * broker.
   * @throws SluiceError `BROKER_STATE` with `EHOSTUNREACH` when rank 0 has left; `ECANCELED` when the signal was aborted
   */
  reconnect(signal: AbortSignal): Promise<NewConnection>;
  /** Broadcasts of rank 0, and connections to other ranks; undefined: all messages take the connection to rank 0. */
  readonly direct?: DirectTransport | undefined;
  /** The server that this rank is connected to, if there are any. */
  readonly server?: (() => string) | undefined;
  close(): Promise<void>;
}

export interface DirectTransport {
  listen(to: DirectListener): void;
  /** Connects to another rank that has joined. */
  open(rank: number): OwnConnection;
  /** A rank has joined: its connections are those of this broker. */
  joined(rank: number, uuid: string): void;
  left(rank: number): void;
  /**
   * For the other ranks, this rank is another broker from now on.
   * @returns its uuid
   */
  renew(): string;
  /** The broker that is rank 0 leads with this epoch. */
  follows(epoch: number): void;
}

export interface DirectListener {
  connected(rank: number, connection: OwnConnection): void;
  /** A client on another machine has connected. */
  client(link: Link): void;
  /** A broadcast of rank 0. */
  events(batch: Message): void;
  /**
   * @param seq of the newest event that rank 0 has sent
   * @param hasStandby another broker waits to lead
   */
  beat(seq: number, hasStandby: boolean): void;
  /** Another broker leads now; a connection to rank 0 is one to it. */
  leads(uuid: string): void;
  /** The way to the others was interrupted: messages that rank 0 has sent meanwhile may be lost. */
  restored(): void;
  /** Rank 0 has sent an invalid message. */
  failed(error: Error): void;
  log(level: LogLevel, text: string): void;
}

/**
 * Waits for something, though not for long.
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
