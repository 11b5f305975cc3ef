import { hostname } from "node:os";
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
import {
  type Departure,
  NO_BACKLOG,
  type Overlay,
  type OverlayReceiver,
  type PublishOutcome,
  type RankPlace,
  type UnsequencedEvent,
} from "../routing/overlay.js";
import type { Connection, RootTransport } from "./connection.js";
import { EventBatch } from "./event-batch.js";
import { EventRing } from "./event-ring.js";
import { Heartbeat } from "./heartbeat.js";
import {
  type Arrival,
  carriedMessage,
  flowOf,
  type Notice,
  noticeMessage,
  overlayProtocolError,
  readArrival,
} from "./overlay-wire.js";

/** A rank is disconnected when more than this waits for it. */
const MAX_BACKLOG_BYTES = 64 * 1024 * 1024;

/** So much is repeated at once. */
const REPEAT_BYTES = 4 * 1024 * 1024;

/** How long a connection may take to say which rank it is. */
const HELLO_TIMEOUT_MS = 10_000;

type Hello = Extract<Notice, { kind: "hello" }>;

interface Member {
  readonly rank: number;
  /** What it has said with its last heartbeat. */
  alive: Extract<Notice, { kind: "alive" }>;
  readonly hello: Hello;
  readonly connection: Connection;
  readonly channel: Channel;
}

interface Claim {
  /** The member has sent something. */
  readonly refuse: () => void;
  /** The member has missed its heartbeats. */
  readonly admit: () => void;
}

export interface RootOptions {
  readonly size: number;
  readonly instanceId: string;
  /** Of this life of the broker. */
  readonly uuid: string;
}

/** Rank 0 of an overlay: admits the other ranks, relays messages between them, and orders events. */
export class Root implements Overlay {
  readonly rank = 0;
  readonly size: number;
  readonly upstream = undefined;
  readonly #transport: RootTransport;
  readonly #options: RootOptions;
  readonly #members = new Map<number, Member>();
  /** Brokers that want the rank of a member which has been asked whether it lives. */
  readonly #claims = new Map<number, Claim>();
  readonly #batch = new EventBatch((batch, first) => this.#sendEvents(batch, first));
  /** Only where events may be lost on their way. */
  readonly #ring: EventRing | undefined;
  #heartbeat: Heartbeat | undefined;
  #receiver: OverlayReceiver | undefined;
  #seq = 0;

  constructor(transport: RootTransport, options: RootOptions) {
    this.#transport = transport;
    this.#options = options;
    this.size = options.size;
    this.#ring = transport.broadcast && new EventRing();
  }

