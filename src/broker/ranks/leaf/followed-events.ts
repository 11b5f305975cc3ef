import { requestError } from "../../../errors/index.js";
import type { Channel, EventMessage, Message } from "../../../messages/index.js";
import type { PublishOutcome, UnsequencedEvent } from "../../routing/overlay.js";
import { AfterEvents } from "./after-events.js";
import { EventBatch } from "../event-batch.js";
import { EventOrder } from "./event-order.js";
import { type Notice, noticeMessage } from "../overlay-wire.js";
import { OwnEvents } from "./own-events.js";
import { RecentEvents } from "./recent-events.js";

export interface FollowedEventsOptions {
  readonly rank: number;
  /** Another leader may have received less than this rank. */
  readonly keepsRecent: boolean;
  /** Sends to rank 0. */
  readonly send: (message: Message) => void;
  /** Delivers an event to this rank. */
  readonly deliver: (event: EventMessage) => void;
  /** This rank does not get all events after one, up to the other. */
  readonly missed: (after: number, upTo: number) => void;
}

type Repeated = Extract<Notice, { kind: "repeated" }>;

/**
 * The events of an instance on a rank that follows: in the order of rank 0, each once, even if messages are lost. Its
 * own events go to rank 0 and come back with their numbers.
 */
export class FollowedEvents {
  readonly #options: FollowedEventsOptions;
  readonly #after = new AfterEvents();
  readonly #own = new OwnEvents((event) => this.#batch.add(this.#options.rank, event));
  readonly #batch: EventBatch;
  readonly #recent: RecentEvents | undefined;
  #order = this.#orderFrom(0);
  /** Whether a rank 0 has admitted this rank. */
  #isIn = false;
  /** Whether this rank has requested missed events from rank 0. */
  #isCatchingUp = false;
  /** All own events up to this one have their numbers. This rank must send later ones again. */
  #resendAfter: number | undefined;

  constructor(options: FollowedEventsOptions) {
    this.#options = options;
    this.#recent = options.keepsRecent ? new RecentEvents() : undefined;
    this.#batch = new EventBatch((batch) => options.send(batch));
  }

  /** The newest event that was delivered. */
  get seq(): number {
    return this.#order.seq;
  }

  /** Rank 0 has admitted this rank for the first time, after this event. */
  begin(seq: number): void {
    this.#order = this.#orderFrom(seq);
    this.#isIn = true;
    this.#isCatchingUp = false;
  }

  /**
   * @throws SluiceError `BROKER_REQUEST` `ENODATA` if a rank 0 at this event lacks events that this rank has received
   */
  checkResume(seq: number): void {
    if (seq >= this.seq) return;
    throw requestError("ENODATA", `rank 0 has lost events after ${seq}, which this rank has received`);
  }

  /** Rank 0, or a broker that replaces it, has admitted this rank again, after this event. */
  resume(seq: number): void {
    this.#isIn = true;
    this.#isCatchingUp = false;
    this.#resendAfter = seq;
    if (this.seq < seq) this.catchUp();
    else this.#resend();
  }

  /** Sends nothing to rank 0 until this rank has joined again. */
  pause(): void {
    this.#isIn = false;
    this.#own.pause();
    this.#batch.clear();
    this.#resendAfter = undefined;
  }

  add(events: readonly EventMessage[], origin: number): void {
    for (const event of events) this.#order.add(event, origin);
    if (this.#order.hasHole) this.catchUp();
  }

  /** Rank 0 has sent events up to this one. */
  sent(seq: number): void {
    if (seq > this.seq) this.catchUp();
  }

  /** Requests missing events from rank 0, unless they are on their way. */
  catchUp(): void {
    if (!this.#isIn || this.#isCatchingUp) return;
    this.#isCatchingUp = true;
    this.#options.send(noticeMessage({ kind: "missed", seq: this.seq }));
  }

  /** Rank 0 has sent a part of the missed events, or does not keep them all. */
  repeated({ isKept, seq, own }: Repeated): void {
    this.#isCatchingUp = false;
    // Meanwhile the events may have come by another connection.
    if (!isKept && seq > this.seq) this.#skipTo(seq, own);
    if (this.#order.hasHole || seq > this.seq) this.catchUp();
  }

  /** Continues with the newest events, because rank 0 may drop the older ones before this rank has read them. */
  #skipTo(seq: number, own: readonly number[]): void {
    const after = this.seq;
    this.#options.missed(after, seq);
    this.#recent?.clear();
    const text = `this rank has missed events after ${after}, possibly including the published event`;
    const unknown = requestError("ENODATA", text);
    this.#own.missed(
      own.filter((number) => number > after),
      unknown,
    );
    if (this.#resendAfter !== undefined && seq >= this.#resendAfter) this.#resend();
    this.#order.skipTo(seq);
    this.#after.arrived(this.seq);
  }

  /** Sends a new leader the events that it has not received. */
  giveTo(channel: Channel, seq: number): void {
    const missed = this.#recent?.since(seq);
    for (const batch of missed ?? []) channel.send(batch);
    const isKept = missed !== undefined;
    channel.send(noticeMessage({ kind: "repeated", isKept, seq: this.seq, own: [] }));
  }

  /** Handles a message of a rank once the events have come that the sender had received before. */
  whenReceived(after: number, from: number, deliver: () => void): void {
    this.#after.add(from, this.seq, { after, deliver });
    this.sent(after);
  }

  /** Drops all messages that wait for events. */
  clearWaiting(): void {
    this.#after.clear();
  }

  /** @throws SluiceError `EMSGSIZE` if the event cannot be sent */
  publish(event: UnsequencedEvent, done: (outcome: PublishOutcome) => void): void {
    this.#own.publish(event, done);
  }

  /** Sends earlier events first, so that no message overtakes them. */
  flush(): void {
    this.#batch.flush();
  }

  /** Sends a message directly once the earlier events have their numbers. */
  follow(send: () => void): void {
    if (this.#own.isEmpty) send();
    else this.#own.follow(send);
  }

  /** Drops the messages that wait for own events. */
  dropMessages(): void {
    this.#own.dropMessages();
  }

  /** Fails the own events, because no rank 0 will number them any more. */
  fail(error: Error): void {
    this.#own.fail(error);
  }

  #orderFrom(seq: number): EventOrder {
    return new EventOrder(seq, (event, origin) => this.#deliver(event, origin));
  }

  #deliver(event: EventMessage, origin: number): void {
    this.#recent?.add(event, origin);
    this.#options.deliver(event);
    if (origin === this.#options.rank) this.#own.ordered(event.seq);
    if (this.#resendAfter !== undefined && event.seq >= this.#resendAfter) this.#resend();
    this.#after.arrived(event.seq);
  }

  #resend(): void {
    this.#resendAfter = undefined;
    this.#own.resend();
  }
}
