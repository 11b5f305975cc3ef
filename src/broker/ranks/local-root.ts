import { ERRNO, errnumOf, messageOf, requestError, type SluiceError } from "../../errors/index.js";
import type {
  Backlog,
  Channel,
  EventMessage,
  FlowControl,
  Message,
  RequestMessage,
  ResponseMessage,
} from "../../messages/index.js";
import { systemClock } from "../clock.js";
import { Heartbeat } from "./heartbeat.js";
import { EventBatch } from "./local-batch.js";
import {
  type Arrival,
  carriedMessage,
  flowOf,
  type Notice,
  noticeMessage,
  OVERLAY_LIMITS,
  overlayProtocolError,
  readArrival,
} from "./local-wire.js";
import {
  type Departure,
  NO_BACKLOG,
  type Overlay,
  type OverlayReceiver,
  type PublishOutcome,
  type UnsequencedEvent,
} from "../routing/overlay.js";
import { SocketServer } from "../routing/socket-server.js";

/** A rank is disconnected when more than this waits for it. */
const MAX_BACKLOG_BYTES = 64 * 1024 * 1024;

/** How long a connection may take to say which rank it is. */
const HELLO_TIMEOUT_MS = 10_000;

interface Member {
  readonly rank: number;
  readonly channel: Channel;
  /** Ends the connection whatever waits. */
  readonly destroy: () => void;
}

/** Rank 0 of the local overlay: admits the other ranks, relays messages between them, and orders events. */
export class LocalRoot implements Overlay {
  readonly rank = 0;
  readonly size: number;
  readonly upstream = undefined;
  readonly #path: string;
  readonly #instanceId: string;
  readonly #members = new Map<number, Member>();
  readonly #batch = new EventBatch((batch) => this.#toAll(batch));
  #server: SocketServer | undefined;
  #heartbeat: Heartbeat | undefined;
  #receiver: OverlayReceiver | undefined;
  #seq = 0;

  constructor(path: string, options: { readonly size: number; readonly instanceId: string }) {
    this.#path = path;
    this.size = options.size;
    this.#instanceId = options.instanceId;
  }