  async start(receiver: OverlayReceiver): Promise<void> {
    this.#receiver = receiver;
    this.#heartbeat = new Heartbeat({
      periodMs: receiver.heartbeatPeriodMs(),
      lostAfterMs: () => receiver.lostAfterMs(),
      send: () => this.#beat(),
      stalled: (rank) => this.#setStalled(rank, true),
      resumed: (rank) => this.#setStalled(rank, false),
      lost: (rank) => this.#lost(rank),
    });
    await this.#transport.listen({
      connected: (connection, from) => this.#welcome(connection, from),
      restored: () => this.#beat(),
      log: (level, text) => receiver.log(level, text),
    });
  }

  ended(rank: number): void {
    this.#lost(rank);
  }

  places(): readonly RankPlace[] {
    const own = this.#transport.server?.();
    // On one machine there is nothing to tell.
    if (own === undefined) return [];
    const others = [...this.#members.values()].map(({ rank, hello: { host }, alive: { seq, server } }) => {
      return { rank, host, server, lag: Math.max(this.#seq - seq, 0) };
    });
    return [{ rank: 0, host: hostname(), server: own, lag: 0 }, ...others];
  }

  reaches(rank: number): boolean {
    return this.#members.has(rank) && this.#heartbeat?.isStalled(rank) !== true;
  }

  send(rank: number, message: RequestMessage | ResponseMessage): void {
    const member = this.#members.get(rank);
    if (member === undefined) return;
    // What was published before must not be overtaken.
    this.#batch.flush();
    this.#give(member, carriedMessage({ from: 0, to: rank, after: this.#seq, message }));
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
    await this.#transport.close();
  }

  /** Waits for a new connection to say which rank it is. */
  #welcome(connection: Connection, from: number | undefined): void {
    const { channel, destroy } = connection;
    let member: Member | undefined;
    const name = (): string => (member === undefined ? "a connection to the overlay" : `rank ${member.rank}`);
    const helloTimer = setTimeout(destroy, HELLO_TIMEOUT_MS).unref();
    channel.onClose((cause) => {
      clearTimeout(helloTimer);
      if (cause !== undefined) this.#receiver?.log("warning", `${name()} disconnected: ${messageOf(cause)}`);
      if (member !== undefined) this.#depart(member, "lost");
    });
    const heard = (): void => {
      if (member === undefined) return;
      this.#heartbeat?.heard(member.rank);
      this.#claims.get(member.rank)?.refuse();
    };
    connection.onHeard?.(heard);
    channel.onMessage((message) => {
      if (this.#receiver === undefined) return;
      try {
        const arrival = readArrival(message);
        heard();
        if (member !== undefined) this.#receive(member, arrival);
        else if (isAsk(arrival)) this.#tellAbout(channel, this.#receiver);
        else {
          clearTimeout(helloTimer);
          const hello = helloOf(arrival, from);
          const admit = (): void => {
            member = this.#admit(connection, hello);
          };
          if (this.#refusal(hello) === undefined && this.#members.has(hello.rank))
            this.#claim(connection, hello, admit);
          else admit();
        }
      } catch (error) {
        this.#receiver.log("warning", `${name()} disconnected: ${messageOf(error)}`);
        destroy();
      }
    });
  }

  /**
   * Another broker wants the rank of a member: the host of that may have died. It is refused when the member answers, and
   * takes its place once that has missed its heartbeats.
   */
  #claim(connection: Connection, { rank }: Hello, admit: () => void): void {
    const member = this.#members.get(rank);
    if (member === undefined || this.#claims.has(rank)) {
      this.#refuse(connection, this.#doubleError(rank));
      return;
    }
    const settle = (run: () => void) => () => {
      this.#claims.delete(rank);
      run();
    };
    const claim = {
      refuse: settle(() => this.#refuse(connection, this.#doubleError(rank))),
      admit: settle(() => {
        this.#lost(rank);
        admit();
      }),
    };
    if (this.#heartbeat?.isStalled(rank) === true) {
      claim.admit();
      return;
    }
    this.#claims.set(rank, claim);
    connection.channel.onClose(() => {
      if (this.#claims.get(rank) === claim) this.#claims.delete(rank);
    });
    this.#give(member, noticeMessage({ kind: "ask" }));
  }

  #doubleError(rank: number): SluiceError {
    const { host = "", pid = 0 } = this.#members.get(rank)?.hello ?? {};
    // On one machine the number says enough.
    const place = this.#transport.broadcast === undefined ? "" : ` (host ${host}, pid ${pid})`;
    return requestError("EEXIST", `rank ${rank} has already joined${place}`);
  }

  #refuse({ channel }: Connection, problem: SluiceError): void {
    this.#receiver?.log("warning", `a broker was refused: ${problem.message}`);
    const errnum = errnumOf(problem) ?? ERRNO.EINVAL;
    channel.send(noticeMessage({ kind: "refused", errnum, error: problem.message }));
    channel.close();
  }

  #tellAbout(channel: Channel, receiver: OverlayReceiver): void {
    const { instanceId, size } = this.#options;
    channel.send(noticeMessage({ kind: "about", instanceId, size, config: receiver.config() }));
  }

  /** @returns undefined if it was refused */
  #admit(connection: Connection, hello: Hello): Member | undefined {
    const problem = this.#refusal(hello);
    if (problem !== undefined) {
      this.#refuse(connection, problem);
      return undefined;
    }
    const { channel } = connection;
    const { rank, uuid } = hello;
    // Those are before its first event.
    this.#batch.flush();
    const others = [...this.#members.values()];
    channel.send(
      noticeMessage({
        kind: "welcome",
        ranks: [0, ...others.map((other) => other.rank)],
        uuids: [this.#options.uuid, ...others.map((other) => other.hello.uuid)],
        seq: this.#seq,
      }),
    );
    this.#toAll(noticeMessage({ kind: "joined", rank, uuid }));
    const alive = { kind: "alive", seq: this.#seq, server: "" } as const;
    const member: Member = { rank, alive, hello, connection, channel };
    this.#members.set(rank, member);
    for (const stalled of this.#heartbeat?.stalled ?? []) {
      channel.send(noticeMessage({ kind: "stalled", rank: stalled, on: true }));
    }
    this.#heartbeat?.add(rank);
    channel.onDrain(() => this.#receiver?.drained(rank));
    this.#receiver?.joined(rank);
    return member;
  }

  #refusal({ instanceId, rank, size }: Hello): SluiceError | undefined {
    const own = this.#options.instanceId;
    if (instanceId !== own) {
      return requestError("EINVAL", `rank ${rank} belongs to instance ${instanceId}, not ${own}`);
    }
    if (size !== this.size) {
      return requestError("EINVAL", `rank ${rank} belongs to an instance of size ${size}, not ${this.size}`);
    }
    if (rank < 1 || rank >= this.size) {
      return requestError("EINVAL", `rank ${rank} is out of range: there are 0 to ${this.size - 1}`);
    }
    return undefined;
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
        member.alive = notice;
        return;
      case "missed":
        this.#repeat(member, notice.seq);
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
    const claim = this.#claims.get(rank);
    if (on && claim !== undefined) {
      claim.admit();
      return;
    }
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
    member.connection.destroy();
    this.#depart(member, "lost");
  }

  /** Sends a rank some of what it has missed; it asks for more. */
  #repeat(member: Member, seq: number): void {
    this.#batch.flush();
    const missed = this.#ring?.since(seq, REPEAT_BYTES);
    for (const batch of missed ?? []) this.#give(member, batch);
    this.#give(member, noticeMessage({ kind: "repeated", isKept: missed !== undefined, seq: this.#seq }));
  }

  #beat(): void {
    this.#batch.flush();
    const { broadcast } = this.#transport;
    if (broadcast === undefined) this.#toAll(noticeMessage({ kind: "alive", seq: this.#seq, server: "" }));
    else broadcast.beat(this.#seq);
  }

  #sendEvents(batch: Message, first: number): void {
    this.#ring?.add(batch, this.#seq);
    if (this.#transport.broadcast?.events(batch, first) !== true) this.#toAll(batch);
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
    member.connection.destroy();
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

function isAsk(arrival: Arrival): boolean {
  return arrival.type === "notice" && arrival.notice.kind === "ask";
}

function helloOf(arrival: Arrival, from: number | undefined): Hello {
  if (arrival.type !== "notice" || arrival.notice.kind !== "hello") {
    throw overlayProtocolError("expected the notice 'hello' first");
  }
  const { rank } = arrival.notice;
  if (from !== undefined && rank !== from) {
    throw overlayProtocolError(`rank ${from} says that it is rank ${rank}`);
  }
  return arrival.notice;
}

function checkSender({ rank }: Member, from: number): void {
  if (from !== rank)
    throw overlayProtocolError(`a message in the name of rank ${from} came from rank ${rank}`);
}
