import type { Channel, Fifo, Message } from "../../../messages/index.js";
import type { Departure } from "../../routing/overlay.js";
import type { Connection } from "../connection.js";
import { type Notice, noticeMessage } from "../overlay-wire.js";

/** Rank 0 disconnects a rank when more bytes than this wait for it. */
const MAX_BACKLOG_BYTES = 64 * 1024 * 1024;

export type Hello = Extract<Notice, { kind: "hello" }>;

/** A rank that rank 0 has admitted. */
export interface Member {
  readonly rank: number;
  /** Its last heartbeat. */
  alive: Extract<Notice, { kind: "alive" }>;
  readonly hello: Hello;
  readonly connection: Connection;
  readonly channel: Channel;
  /** The numbers of the events that it has published, as far as it may not have received them back. */
  readonly own: Fifo<number>;
}

/** The events of {@link Members}. */
export interface MembersListener {
  /** The rank is no longer a member. */
  departed(member: Member, how: Departure): void;
  /** The member is about to be disconnected. */
  tooSlow(member: Member, why: string): void;
}

/** The joined ranks as rank 0 has them, and the messages to them. */
export class Members {
  readonly #members = new Map<number, Member>();
  readonly #listener: MembersListener;

  constructor(listener: MembersListener) {
    this.#listener = listener;
  }

  get(rank: number): Member | undefined {
    return this.#members.get(rank);
  }

  has(rank: number): boolean {
    return this.#members.has(rank);
  }

  /** A copy of the members, without later changes. */
  get all(): readonly Member[] {
    return [...this.#members.values()];
  }

  add(member: Member): void {
    this.#members.set(member.rank, member);
  }

  toAll(message: Message): void {
    for (const member of this.all) this.give(member, message);
  }

  give(member: Member, message: Message): void {
    member.channel.send(message);
    const { bytes } = member.channel.backlog();
    if (bytes <= MAX_BACKLOG_BYTES) return;
    const size = `${Math.round(bytes / 2 ** 20)} MiB`;
    this.#listener.tooSlow(member, `it has not read the ${size} waiting for it`);
    this.lost(member);
  }

  /** A rank that runs again after this finds its connection closed. */
  lost(member: Member): void {
    member.connection.destroy();
    this.depart(member, "lost");
  }

  depart(member: Member, how: Departure): void {
    const { rank } = member;
    if (this.#members.get(rank) !== member) return;
    this.#members.delete(rank);
    this.toAll(noticeMessage({ kind: "left", rank, how }));
    this.#listener.departed(member, how);
  }

  /**
   * Removes all members, without a message to them. @returns the former members
   */
  dismiss(): readonly Member[] {
    const { all } = this;
    this.#members.clear();
    return all;
  }
}
