import { ERRNO, errnumOf, messageOf, requestError, type SluiceError } from "../../../errors/index.js";
import { type Channel, Fifo, type Message } from "../../../messages/index.js";
import type { Departure, OverlayReceiver } from "../../routing/overlay.js";
import type { Assignment, Connection } from "../connection.js";
import { type Heartbeat, MISSED_BEATS } from "../heartbeat.js";
import type { Hello, Member, Members } from "./members.js";
import { type Arrival, noticeMessage, overlayProtocolError, readArrival } from "../overlay-wire.js";
import { RankNumbers } from "./rank-numbers.js";
import { type Heir, type Succession, takeRepeated } from "./succession.js";

/** How long a connection may take to send its rank. */
const HELLO_TIMEOUT_MS = 10_000;

interface Claim {
  /** The member sends nothing. The number is free only when its modules have stopped. */
  readonly wait: () => void;
  /** The member has sent a message. */
  readonly refuse: () => void;
  /** The member has missed its heartbeats. */
  readonly admit: () => void;
}

export interface RootOptions {
  readonly size: number;
  readonly instanceId: string;
  /** Identifies this run of the broker. */
  readonly uuid: string;
}

/** The parts of rank 0 that {@link Admission} uses. */
export interface AdmissionHost {
  /** Undefined after this rank has left. */
  receiver(): OverlayReceiver | undefined;
  heartbeat(): Heartbeat | undefined;
  /** Set until rank 0 has the events of another leader. Takes the ranks that send hello before that. */
  succession(): Succession | undefined;
  /** The number of leaders so far, including this one. */
  epoch(): number;
  /** The newest event. All earlier ones have been sent too. */
  seq(): number;
  receive(member: Member, arrival: Arrival): void;
}

/** A connection, before or after it has sent its rank. */
interface Guest {
  readonly connection: Connection;
  /** The rank that it must be; undefined if the transport cannot find that out. */
  readonly from: number | undefined;
  member: Member | undefined;
  heir: Heir | undefined;
  readonly helloTimer: NodeJS.Timeout;
}

/** Decides which brokers become ranks of the instance. */
export class Admission {
  readonly #options: RootOptions;
  readonly #hasHosts: boolean;
  readonly #members: Members;
  readonly #host: AdmissionHost;
  /** Brokers that claim the rank of a member. Rank 0 checks whether the member still runs. */
  readonly #claims = new Map<number, Claim>();
  readonly #numbers: RankNumbers;

  /** @param hasHosts whether the ranks are on several machines */
  constructor(options: RootOptions, hasHosts: boolean, members: Members, host: AdmissionHost) {
    this.#options = options;
    this.#hasHosts = hasHosts;
    this.#members = members;
    this.#host = host;
    this.#numbers = new RankNumbers(options.size, (rank) => this.#claims.get(rank)?.admit());
  }

  /**
   * Gives a free number to a broker that accepts any rank.
   * @param uuid identifies this run of that broker
   */
  assign(uuid: string, host: string): Assignment {
    const isThere = (rank: number): boolean => this.#members.has(rank) || this.#claims.has(rank);
    const rank = this.#numbers.reserve(uuid, host, isThere);
    if (rank !== undefined) return { rank };
    const { instanceId, size } = this.#options;
    return { problem: `no rank of instance ${instanceId} is free: all ${size} are taken` };
  }

  /** The operator declares that no broker of a missing rank comes back. */
  forget(rank: number): void {
    this.#numbers.forget(rank);
  }

  /** The process of a rank has ended. */
  ended(rank: number): void {
    this.#numbers.release(rank);
  }

  close(): void {
    this.#numbers.close();
  }

  /** This broker follows another leader. Missing ranks may not have heard of this, and may still run. */
  inherited(ranks: readonly number[]): void {
    const stopsMs = this.#host.receiver()?.stopsAfterMs() ?? 0;
    if (stopsMs === 0) return;
    for (let rank = 1; rank < this.#options.size; rank++) {
      if (!ranks.includes(rank)) this.#numbers.hold(rank, stopsMs + this.#marginMs());
    }
  }

