import type { Message } from "../../../messages/index.js";
import { type Connection, within } from "../connection.js";
import { EventRing } from "./event-ring.js";
import type { Hello } from "./members.js";
import { type Arrival, noticeMessage, readArrival } from "../overlay-wire.js";

/** A rank that followed another leader, or joins when this one begins. */
export interface Heir {
  readonly hello: Hello;
  readonly connection: Connection;
  readonly admit: (company: readonly Hello[]) => void;
  /** The events that it has sent because other ranks lack them. */
  readonly repeated: Message[];
  repeatedAll: () => void;
}

/** The last number of another leader, and its newest events. */
export interface Inheritance {
  readonly seq: number;
  readonly ring: EventRing;
}

/** Ranks that send hello before rank 0 has the events numbered by another leader (docs/design/hosts.md §4). */
export class Succession {
  readonly #heirs = new Map<number, Heir>();
  #onHeir: () => void = () => undefined;

  add(hello: Hello, connection: Connection, admit: Heir["admit"]): Heir {
    const heir = { hello, connection, admit, repeated: [], repeatedAll: () => undefined };
    this.#heirs.set(hello.rank, heir);
    this.#onHeir();
    return heir;
  }

  /** The ranks that have joined. */
  get ranks(): readonly number[] {
    return [...this.#heirs.keys()];
  }

  delete(heir: Heir): void {
    if (this.#heirs.get(heir.hello.rank) === heir) this.#heirs.delete(heir.hello.rank);
  }

  /**
   * Waits for the ranks that have followed another leader. It continues after the newest event that any of them has
   * received. Ranks that lack events get them from the rank that has them.
   * @param ranks those that are about to join
   * @param timeoutMs how long the ranks may take, in milliseconds
   * @param keptBytes how many of the newest bytes of events are kept; called each time
   * @returns undefined if none of them has received any event
   */
  async inherit(
    ranks: ReadonlySet<number>,
    timeoutMs: number,
    keptBytes: () => number,
  ): Promise<Inheritance | undefined> {
    const hasAll = (): boolean => [...ranks].every((rank) => this.#heirs.has(rank));
    const arrived = new Promise<void>((resolve) => (this.#onHeir = () => hasAll() && resolve()));
    // Other ranks may have joined too, because a broken connection loses the name of the leader before.
    if (!hasAll()) await within(timeoutMs, arrived);
    const followers = [...this.#heirs.values()].filter(({ hello }) => hello.seq > 0);
    const newest = followers.reduce<Heir | undefined>(
      (best, heir) => (heir.hello.seq > (best?.hello.seq ?? 0) ? heir : best),
      undefined,
    );
    if (newest === undefined) return undefined;
    const least = Math.min(...followers.map(({ hello }) => hello.seq));
    if (least < newest.hello.seq) await askFor(newest, least, timeoutMs);
    return inheritanceOf(newest, least, keptBytes);
  }

  /** Admits all ranks that wait. No others will come. */
  close(): void {
    const heirs = [...this.#heirs.values()];
    const company = heirs.map(({ hello }) => hello);
    for (const { admit } of heirs) admit(company);
  }
}

/** Requests the events after a number from a rank. */
async function askFor(newest: Heir, least: number, timeoutMs: number): Promise<void> {
  const all = new Promise<void>((resolve) => (newest.repeatedAll = resolve));
  newest.connection.channel.send(noticeMessage({ kind: "missed", seq: least }));
  await within(timeoutMs, all);
}

function inheritanceOf(newest: Heir, least: number, keptBytes: () => number): Inheritance {
  const { seq } = newest.hello;
  // The last event in the answer. If the answer ends before `seq`, the ring starts empty after `seq`.
  let last = least;
  const ring = new EventRing(least, keptBytes);
  for (const batch of newest.repeated) {
    const arrival = readArrival(batch);
    if (arrival.type !== "events") continue;
    last = arrival.events.at(-1)?.seq ?? last;
    ring.add(batch, last);
  }
  return { seq, ring: last === seq ? ring : new EventRing(seq, keptBytes) };
}

/** Takes events from the rank that has received the most. */
export function takeRepeated(heir: Heir, arrival: Arrival, message: Message): void {
  if (arrival.type === "events") heir.repeated.push(message);
  if (arrival.type === "notice" && arrival.notice.kind === "repeated") heir.repeatedAll();
}