  async start(receiver: OverlayReceiver): Promise<void> {
    this.#receiver = receiver;
    this.#heartbeat = new Heartbeat({
      periodMs: receiver.heartbeatPeriodMs(),
      lostAfterMs: () => receiver.lostAfterMs(),
      send: () => this.#toAll(noticeMessage({ kind: "alive" })),
      stalled: (rank) => this.#setStalled(rank, true),
      resumed: (rank) => this.#setStalled(rank, false),
      lost: (rank) => this.#lost(rank),
    });
    this.#server = await SocketServer.listen({
      path: this.#path,
      clock: systemClock,
      limits: () => OVERLAY_LIMITS,
      onConnection: (channel, destroy) => this.#welcome(channel, destroy),
      onError: (error) => receiver.log("err", `overlay socket: ${error.message}`),
    });
  }

  reaches(rank: number): boolean {
    return this.#members.has(rank) && this.#heartbeat?.isStalled(rank) !== true;
  }

  send(rank: number, message: RequestMessage | ResponseMessage): void {
    const member = this.#members.get(rank);
    if (member === undefined) return;
    // What was published before must not be overtaken.
    this.#batch.flush();
    this.#give(member, carriedMessage({ from: 0, to: rank, message }));
  }

  backlog(rank: number): Backlog {
    return this.#members.get(rank)?.channel.requestBacklog() ?? NO_BACKLOG;
  }

  setFlow(rank: number, sender: string, flow: FlowControl): void {
    this.#passOn({ kind: "hold", from: 0, to: rank, sender, on: flow === "hold" });
  }

  publish(event: UnsequencedEvent, done: (outcome: PublishOutcome) => void): void {
    try {
      done({ ok: true, seq: this.#order({ ...event, type: "event", seq: 0 }, 0) });
    } catch (error) {
      done({ ok: false, error: error instanceof Error ? error : new Error(String(error)) });
    }
  }

  async close(): Promise<void> {
    this.#batch.flush();
    this.#heartbeat?.close();
    this.#receiver = undefined;
    for (const { channel } of this.#members.values()) channel.send(noticeMessage({ kind: "goodbye" }));
    this.#members.clear();
    await this.#server?.close();
  }

  /** Waits for a new connection to say which rank it is. */
  #welcome(channel: Channel, destroy: () => void): void {
    let member: Member | undefined;
    const helloTimer = setTimeout(destroy, HELLO_TIMEOUT_MS).unref();
    channel.onClose((cause) => {
      clearTimeout(helloTimer);
      const peer = member === undefined ? "a connection to the overlay" : `rank ${member.rank}`;
      if (cause !== undefined) this.#receiver?.log("warning", `${peer} disconnected: ${messageOf(cause)}`);
      if (member !== undefined) this.#depart(member, "lost");
    });
    channel.onMessage((message) => {
      if (this.#receiver === undefined) return;
      try {
        const arrival = readArrival(message);
        if (member !== undefined) {
          this.#heartbeat?.heard(member.rank);
          this.#receive(member, arrival);
          return;
        }
        clearTimeout(helloTimer);
        member = this.#admit(channel, destroy, arrival);
      } catch (error) {
        const peer = member === undefined ? "a connection to the overlay" : `rank ${member.rank}`;
        this.#receiver.log("warning", `${peer} disconnected: ${messageOf(error)}`);
        destroy();
      }
    });
  }

  /** @returns undefined if it was refused */
  #admit(channel: Channel, destroy: () => void, arrival: Arrival): Member | undefined {
    if (arrival.type !== "notice" || arrival.notice.kind !== "hello") {
      throw overlayProtocolError("expected the notice 'hello' first");
    }
    const problem = this.#refusal(arrival.notice);
    if (problem !== undefined) {
      this.#receiver?.log("warning", `a broker was refused: ${problem.message}`);
      const errnum = errnumOf(problem) ?? ERRNO.EINVAL;
      channel.send(noticeMessage({ kind: "refused", errnum, error: problem.message }));
      channel.close();
      return undefined;
    }
    const { rank } = arrival.notice;
    // Those are before its first event.
    this.#batch.flush();
    const ranks = [0, ...this.#members.keys()];
    channel.send(noticeMessage({ kind: "welcome", ranks, seq: this.#seq }));
    this.#toAll(noticeMessage({ kind: "joined", rank }));
    const member = { rank, channel, destroy };
    this.#members.set(rank, member);
    for (const stalled of this.#heartbeat?.stalled ?? []) {
      channel.send(noticeMessage({ kind: "stalled", rank: stalled, on: true }));
    }
    this.#heartbeat?.add(rank);
    channel.onDrain(() => this.#receiver?.drained(rank));
    this.#receiver?.joined(rank);
    return member;
  }

  #refusal({ instanceId, rank, size }: Extract<Notice, { kind: "hello" }>): SluiceError | undefined {
    if (instanceId !== this.#instanceId) {
      return requestError(
        "EINVAL",
        `rank ${rank} belongs to instance ${instanceId}, not ${this.#instanceId}`,
      );
    }
    if (size !== this.size) {
      return requestError("EINVAL", `rank ${rank} belongs to an instance of size ${size}, not ${this.size}`);
    }
    if (rank < 1 || rank >= this.size) {
      return requestError("EINVAL", `rank ${rank} is out of range: there are 0 to ${this.size - 1}`);
    }
    return this.#members.has(rank) ? requestError("EEXIST", `rank ${rank} has already joined`) : undefined;
  }

  #receive(member: Member, arrival: Arrival): void {
    switch (arrival.type) {
      case "notice":
        this.#notice(member, arrival.notice);
        return;
      case "events":
        checkSender(member, arrival.origin);
        for (const event of arrival.events) this.#order(event, member.rank);
        return;
      case "carried": {
        const { from, to, message } = arrival;
        checkSender(member, from);
        if (to === 0) {
          this.#receiver?.message(from, message);
          return;
        }
        const target = this.#members.get(to);
        // Otherwise the notice of its leaving is on its way to the sender.
        if (target !== undefined) this.#give(target, carriedMessage(arrival));
        return;
      }
    }
  }

  #notice(member: Member, notice: Notice): void {
    switch (notice.kind) {
      case "hold":
        checkSender(member, notice.from);
        if (notice.to === 0) this.#receiver?.setFlow(notice.from, notice.sender, flowOf(notice));
        else this.#passOn(notice);
        return;
      case "alive":
        return;
      case "goodbye":
        // It waits for this end to close, so that nothing on its way there meets a closed connection.
        this.#depart(member, "goodbye");
        member.channel.close();
        return;
      default:
        throw overlayProtocolError(`unexpected notice '${notice.kind}' from a rank`);
    }
  }

  #setStalled(rank: number, on: boolean): void {
    for (const member of this.#members.values()) {
      if (member.rank !== rank) this.#give(member, noticeMessage({ kind: "stalled", rank, on }));
    }
    if (on) this.#receiver?.stalled(rank);
    else this.#receiver?.resumed(rank);
  }

  /** A rank that wakes up after this finds its connection closed. */
  #lost(rank: number): void {
    const member = this.#members.get(rank);
    if (member === undefined) return;
    member.destroy();
    this.#depart(member, "lost");
  }

  #passOn(notice: Extract<Notice, { kind: "hold" }>): void {
    const target = this.#members.get(notice.to);
    if (target !== undefined) this.#give(target, noticeMessage(notice));
  }

  /** Gives an event its place in the order. */
  #order(event: EventMessage, origin: number): number {
    const sequenced = { ...event, seq: this.#seq + 1 };
    this.#batch.add(origin, sequenced);
    this.#seq += 1;
    this.#receiver?.event(sequenced);
    return sequenced.seq;
  }

  #toAll(message: Message): void {
    for (const member of [...this.#members.values()]) this.#give(member, message);
  }

  #give(member: Member, message: Message): void {
    member.channel.send(message);
    const { bytes } = member.channel.backlog();
    if (bytes <= MAX_BACKLOG_BYTES) return;
    const size = `${Math.round(bytes / 2 ** 20)} MiB`;
    const why = `it has not read the ${size} waiting for it`;
    this.#receiver?.log("err", `rank ${member.rank} disconnected: ${why}`);
    member.destroy();
    this.#depart(member, "lost");
  }

  #depart(member: Member, how: Departure): void {
    const { rank } = member;
    if (this.#members.get(rank) !== member) return;
    this.#members.delete(rank);
    this.#heartbeat?.delete(rank);
    this.#toAll(noticeMessage({ kind: "left", rank, how }));
    this.#receiver?.left(rank, how);
  }
}

function checkSender({ rank }: Member, from: number): void {
  if (from !== rank)
    throw overlayProtocolError(`a message in the name of rank ${from} came from rank ${rank}`);
}
