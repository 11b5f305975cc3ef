import { hostname } from "node:os";
import { messageOf, requestError, SluiceError } from "../../errors/index.js";
import {
  type Backlog,
  type EventMessage,
  Fifo,
  type FlowControl,
  type RequestMessage,
  type ResponseMessage,
} from "../../messages/index.js";
import {
  type Departure,
  NO_BACKLOG,
  type Overlay,
  type OverlayReceiver,
  type PublishOutcome,
  type UnsequencedEvent,
} from "../routing/overlay.js";
import { AfterEvents } from "./after-events.js";
import { type LeafTransport, type OwnConnection, within } from "./connection.js";
import { EventBatch } from "./event-batch.js";
import { EventOrder } from "./event-order.js";
import { Heartbeat } from "./heartbeat.js";
import { overlayStateError } from "./overlay-errors.js";
import {
  type Arrival,
  type Carried,
  carriedMessage,
  flowOf,
  type Notice,
  noticeMessage,
  overlayProtocolError,
  readArrival,
} from "./overlay-wire.js";

/** Requests and events beyond this are refused while their receiver does not read. */
const MAX_BACKLOG_BYTES = 64 * 1024 * 1024;

/** How long rank 0 may take to close the connection of a rank that leaves. */
const GOODBYE_TIMEOUT_MS = 1000;

export interface LeafOptions {
  readonly rank: number;
  readonly size: number;
  readonly instanceId: string;
  /** Of this life of the broker. */
  readonly uuid: string;
}

/** What waits for the events before it to get their place in the order: an event, or a message that follows them. */
type Unordered =
  | { readonly kind: "event"; readonly done: (outcome: PublishOutcome) => void }
  | { readonly kind: "message"; readonly send: () => void };

/**
 * Every rank but 0 of an overlay: has a connection to rank 0, which carries everything, or what is for rank 0 if there are
 * direct ones to the others.
 */
export class Leaf implements Overlay {
  readonly rank: number;
  readonly size: number;
  readonly upstream = 0;
  readonly #transport: LeafTransport;
  readonly #options: LeafOptions;
  readonly #present = new Set<number>();
  /** As rank 0 reports them. */
  readonly #stalled = new Set<number>();
  /** Direct connections to other ranks. */
  readonly #direct = new Map<number, OwnConnection>();
  readonly #afterEvents = new AfterEvents();
  /** Events of this rank come back in the order that they were sent in. */
  readonly #unordered = new Fifo<Unordered>();
  readonly #batch = new EventBatch((batch) => this.#connection?.channel.send(batch));
  readonly #closed = new AbortController();
  #receiver: OverlayReceiver | undefined;
  #heartbeat: Heartbeat | undefined;
  #connection: OwnConnection | undefined;
  #order = new EventOrder(0, () => undefined);
  /** Rank 0 has been asked for events that were missed. */
  #isCatchingUp = false;
  /** How rank 0 has left if the connection ends now. */
  #departure: Departure = "lost";

  constructor(transport: LeafTransport, options: LeafOptions) {
    this.#transport = transport;
    this.#options = options;
    this.rank = options.rank;
    this.size = options.size;
  }

