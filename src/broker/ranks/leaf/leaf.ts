import { hostname } from "node:os";
import { messageOf, requestError, type SluiceError } from "../../../errors/index.js";
import type { Backlog, FlowControl, RequestMessage, ResponseMessage } from "../../../messages/index.js";
import {
  type Departure,
  NO_BACKLOG,
  type Overlay,
  type OverlayReceiver,
  type PublishOutcome,
  type UnsequencedEvent,
} from "../../routing/overlay.js";
import { takeClient } from "../client-connection.js";
import { Company } from "./company.js";
import { type LeafTransport, type NewConnection, type OwnConnection, within } from "../connection.js";
import { FollowedEvents } from "./followed-events.js";
import { closedError, GOODBYE_TIMEOUT_MS, goneError, join, leave, type Welcome } from "./handshake.js";
import { MISSED_BEATS } from "../heartbeat.js";
import { LeaderWatch } from "./leader-watch.js";
import { LeafInbox } from "./leaf-inbox.js";
import { type Arrival, carriedMessage, type Notice, noticeMessage, readArrival } from "../overlay-wire.js";
import { WakeCheck } from "./wake-check.js";

/** This rank refuses requests and events above this limit while their receiver does not read. */
const MAX_BACKLOG_BYTES = 64 * 1024 * 1024;

export interface LeafOptions {
  readonly rank: number;
  readonly size: number;
  readonly instanceId: string;
  /** Identifies this run of the broker. */
  readonly uuid: string;
}

/**
 * Every rank other than 0 of an overlay: it has a connection to rank 0. That connection carries all messages, or only
 * those for rank 0 if there are direct connections to the other ranks.
 */
export class Leaf implements Overlay {
  readonly rank: number;
  readonly size: number;
  readonly upstream = 0;
  readonly #transport: LeafTransport;
  readonly #options: LeafOptions;
  readonly #company: Company;
  readonly #events: FollowedEvents;
  readonly #inbox: LeafInbox;
  readonly #leader: LeaderWatch;
  readonly #wakeCheck: WakeCheck;
  readonly #closed = new AbortController();
  #receiver: OverlayReceiver | undefined;
  #connection: OwnConnection | undefined;
  /** How rank 0 leaves if the connection ends now. */
  #departure: Departure = "lost";
  #uuid: string;
  /** The connection to rank 0 was lost. There is no new one yet. */
  #isAway = false;
  /** Counts the connections that were begun. */
  #attempt = 0;

