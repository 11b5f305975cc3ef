import type { Channel, LogLevel, Message } from "../../messages/index.js";
import { startTimer } from "../../processes/index.js";

/** A connection between two ranks, however it is made. */
export interface Connection {
  readonly channel: Channel;
  /** Ends it now, whatever waits to be sent. */
  readonly destroy: () => void;
  /** Calls back whenever anything has come from the other end; undefined: only messages come. */
  readonly onHeard?: ((listener: () => void) => void) | undefined;
}

/** A connection that this rank has made. */
export interface OwnConnection extends Connection {
  /** Resolves when nothing of it is left. */
  readonly closed: Promise<void>;
}

/** How rank 0 is reached by the others. */
export interface RootTransport {
  /** Takes connections from now on; each begins with the notice of the other end. */
  listen(to: RootListener): Promise<void>;
  /** What reaches all members at once; undefined: each of them is sent everything. */
  readonly broadcast?: Broadcast | undefined;
  /** The server that this rank is connected to, if there are any. */
  readonly server?: (() => string) | undefined;
  close(): Promise<void>;
}

export interface RootListener {
  /** @param from the rank whose connection it must be, where the transport knows */
  connected(connection: Connection, from?: number): void;
  /** What was sent to all members may be lost. */
  restored(): void;
  log(level: LogLevel, text: string): void;
}

/** Sends to all members at once. What is sent so may be lost on the way to some of them. */
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
   * Connects to rank 0; tries until it is there, or the time is up.
   * @throws SluiceError `BROKER_STATE` with `EHOSTUNREACH`; `ECANCELED` when the signal was aborted
   */
  connect(signal: AbortSignal): Promise<OwnConnection>;
  /** What rank 0 broadcasts, and connections to other ranks; undefined: all goes by the connection to rank 0. */
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
}

export interface DirectListener {
  connected(rank: number, connection: OwnConnection): void;
  /** A broadcast of rank 0. */
  events(batch: Message): void;
  /** @param seq of the newest event that rank 0 has sent */
  beat(seq: number): void;
  /** The way to the others was interrupted: what rank 0 has sent meanwhile may be lost. */
  restored(): void;
  /** What rank 0 has sent is invalid. */
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