  async start(receiver: OverlayReceiver): Promise<void> {
    const connection = await this.#transport.connect(this.#closed.signal);
    if (this.#closed.signal.aborted) {
      connection.destroy();
      throw closedError();
    }
    this.#connection = connection;
    const { channel } = connection;
    await new Promise<void>((resolve, reject) => {
      const refuse = (error: unknown): void => {
        connection.destroy();
        reject(overlayStateError(messageOf(error), "EHOSTUNREACH", error));
      };
      channel.onClose((cause) => {
        if (this.#receiver === undefined) refuse(cause ?? goneError());
        else this.#lost(cause);
      });
      channel.onDrain(() => this.#drained());
      connection.onHeard?.(() => this.#heartbeat?.heard(0));
      channel.onMessage((message) => {
        if (this.#closed.signal.aborted) return;
        try {
          const arrival = readArrival(message);
          this.#heartbeat?.heard(0);
          if (this.#receiver !== undefined) this.#receive(arrival);
          else if (this.#enter(arrival, receiver)) resolve();
        } catch (error) {
          if (this.#receiver !== undefined) this.#fail(error);
          else if (error instanceof SluiceError && error.code === "BROKER_STATE") reject(error);
          else refuse(error);
        }
      });
      this.#listen(receiver);
      channel.send(noticeMessage({ kind: "hello", ...this.#options, host: hostname(), pid: process.pid }));
      this.#closed.signal.addEventListener("abort", () => reject(closedError()));
    });
  }

  reaches(rank: number): boolean {
    return this.#present.has(rank) && !this.#stalled.has(rank) && this.#heartbeat?.isStalled(0) !== true;
  }

  send(rank: number, message: RequestMessage | ResponseMessage): void {
    if (message.type === "request" && this.#isOverfull(rank)) throw overfullError(rank);
    // What was published before must not be overtaken.
    this.#batch.flush();
    if (this.#hasDirect(rank) && this.#unordered.size > 0) {
      this.#unordered.push({ kind: "message", send: () => this.#send(rank, message) });
    } else {
      this.#send(rank, message);
    }
  }

  backlog(rank: number): Backlog {
    return this.#wayTo(rank)?.channel.requestBacklog() ?? NO_BACKLOG;
  }

  setFlow(rank: number, sender: string, flow: FlowControl): void {
    const notice = { kind: "hold", from: this.rank, to: rank, sender, on: flow === "hold" } as const;
    this.#wayTo(rank, true)?.channel.send(noticeMessage(notice));
  }

  publish(event: UnsequencedEvent, done: (outcome: PublishOutcome) => void): void {
    try {
      if (!this.#present.has(0)) throw goneError();
      if (this.#isOverfull(0)) throw overfullError(0);
      this.#batch.add(this.rank, { ...event, type: "event", seq: 0 });
      this.#unordered.push({ kind: "event", done });
    } catch (error) {
      done({ ok: false, error: error instanceof Error ? error : new Error(String(error)) });
    }
  }

  async close(): Promise<void> {
    const wasIn = this.#receiver !== undefined;
    this.#heartbeat?.close();
    this.#receiver = undefined;
    this.#present.clear();
    this.#closed.abort();
    await this.#leave(wasIn);
    await this.#transport.close();
  }

  async #leave(wasIn: boolean): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined) return;
    if (!wasIn) {
      connection.channel.close();
      await within(GOODBYE_TIMEOUT_MS, connection.closed);
      connection.destroy();
      return;
    }
    this.#batch.flush();
    // What the others were sent comes before this rank has left.
    const direct = [...this.#direct.values()];
    for (const { channel } of direct) channel.close();
    await within(GOODBYE_TIMEOUT_MS, Promise.all(direct.map(({ closed }) => closed)));
    connection.channel.send(noticeMessage({ kind: "goodbye" }));
    // Rank 0 closes first: what it is still sending must not meet a closed connection.
    await within(GOODBYE_TIMEOUT_MS, connection.closed);
    connection.channel.close();
    await within(GOODBYE_TIMEOUT_MS, connection.closed);
    connection.destroy();
  }

  /** Takes what does not come by the connection to rank 0. */
  #listen(receiver: OverlayReceiver): void {
    this.#transport.direct?.listen({
      connected: (rank, connection) => this.#take(rank, connection),
      events: (batch) => this.#guarded(() => this.#receive(readArrival(batch))),
      beat: (seq) => {
        this.#heartbeat?.heard(0);
        if (seq > this.#order.seq) this.#catchUp();
      },
      restored: () => this.#catchUp(),
      failed: (error) => this.#fail(error),
      log: (level, text) => receiver.log(level, text),
    });
  }

  /** What comes from outside must not do harm; before this rank is in it says nothing. */
  #guarded(run: () => void): void {
    if (this.#receiver === undefined) return;
    try {
      run();
    } catch (error) {
      this.#fail(error);
    }
  }

  #send(rank: number, message: RequestMessage | ResponseMessage): void {
    const carried = { from: this.rank, to: rank, after: this.#order.seq, message };
    this.#wayTo(rank, true)?.channel.send(carriedMessage(carried));
  }

  #hasDirect(rank: number): boolean {
    return rank !== 0 && this.#transport.direct !== undefined;
  }

  /** @param isToOpen whether a direct connection is made if there is none */
  #wayTo(rank: number, isToOpen = false): OwnConnection | undefined {
    const { direct } = this.#transport;
    if (rank === 0 || direct === undefined) return this.#connection;
    const known = this.#direct.get(rank);
    if (known !== undefined || !isToOpen || !this.#present.has(rank)) return known;
    const connection = direct.open(rank);
    this.#take(rank, connection);
    return connection;
  }

  #take(rank: number, connection: OwnConnection): void {
    const { channel } = connection;
    this.#direct.set(rank, connection);
    channel.onDrain(() => this.#receiver?.drained(rank));
    channel.onClose((cause) => {
      if (this.#direct.get(rank) === connection) this.#direct.delete(rank);
      if (cause !== undefined && this.#present.has(rank)) {
        this.#receiver?.log("warning", `rank ${rank} disconnected: ${messageOf(cause)}`);
      }
    });
    channel.onMessage((message) => {
      if (this.#receiver === undefined) return;
      try {
        this.#receiveFrom(rank, readArrival(message));
      } catch (error) {
        this.#receiver.log("warning", `rank ${rank} disconnected: ${messageOf(error)}`);
        connection.destroy();
      }
    });
  }

  /** @returns whether this was the welcome */
  #enter(arrival: Arrival, receiver: OverlayReceiver): boolean {
    const notice = arrival.type === "notice" ? arrival.notice : undefined;
    switch (notice?.kind) {
      case "refused":
        throw new SluiceError("BROKER_STATE", notice.error, { errnum: notice.errnum });
      case "welcome":
        this.#receiver = receiver;
        this.#order = new EventOrder(notice.seq, (event, origin) => this.#event(event, origin));
        notice.ranks.forEach((rank, at) => this.#joined(rank, notice.uuids[at] ?? ""));
        this.#heartbeat = this.#startHeartbeat(receiver);
        this.#beat();
        return true;
      default:
        throw overlayProtocolError("expected the notice 'welcome' or 'refused' from rank 0");
    }
  }

  /** What rank 0 sends, whatever way it comes. */
  #receive(arrival: Arrival): void {
    switch (arrival.type) {
      case "notice":
        this.#notice(arrival.notice);
        return;
      case "events":
        this.#events(arrival);
        return;
      case "carried":
        this.#carried(arrival);
        return;
    }
  }

  /** What comes by a direct connection. */
  #receiveFrom(rank: number, arrival: Arrival): void {
    const notice = arrival.type === "notice" ? arrival.notice : undefined;
    if (arrival.type === "carried" && arrival.from === rank) this.#carried(arrival);
    else if (notice?.kind === "hold" && notice.from === rank) this.#notice(notice);
    else throw overlayProtocolError(`unexpected ${notice?.kind ?? arrival.type} from rank ${rank}`);
  }

  #carried({ from, to, after, message }: Carried): void {
    if (to !== this.rank) throw overlayProtocolError(`received a message for rank ${to}`);
    const deliver = (): void => this.#receiver?.message(from, message);
    this.#afterEvents.add(from, this.#order.seq, { after, deliver });
    if (after > this.#order.seq) this.#catchUp();
  }

  #notice(notice: Notice): void {
    switch (notice.kind) {
      case "joined":
        this.#joined(notice.rank, notice.uuid);
        return;
      case "alive":
        return;
      case "stalled":
        this.#setStalled(notice.rank, notice.on);
        return;
      case "left":
        this.#left(notice.rank, notice.how);
        return;
      case "hold":
        this.#receiver?.setFlow(notice.from, notice.sender, flowOf(notice));
        return;
      case "repeated":
        this.#repeated(notice);
        return;
      case "goodbye":
        this.#departure = "goodbye";
        return;
      case "ask":
        this.#beat();
        return;
      case "about":
      case "hello":
      case "missed":
      case "welcome":
      case "refused":
        throw overlayProtocolError(`unexpected notice '${notice.kind}' from rank 0`);
    }
  }

  #startHeartbeat(receiver: OverlayReceiver): Heartbeat {
    const heartbeat = new Heartbeat({
      periodMs: receiver.heartbeatPeriodMs(),
      lostAfterMs: () => receiver.lostAfterMs(),
      send: () => this.#beat(),
      // Without rank 0 nothing is known of the others.
      stalled: () => this.#present.forEach((rank) => receiver.stalled(rank)),
      resumed: () => {
        for (const rank of this.#present) if (!this.#stalled.has(rank)) receiver.resumed(rank);
      },
      lost: () => this.#fail(requestError("EHOSTUNREACH", "rank 0 has sent no heartbeat")),
    });
    heartbeat.add(0);
    return heartbeat;
  }

  #beat(): void {
    const server = this.#transport.server?.() ?? "";
    this.#connection?.channel.send(noticeMessage({ kind: "alive", seq: this.#order.seq, server }));
  }

  #setStalled(rank: number, on: boolean): void {
    if (on) this.#stalled.add(rank);
    else this.#stalled.delete(rank);
    if (on) this.#receiver?.stalled(rank);
    else this.#receiver?.resumed(rank);
  }

  #joined(rank: number, uuid: string): void {
    this.#present.add(rank);
    this.#transport.direct?.joined(rank, uuid);
    this.#receiver?.joined(rank);
  }

  /** What a rank sent before it left in order comes first. */
  #left(rank: number, how: Departure): void {
    const deliver = (): void => {
      this.#stalled.delete(rank);
      this.#present.delete(rank);
      this.#direct.delete(rank);
      this.#transport.direct?.left(rank);
      this.#receiver?.left(rank, how);
    };
    this.#afterEvents.add(rank, this.#order.seq, { after: 0, deliver });
  }

  #events({ origin, events }: { readonly origin: number; readonly events: readonly EventMessage[] }): void {
    for (const event of events) this.#order.add(event, origin);
    if (this.#order.hasHole) this.#catchUp();
  }

  #event(event: EventMessage, origin: number): void {
    this.#receiver?.event(event);
    if (origin === this.rank) {
      const own = this.#unordered.shift();
      if (own?.kind === "event") own.done({ ok: true, seq: event.seq });
      this.#sendOrdered();
    }
    this.#afterEvents.arrived(event.seq);
  }

  /** Sends the messages that waited for events which have come. */
  #sendOrdered(): void {
    for (let next = this.#unordered.peek(); next?.kind === "message"; next = this.#unordered.peek()) {
      this.#unordered.shift();
      next.send();
    }
  }

  /** Has rank 0 send what has not come, unless it is about to. */
  #catchUp(): void {
    if (this.#receiver === undefined || this.#isCatchingUp) return;
    if (this.#transport.direct === undefined) {
      throw overlayProtocolError(`an event is missing after ${this.#order.seq}`);
    }
    this.#isCatchingUp = true;
    this.#connection?.channel.send(noticeMessage({ kind: "missed", seq: this.#order.seq }));
  }

  #repeated({ isKept, seq }: { readonly isKept: boolean; readonly seq: number }): void {
    if (!isKept) throw requestError("ENODATA", "more events were missed than rank 0 keeps");
    this.#isCatchingUp = false;
    if (this.#order.hasHole || seq > this.#order.seq) this.#catchUp();
  }

  #drained(): void {
    if (this.#transport.direct !== undefined) this.#receiver?.drained(0);
    // All that goes to other ranks goes this way.
    else this.#present.forEach((rank) => this.#receiver?.drained(rank));
  }

  #fail(error: unknown): void {
    this.#connection?.destroy();
    this.#lost(error instanceof Error ? error : new Error(String(error)));
  }

  /** Without rank 0 no rank can be reached. */
  #lost(cause: Error | undefined): void {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    this.#heartbeat?.close();
    this.#afterEvents.clear();
    if (cause !== undefined) receiver?.log("err", `disconnected from rank 0: ${messageOf(cause)}`);
    for (let next = this.#unordered.shift(); next !== undefined; next = this.#unordered.shift()) {
      if (next.kind === "event") next.done({ ok: false, error: goneError() });
    }
    const ranks = [...this.#present].sort((a, b) => b - a);
    this.#present.clear();
    for (const rank of ranks) receiver?.left(rank, this.#departure);
  }

  #isOverfull(rank: number): boolean {
    return (this.#wayTo(rank)?.channel.backlog().bytes ?? 0) > MAX_BACKLOG_BYTES;
  }
}

function overfullError(rank: number): SluiceError {
  return requestError("ENOBUFS", `over 64 MiB wait for rank ${rank}, which does not read them`);
}

function goneError(): SluiceError {
  return requestError("EHOSTUNREACH", "rank 0 has left the instance");
}

function closedError(): SluiceError {
  return overlayStateError("the broker was closed before it had joined", "ECANCELED");
}