  /** @param silentMs how long it has sent nothing */
  departed({ rank, alive }: Member, how: Departure, silentMs: number): void {
    const { stopsMs } = alive;
    // On one machine a connection ends with its process.
    const mayRun = this.#hasHosts || silentMs >= this.#marginMs();
    if (how === "lost" && stopsMs > 0 && mayRun) {
      this.#numbers.hold(rank, stopsMs - silentMs + this.#marginMs());
      this.#claims.get(rank)?.wait();
    } else {
      this.#claims.get(rank)?.admit();
    }
  }

  /** ` (host a, pid 5)`; empty on one machine, where the number identifies the rank. */
  placeOf(rank: number): string {
    const hello = this.#members.get(rank)?.hello;
    return this.#hasHosts && hello !== undefined ? ` (host ${hello.host}, pid ${hello.pid})` : "";
  }

  /** The rank may have received a message of this broker up to this time after its own last message. */
  #marginMs(): number {
    return (this.#host.receiver()?.heartbeatPeriodMs() ?? 0) * MISSED_BEATS;
  }

  /** Waits until a new connection sends its rank. */
  welcome(connection: Connection, from: number | undefined): void {
    const { channel, destroy } = connection;
    const helloTimer = setTimeout(destroy, HELLO_TIMEOUT_MS).unref();
    const guest: Guest = { connection, from, member: undefined, heir: undefined, helloTimer };
    channel.onClose((cause) => {
      clearTimeout(helloTimer);
      if (cause !== undefined) this.#warn(guest, cause);
      if (guest.heir !== undefined) this.#host.succession()?.delete(guest.heir);
      if (guest.member !== undefined) this.#members.depart(guest.member, "lost");
    });
    connection.onHeard?.(() => this.#heard(guest));
    channel.onMessage((message) => {
      if (this.#host.receiver() === undefined) return;
      try {
        const arrival = readArrival(message);
        this.#heard(guest);
        this.#take(guest, arrival, message);
      } catch (error) {
        this.#warn(guest, error);
        destroy();
      }
    });
  }

  /**
   * A member has missed its heartbeats.
   * @returns whether another broker has taken its place
   */
  stalled(rank: number): boolean {
    const claim = this.#claims.get(rank);
    if (claim === undefined) return false;
    if (this.#isToStop(rank)) {
      claim.wait();
      return false;
    }
    claim.admit();
    return true;
  }

  /** Whether the number of a member is free only when its modules have stopped. */
  #isToStop(rank: number): boolean {
    return (this.#members.get(rank)?.alive.stopsMs ?? 0) > 0;
  }

  #heard({ member }: Guest): void {
    if (member === undefined) return;
    this.#host.heartbeat()?.heard(member.rank);
    this.#claims.get(member.rank)?.refuse();
  }

  #warn({ member }: Guest, cause: unknown): void {
    const name = member === undefined ? "a connection to the overlay" : `rank ${member.rank}`;
    this.#host.receiver()?.log("warning", `${name} disconnected: ${messageOf(cause)}`);
  }