  constructor(transport: LeafTransport, options: LeafOptions) {
    this.#transport = transport;
    this.#options = options;
    this.rank = options.rank;
    this.size = options.size;
    this.#uuid = options.uuid;
    const receiver = (): OverlayReceiver | undefined => this.#receiver;
    const toRankZero = (): OwnConnection | undefined => this.#connection;
    this.#company = new Company({
      ...{ transport, receiver, toRankZero },
      receive: (rank, arrival) => this.#inbox.fromRank(rank, arrival),
    });
    this.#events = new FollowedEvents({
      rank: options.rank,
      keepsRecent: transport.direct !== undefined,
      send: (message) => this.#connection?.channel.send(message),
      deliver: (event) => this.#receiver?.event(event),
      missed: (after, upTo) => this.#receiver?.missed(after, upTo),
    });
    this.#inbox = new LeafInbox({
      ...{ rank: options.rank, company: this.#company, events: this.#events, receiver },
      asked: () => this.#beat(),
      goodbye: () => (this.#departure = "goodbye"),
    });
    this.#leader = new LeaderWatch({
      company: this.#company,
      beat: () => this.#beat(),
      lost: (cause) => this.#lost(cause),
      gaveUp: (cause) => this.#fail(cause),
    });
    this.#wakeCheck = new WakeCheck((number) => {
      this.#connection?.channel.send(noticeMessage({ kind: "still", number }));
    });
  }

  async start(receiver: OverlayReceiver): Promise<void> {
    const connection = await this.#transport.connect(this.#closed.signal);
    if (this.#closed.signal.aborted) {
      connection.destroy();
      throw closedError();
    }
    this.#listen(receiver);
    await this.#join(connection, receiver);
  }

  #join(connection: OwnConnection, receiver: OverlayReceiver): Promise<void> {
    this.#connection = connection;
    const { signal } = this.#closed;
    const listener = {
      isCurrent: () => this.#connection === connection && !signal.aborted,
      heard: () => this.#leader.heard(),
      missed: (channel: OwnConnection["channel"], seq: number) => this.#events.giveTo(channel, seq),
      welcomed: (welcome: Welcome) => this.#enter(welcome, receiver),
      receive: (arrival: Arrival) => this.#inbox.fromRankZero(arrival),
      failed: (error: unknown) => this.#fail(error),
      lost: (cause: Error) => this.#lost(cause),
      toldToWait: (why: string) => receiver.log("notice", why),
      drained: () => this.#drained(),
      whenSure: (run: () => void) => this.#wakeCheck.whenSure(run),
      confirmed: (number: number) => this.#wakeCheck.confirmed(number),
    };
    return join(connection, this.#hello(), listener, signal);
  }

  #hello(): Notice {
    const seq = this.#receiver === undefined ? 0 : this.#events.seq;
    return { kind: "hello", ...this.#options, uuid: this.#uuid, seq, host: hostname(), pid: process.pid };
  }

  reaches(rank: number): boolean {
    return (
      this.#company.has(rank) &&
      !this.#company.isStalled(rank) &&
      !this.#leader.stalledWithRankZero.includes(rank)
    );
  }

  awaits(rank: number): boolean {
    return rank === 0 && this.#leader.hasStandby && this.#receiver !== undefined && !this.reaches(0);
  }

  send(rank: number, message: RequestMessage | ResponseMessage): void {
    if (message.type === "request" && this.#isOverfull(rank)) throw overfullError(rank);
    // Earlier events must stay before this message.
    this.#events.flush();
    if (this.#company.hasDirect(rank)) this.#events.follow(() => this.#send(rank, message));
    else this.#send(rank, message);
  }

  backlog(rank: number): Backlog {
    return this.#company.wayTo(rank)?.channel.requestBacklog() ?? NO_BACKLOG;
  }

  setFlow(rank: number, sender: string, flow: FlowControl): void {
    const notice = { kind: "hold", from: this.rank, to: rank, sender, on: flow === "hold" } as const;
    this.#company.wayTo(rank, true)?.channel.send(noticeMessage(notice));
  }

  publish(event: UnsequencedEvent, done: (outcome: PublishOutcome) => void): void {
    try {
      if (!this.#company.has(0) && !this.awaits(0)) throw goneError();
      if (this.#isOverfull(0)) throw overfullError(0);
      this.#events.publish(event, done);
    } catch (error) {
      done({ ok: false, error: error instanceof Error ? error : new Error(String(error)) });
    }
  }

  async close(): Promise<void> {
    const wasIn = this.#receiver !== undefined && !this.#isAway;
    this.#receiver = undefined;
    this.#company.clear();
    this.#closed.abort();
    this.#rest();
    await this.#leave(wasIn);
    await this.#transport.close();
  }

  async #leave(wasIn: boolean): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined) return;
    if (wasIn) {
      this.#events.flush();
      await leave(connection, this.#company.direct);
      return;
    }
    connection.channel.close();
    await within(GOODBYE_TIMEOUT_MS, connection.closed);
    connection.destroy();
  }

  /** Takes the messages that do not come through the connection to rank 0. */
  #listen(receiver: OverlayReceiver): void {
    this.#transport.direct?.listen({
      connected: (rank, connection) => this.#company.take(rank, connection),
      client: (link) => takeClient(link, this.#receiver),
      events: (batch) => {
        this.#leader.heard();
        this.#guarded(() => this.#inbox.fromRankZero(readArrival(batch)));
      },
      leads: (uuid) => this.#follow(uuid),
      beat: (seq, hasStandby) => {
        this.#leader.heard();
        const isNew = this.#leader.setStandby(hasStandby);
        if (isNew) receiver.log("info", "another broker waits to take over as rank 0");
        this.#guarded(() => this.#events.sent(seq));
      },
      restored: () => this.#events.catchUp(),
      failed: (error) => this.#fail(error),
      log: (level, text) => receiver.log(level, text),
    });
  }

  /** A message from outside must not cause a crash. Before this rank has joined, it has no effect. */
  #guarded(run: () => void): void {
    if (this.#receiver === undefined || this.#isAway) return;
    try {
      this.#wakeCheck.whenSure(run);
    } catch (error) {
      this.#fail(error);
    }
  }

  #send(rank: number, message: RequestMessage | ResponseMessage): void {
    const carried = { from: this.rank, to: rank, after: this.#events.seq, message };
    this.#company.wayTo(rank, true)?.channel.send(carriedMessage(carried));
  }

  #enter({ seq, ranks, uuids, epoch }: Welcome, receiver: OverlayReceiver): void {
    const isFirst = this.#receiver === undefined;
    if (isFirst) this.#events.begin(seq);
    else this.#events.checkResume(seq);
    this.#receiver = receiver;
    this.#isAway = false;
    this.#company.meet(new Map(ranks.map((rank, at) => [rank, uuids[at] ?? ""])));
    this.#transport.direct?.follows(epoch);
    this.#leader.start(receiver);
    this.#wakeCheck.start(receiver.heartbeatPeriodMs() * MISSED_BEATS);
    this.#beat();
    if (!isFirst) this.#events.resume(seq);
  }

  #beat(): void {
    const server = this.#transport.server?.() ?? "";
    const stopsMs = Math.min(this.#receiver?.stopsAfterMs() ?? 0, Number.MAX_SAFE_INTEGER);
    const beat = { kind: "alive", seq: this.#events.seq, server, stopsMs } as const;
    this.#connection?.channel.send(noticeMessage(beat));
  }

  #drained(): void {
    if (this.#transport.direct !== undefined) this.#receiver?.drained(0);
    // Messages to all other ranks go through this connection.
    else for (const rank of this.#company.ranks) this.#receiver?.drained(rank);
  }

  /** Handles an error that a new connection would not solve. */
  #fail(error: unknown): void {
    this.#connection?.destroy();
    this.#abandon(error instanceof Error ? error : new Error(String(error)), messageOf(error));
  }

  /** The connection to rank 0 has ended, and without it no rank can be reached. */
  #lost(cause: Error): void {
    const receiver = this.#receiver;
    if (receiver === undefined || this.#isAway) return;
    this.#connection?.destroy();
    if (this.#departure === "goodbye" || !receiver.isToRejoin()) {
      this.#abandon(this.#departure === "goodbye" ? undefined : cause);
      return;
    }
    receiver.log("err", `disconnected from rank 0: ${messageOf(cause)}; trying to join again`);
    this.#rest();
    this.#events.dropMessages();
    this.#leaveAll();
    void this.#rejoin(receiver, () => this.#transport.reconnect(this.#closed.signal));
  }

  /** Another broker leads. This rank continues with it, and keeps its modules. */
  #follow(uuid: string): void {
    const receiver = this.#receiver;
    if (receiver === undefined) return;
    const { direct } = this.#transport;
    const before = this.#connection;
    const wasLost = this.#isAway;
    this.#connection = undefined;
    this.#rest();
    this.#company.loseLeader();
    before?.destroy();
    receiver.log("notice", "another broker leads as rank 0");
    void this.#rejoin(receiver, () => {
      if (direct === undefined) throw goneError();
      // Messages that this rank sent to that broker before it received the new leader's name do not count.
      const own = wasLost ? direct.renew() : this.#uuid;
      direct.joined(0, uuid);
      return Promise.resolve({ connection: direct.open(0), uuid: own });
    });
  }

  /** Sends nothing to rank 0 until this rank has joined again. */
  #rest(): void {
    this.#isAway = true;
    this.#events.pause();
    this.#leader.stop();
    this.#wakeCheck.stop();
  }

  async #rejoin(receiver: OverlayReceiver, connect: () => Promise<NewConnection>): Promise<void> {
    const attempt = ++this.#attempt;
    this.#leader.awaitLeader(receiver);
    try {
      const { connection, uuid } = await connect();
      if (this.#receiver === undefined || attempt !== this.#attempt) {
        connection.destroy();
        return;
      }
      this.#uuid = uuid;
      await this.#join(connection, receiver);
      receiver.log("notice", "joined the instance again");
    } catch (error) {
      if (attempt === this.#attempt) this.#abandon(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /**
   * This rank cannot rejoin.
   * @param why this rank ends, unless it does so because rank 0 has ended
   */
  #abandon(cause: Error | undefined, why = "rank 0 has left the instance"): void {
    const receiver = this.#receiver;
    if (receiver === undefined) return;
    this.#attempt += 1;
    this.#rest();
    if (cause !== undefined) receiver.log("err", `disconnected from rank 0: ${messageOf(cause)}`);
    this.#events.fail(goneError());
    this.#leaveAll();
    this.#receiver = undefined;
    receiver.abandoned(why);
  }

  #leaveAll(): void {
    this.#events.clearWaiting();
    const ranks = [...this.#company.ranks].sort((a, b) => b - a);
    for (const rank of ranks) this.#company.drop(rank, rank === 0 ? this.#departure : "lost");
  }

  #isOverfull(rank: number): boolean {
    return (this.#company.wayTo(rank)?.channel.backlog().bytes ?? 0) > MAX_BACKLOG_BYTES;
  }
}

function overfullError(rank: number): SluiceError {
  return requestError("ENOBUFS", `over 64 MiB of messages wait for rank ${rank}, which does not read them`);
}
