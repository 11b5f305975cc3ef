import { messageOf, overlayStateError, requestError, SluiceError } from "../../../errors/index.js";
import type { Channel } from "../../../messages/index.js";
import { type OwnConnection, within } from "../connection.js";
import {
  type Arrival,
  type Notice,
  noticeMessage,
  overlayProtocolError,
  readArrival,
} from "../overlay-wire.js";

/** How long rank 0 may take to close the connection of a rank that leaves. */
export const GOODBYE_TIMEOUT_MS = 1000;

export type Welcome = Extract<Notice, { kind: "welcome" }>;

/** The outcome of a connection to rank 0. */
export interface HandshakeListener {
  /** Whether it is still the present attempt. */
  isCurrent(): boolean;
  /** A message has come from rank 0; called before the method for the message itself. */
  heard(): void;
  /** Rank 0 does not have all events yet, and requests those after this one. */
  missed(channel: Channel, seq: number): void;
  /** @throws SluiceError if this rank cannot continue from there */
  welcomed(welcome: Welcome): void;
  /** Another broker may still be this rank. */
  toldToWait(why: string): void;
  receive(arrival: Arrival): void;
  /** This rank has received an invalid message. */
  failed(error: unknown): void;
  lost(cause: Error): void;
  drained(): void;
  /** Runs a function when it is certain that this rank does not count as lost. */
  whenSure(run: () => void): void;
  /** Rank 0 has confirmed that this rank does not count as lost. */
  confirmed(number: number): void;
}

/**
 * Says hello through a connection, and takes the messages that it receives.
 * @returns resolves when rank 0 has admitted this rank
 * @throws SluiceError `BROKER_STATE`: the reason of rank 0; `EHOSTUNREACH` if the connection has ended; `ECANCELED` after an
 *   abort of the signal
 */
export function join(
  connection: OwnConnection,
  hello: Notice,
  to: HandshakeListener,
  signal: AbortSignal,
): Promise<void> {
  const { channel } = connection;
  return new Promise<void>((resolve, reject) => {
    let isIn = false;
    const refuse = (error: unknown): void => {
      connection.destroy();
      reject(overlayStateError(messageOf(error), "EHOSTUNREACH", error));
    };
    channel.onClose((cause) => {
      if (!isIn) refuse(cause ?? goneError());
      else if (to.isCurrent()) to.lost(cause ?? goneError());
    });
    channel.onDrain(() => to.isCurrent() && to.drained());
    connection.onHeard?.(() => to.isCurrent() && to.heard());
    const take = (arrival: Arrival): void => {
      const notice = arrival.type === "notice" ? arrival.notice : undefined;
      if (isIn) to.receive(arrival);
      else if (notice?.kind === "missed") to.missed(channel, notice.seq);
      else if (notice?.kind === "wait") to.toldToWait(notice.why);
      else {
        to.welcomed(welcomeOf(notice));
        isIn = true;
        resolve();
      }
    };
    channel.onMessage((message) => {
      if (!to.isCurrent()) return;
      try {
        const arrival = readArrival(message);
        to.heard();
        if (arrival.type === "notice" && arrival.notice.kind === "still") to.confirmed(arrival.notice.number);
        else to.whenSure(() => to.isCurrent() && take(arrival));
      } catch (error) {
        if (isIn) to.failed(error);
        else if (error instanceof SluiceError && error.code === "BROKER_STATE") reject(error);
        else refuse(error);
      }
    });
    channel.send(noticeMessage(hello));
    signal.addEventListener("abort", () => reject(closedError()));
  });
}

/** Says goodbye. The other ranks receive their messages before rank 0 receives the goodbye. */
export async function leave(connection: OwnConnection, direct: readonly OwnConnection[]): Promise<void> {
  for (const { channel } of direct) channel.close();
  await within(GOODBYE_TIMEOUT_MS, Promise.all(direct.map(({ closed }) => closed)));
  connection.channel.send(noticeMessage({ kind: "goodbye" }));
  // Rank 0 closes first, so that the messages that it still sends do not meet a closed connection.
  await within(GOODBYE_TIMEOUT_MS, connection.closed);
  connection.channel.close();
  await within(GOODBYE_TIMEOUT_MS, connection.closed);
  connection.destroy();
}

/** @throws SluiceError unless this is the welcome */
function welcomeOf(notice: Notice | undefined): Welcome {
  if (notice?.kind === "welcome") return notice;
  if (notice?.kind === "refused") {
    throw new SluiceError("BROKER_STATE", notice.error, { errnum: notice.errnum });
  }
  throw overlayProtocolError("expected the notice 'welcome' or 'refused' from rank 0");
}

export function goneError(): SluiceError {
  return requestError("EHOSTUNREACH", "rank 0 has left the instance");
}

export function closedError(): SluiceError {
  return overlayStateError("the broker closed before it had joined", "ECANCELED");
}