  #take(guest: Guest, arrival: Arrival, message: Message): void {
    const { member, heir, connection, from } = guest;
    if (member !== undefined) this.#host.receive(member, arrival);
    else if (heir !== undefined) takeRepeated(heir, arrival, message);
    else if (isAsk(arrival)) this.#tellAbout(connection.channel);
    else {
      clearTimeout(guest.helloTimer);
      this.#hello(guest, helloOf(arrival, from));
    }
  }

  #hello(guest: Guest, hello: Hello): void {
    const { connection } = guest;
    const admit = (company: readonly Hello[] = []): void => {
      guest.heir = undefined;
      guest.member = this.#admit(connection, hello, company);
    };
    if (this.#refusal(hello) !== undefined) {
      admit();
      return;
    }
    const succession = this.#host.succession();
    if (succession !== undefined) guest.heir = succession.add(hello, connection, admit);
    else if (this.#members.has(hello.rank) || this.#numbers.isHeld(hello.rank))
      this.#claim(connection, hello, admit);
    else admit();
  }

  /**
   * Another broker claims the rank of a member, whose host may have failed. Rank 0 refuses the claim when the member
   * answers. It succeeds once the member has missed its heartbeats.
   */
  #claim(connection: Connection, { rank }: Hello, admit: () => void): void {
    if (this.#claims.has(rank)) {
      this.#refuse(connection, this.#doubleError(rank));
      return;
    }
    const why = `rank ${rank} is silent${this.placeOf(rank)} and may still run; this broker waits until that rank must have stopped`;
    let isTold = false;
    const wait = (): void => {
      if (isTold) return;
      isTold = true;
      connection.channel.send(
        noticeMessage({ kind: "wait", why: `${why} (sluice overlay forget ${rank} ends the waiting)` }),
      );
    };
    const settle = (run: () => void) => () => {
      this.#claims.delete(rank);
      run();
    };
    const claim = {
      wait,
      refuse: settle(() => this.#refuse(connection, this.#doubleError(rank))),
      admit: settle(() => {
        const before = this.#members.get(rank);
        if (before !== undefined) this.#members.lost(before);
        admit();
      }),
    };
    const isStalled = this.#host.heartbeat()?.isStalled(rank) === true;
    if (isStalled && !this.#isToStop(rank)) {
      claim.admit();
      return;
    }
    this.#claims.set(rank, claim);
    connection.channel.onClose(() => {
      if (this.#claims.get(rank) === claim) this.#claims.delete(rank);
    });
    const member = this.#members.get(rank);
    if (isStalled || member === undefined) claim.wait();
    else this.#members.give(member, noticeMessage({ kind: "ask" }));
  }

  #doubleError(rank: number): SluiceError {
    return requestError("EEXIST", `rank ${rank} has already joined${this.placeOf(rank)}`);
  }

  #refuse({ channel }: Connection, problem: SluiceError): void {
    this.#host.receiver()?.log("warning", `refused a broker: ${problem.message}`);
    const errnum = errnumOf(problem) ?? ERRNO.EINVAL;
    channel.send(noticeMessage({ kind: "refused", errnum, error: problem.message }));
    channel.close();
  }

  #tellAbout(channel: Channel): void {
    const { instanceId, size } = this.#options;
    const config = this.#host.receiver()?.config() ?? {};
    channel.send(noticeMessage({ kind: "about", instanceId, size, config }));
  }

  /** @returns undefined if it was refused */
  #admit(connection: Connection, hello: Hello, company: readonly Hello[]): Member | undefined {
    const problem = this.#refusal(hello);
    if (problem !== undefined) {
      this.#refuse(connection, problem);
      return undefined;
    }
    const { channel } = connection;
    const { rank, uuid } = hello;
    // The rank must have these events before it receives its first one.
    const seq = this.#host.seq();
    const there = this.#members.all.map((other) => other.hello);
    // Ranks that are admitted together already have each other's names.
    const others = new Map([...company, ...there].map((other) => [other.rank, other.uuid]));
    others.delete(rank);
    const ranks = [0, ...others.keys()];
    const uuids = [this.#options.uuid, ...others.values()];
    channel.send(noticeMessage({ kind: "welcome", ranks, uuids, seq, epoch: this.#host.epoch() }));
    this.#members.toAll(noticeMessage({ kind: "joined", rank, uuid }));
    const alive = { kind: "alive", seq, server: "", stopsMs: 0 } as const;
    const member: Member = { rank, alive, hello, connection, channel, own: new Fifo<number>() };
    this.#members.add(member);
    this.#numbers.taken(rank, hello.host, uuid);
    const heartbeat = this.#host.heartbeat();
    for (const stalled of heartbeat?.stalled ?? []) {
      channel.send(noticeMessage({ kind: "stalled", rank: stalled, on: true }));
    }
    heartbeat?.add(rank);
    channel.onDrain(() => this.#host.receiver()?.drained(rank));
    this.#host.receiver()?.joined(rank);
    return member;
  }

  #refusal({ instanceId, rank, size, uuid }: Hello): SluiceError | undefined {
    const { instanceId: own, size: ownSize } = this.#options;
    if (instanceId !== own) {
      return requestError("EINVAL", `rank ${rank} belongs to instance ${instanceId}, not ${own}`);
    }
    if (size !== ownSize) {
      return requestError("EINVAL", `rank ${rank} belongs to an instance of size ${size}, not ${ownSize}`);
    }
    if (rank < 1 || rank >= ownSize) {
      return requestError("EINVAL", `rank ${rank} cannot join: this instance has ranks 0 to ${ownSize - 1}`);
    }
    if (this.#numbers.isReserved(rank, uuid)) {
      return requestError("EEXIST", `rank ${rank} is reserved for a joining broker with --rank=auto`);
    }
    return undefined;
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
    throw overlayProtocolError(`the notice of rank ${from} contains rank ${rank}`);
  }
  return arrival.notice;
}
