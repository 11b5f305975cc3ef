import { hostname } from "node:os";
import { requestError } from "../../../errors/index.js";
import type {
  Backlog,
  FlowControl,
  Message,
  RequestMessage,
  ResponseMessage,
} from "../../../messages/index.js";
import {
  type Departure,
  type NatsAccess,
  NO_BACKLOG,
  type Overlay,
  type OverlayReceiver,
  type PublishOutcome,
  type RankPlace,
  type UnsequencedEvent,
} from "../../routing/overlay.js";
import { Admission, type RootOptions } from "./admission.js";
import { takeClient } from "../client-connection.js";
import type { RootTransport } from "../connection.js";
import { RING_BYTES } from "./event-ring.js";
import { Heartbeat, MISSED_BEATS } from "../heartbeat.js";
import { type Member, Members } from "./members.js";
import { NumberedEvents } from "./numbered-events.js";
import {
  type Arrival,
  carriedMessage,
  flowOf,
  type Notice,
  noticeMessage,
  overlayProtocolError,
} from "../overlay-wire.js";
import { Succession } from "./succession.js";

/** Rank 0 of an overlay: admits the other ranks, relays messages between them, and orders events. */
export class Root implements Overlay {
  readonly rank = 0;
  readonly size: number;
  readonly upstream = undefined;
  readonly #transport: RootTransport;
  readonly #members: Members;
  readonly #admission: Admission;
  readonly #events: NumberedEvents;
  /** Set until this broker has the events numbered by another leader. */
  #succession: Succession | undefined;
  #heartbeat: Heartbeat | undefined;
  #receiver: OverlayReceiver | undefined;

  constructor(transport: RootTransport, options: RootOptions) {
    this.#transport = transport;
    this.size = options.size;
    this.#members = new Members({
      departed: (member, how) => this.#departed(member, how),
      tooSlow: ({ rank }, why) => this.#receiver?.log("err", `rank ${rank} disconnected: ${why}`),
    });
    this.#events = new NumberedEvents({
      mayNumber: () => transport.leadership?.isHeld() !== false,
      send: (batch, first) => this.#sendEvents(batch, first),
      deliver: (event) => this.#receiver?.event(event),
      keptBytes: () => this.#keptBytes(),
    });
    this.#admission = new Admission(options, transport.broadcast !== undefined, this.#members, {
      receiver: () => this.#receiver,
      heartbeat: () => this.#heartbeat,
      succession: () => this.#succession,
      epoch: () => this.epoch() ?? 1,
      seq: () => {
        this.#events.flush();
        return this.#events.seq;
      },
      receive: (member, arrival) => this.#receive(member, arrival),
    });
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
    const { leadership } = this.#transport;
    if (leadership !== undefined) this.#succession = new Succession();
    await this.#transport.listen({
      connected: (connection, from) => this.#admission.welcome(connection, from),
      client: (link) => takeClient(link, this.#receiver),
      restored: () => this.#beat(),
      assign: (uuid, host) =>
        this.#succession === undefined ? this.#admission.assign(uuid, host) : undefined,
      log: (level, text) => receiver.log(level, text),
    });
    if (leadership === undefined) return;
    leadership.listen({
      lost: (why) => this.#deposed(why),
      patienceMs: () => receiver.lostAfterMs(),
      log: (level, text) => receiver.log(level, text),
    });
    await this.#inherit(leadership.heirs(), receiver.heartbeatPeriodMs() * MISSED_BEATS);
  }

  epoch(): number | undefined {
    return this.#transport.leadership?.epoch();
  }

  access(): NatsAccess | undefined {
    return this.#transport.access;
  }

  ended(rank: number): void {
    this.#lost(rank);
    this.#admission.ended(rank);
  }

  places(): readonly RankPlace[] {
    const own = this.#transport.server?.();
    // On one machine rank 0 needs no report.
    if (own === undefined) return [];
    const others = this.#members.all.map(({ rank, hello: { host }, alive: { seq, server } }) => {
      return { rank, host, server, lag: Math.max(this.#events.seq - seq, 0) };
    });
    return [{ rank: 0, host: hostname(), server: own, lag: 0 }, ...others];
  }

  reaches(rank: number): boolean {
    return this.#members.has(rank) && this.#heartbeat?.isStalled(rank) !== true;
  }

  send(rank: number, message: RequestMessage | ResponseMessage): void {
    const member = this.#members.get(rank);
    if (member === undefined) return;
    // Earlier events must stay before this message.
    this.#events.flush();
    this.#members.give(member, carriedMessage({ from: 0, to: rank, after: this.#events.seq, message }));
  }

  backlog(rank: number): Backlog {
    return this.#members.get(rank)?.channel.requestBacklog() ?? NO_BACKLOG;
  }

  setFlow(rank: number, sender: string, flow: FlowControl): void {
    this.#passOn({ kind: "hold", from: 0, to: rank, sender, on: flow === "hold" });
  }

  publish(event: UnsequencedEvent, done: (outcome: PublishOutcome) => void): void {
    try {
      done({ ok: true, seq: this.#events.number({ ...event, type: "event", seq: 0 }, 0) });
    } catch (error) {
      done({ ok: false, error: error instanceof Error ? error : new Error(String(error)) });
    }
  }

  forget(rank: number): void {
    if (rank < 1 || rank >= this.size) {
      throw requestError("EINVAL", `cannot forget rank ${rank}: it must be from 1 to ${this.size - 1}`);
    }
    if (this.reaches(rank)) {
      throw requestError("EBUSY", `rank ${rank} answers${this.#admission.placeOf(rank)}: stop it instead`);
    }
    this.#lost(rank);
    this.#admission.forget(rank);
  }

  async close(): Promise<void> {
    this.#admission.close();
    this.#events.flush();
    this.#heartbeat?.close();
    this.#receiver = undefined;
    for (const { channel } of this.#members.dismiss()) channel.send(noticeMessage({ kind: "goodbye" }));
    await this.#transport.leadership?.release();
    await this.#transport.close();
  }

  /**
   * Nothing from this broker counts any more, because another one leads, or may lead. The ranks follow the
   * other broker.
   */
  #deposed(why: string): void {
    const receiver = this.#receiver;
    if (receiver === undefined) return;
    receiver.log("err", `this broker no longer leads: ${why}`);
    this.#events.clear();
    this.#heartbeat?.close();
    for (const { rank } of this.#members.dismiss()) receiver.left(rank, "lost");
    receiver.abandoned("this broker no longer leads");
  }

  /** Continues from the end of another leader. */
  async #inherit(ranks: ReadonlySet<number>, timeoutMs: number): Promise<void> {
    const succession = this.#succession ?? new Succession();
    const inheritance = await succession.inherit(ranks, timeoutMs, () => this.#keptBytes());
    if (inheritance !== undefined) {
      this.#events.resume(inheritance.seq, inheritance.ring);
      this.#receiver?.log("notice", `this broker leads from event ${inheritance.seq} on`);
      this.#admission.inherited(succession.ranks);
    }
    this.#succession = undefined;
    succession.close();
  }

  #keptBytes(): number {
    return this.#receiver?.keptEventsBytes() ?? RING_BYTES;
  }

  #receive(member: Member, arrival: Arrival): void {
    switch (arrival.type) {
      case "notice":
        this.#notice(member, arrival.notice);
        return;
      case "events":
        checkSender(member, arrival.origin);
        // The ranks send these events again to the next leader.
        if (!this.#events.mayNumber) return;
        for (const event of arrival.events) member.own.push(this.#events.number(event, member.rank));
        return;
      case "carried": {
        const { from, to, message } = arrival;
        checkSender(member, from);
        if (to === 0) {
          this.#receiver?.message(from, message);
          return;
        }
        const target = this.#members.get(to);
        // If the target has left, the notice of its departure is on its way to the sender.
        if (target !== undefined) this.#members.give(target, carriedMessage(arrival));
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
        for (let own = member.own.peek(); own !== undefined && own <= notice.seq; own = member.own.peek()) {
          member.own.shift();
        }
        return;
      case "missed":
        this.#repeat(member, notice.seq);
        return;
      case "still":
        this.#members.give(member, noticeMessage(notice));
        return;
      case "goodbye":
        // It waits until this end closes, so that its messages do not meet a closed connection.
        this.#members.depart(member, "goodbye");
        member.channel.close();
        return;
      default:
        throw overlayProtocolError(`unexpected notice '${notice.kind}' from a rank`);
    }
  }

  #setStalled(rank: number, on: boolean): void {
    if (on && this.#admission.stalled(rank)) return;
    for (const member of this.#members.all) {
      if (member.rank !== rank) this.#members.give(member, noticeMessage({ kind: "stalled", rank, on }));
    }
    if (on) this.#receiver?.stalled(rank);
    else this.#receiver?.resumed(rank);
  }

  #lost(rank: number): void {
    const member = this.#members.get(rank);
    if (member !== undefined) this.#members.lost(member);
  }

  /** Sends a rank a part of the events that it has missed. The rank requests more. */
  #repeat(member: Member, seq: number): void {
    const missed = this.#events.since(seq);
    for (const batch of missed ?? []) this.#members.give(member, batch);
    const isKept = missed !== undefined;
    const own = isKept ? [] : [...member.own].filter((number) => number > seq);
    this.#members.give(member, noticeMessage({ kind: "repeated", isKept, seq: this.#events.seq, own }));
  }

  #beat(): void {
    this.#events.flush();
    const { broadcast } = this.#transport;
    if (broadcast === undefined)
      this.#members.toAll(noticeMessage({ kind: "alive", seq: this.#events.seq, server: "", stopsMs: 0 }));
    else broadcast.beat(this.#events.seq);
  }

  #sendEvents(batch: Message, first: number): void {
    if (this.#transport.broadcast?.events(batch, first) !== true) this.#members.toAll(batch);
  }

  #passOn(notice: Extract<Notice, { kind: "hold" }>): void {
    const target = this.#members.get(notice.to);
    if (target !== undefined) this.#members.give(target, noticeMessage(notice));
  }

  #departed(member: Member, how: Departure): void {
    const { rank } = member;
    const silentMs = this.#heartbeat?.silentMs(rank) ?? 0;
    this.#heartbeat?.delete(rank);
    this.#receiver?.left(rank, how);
    this.#admission.departed(member, how, silentMs);
  }
}

function checkSender({ rank }: Member, from: number): void {
  if (from !== rank)
    throw overlayProtocolError(`a message in the name of rank ${from} came from rank ${rank}`);
}
