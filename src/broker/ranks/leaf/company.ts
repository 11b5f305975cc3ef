import { messageOf } from "../../../errors/index.js";
import type { Departure, OverlayReceiver } from "../../routing/overlay.js";
import type { LeafTransport, OwnConnection } from "../connection.js";
import { type Arrival, readArrival } from "../overlay-wire.js";

export interface CompanyOptions {
  readonly transport: LeafTransport;
  /** Undefined while this rank has not joined. */
  readonly receiver: () => OverlayReceiver | undefined;
  /** The connection to rank 0. */
  readonly toRankZero: () => OwnConnection | undefined;
  /** Handles messages of a direct connection. */
  readonly receive: (rank: number, arrival: Arrival) => void;
}

/** The other ranks of which this rank has received a notice, and the connections to them. */
export class Company {
  readonly #options: CompanyOptions;
  /** The ranks that can be reached, each with the uuid of its broker. */
  readonly #present = new Map<number, string>();
  /** The stalled ranks, as reported by rank 0. */
  readonly #stalled = new Set<number>();
  /** Direct connections to other ranks. */
  readonly #direct = new Map<number, OwnConnection>();

  constructor(options: CompanyOptions) {
    this.#options = options;
  }

  /** A copy of the ranks that can be reached. */
  get ranks(): readonly number[] {
    return [...this.#present.keys()];
  }

  has(rank: number): boolean {
    return this.#present.has(rank);
  }

  isStalled(rank: number): boolean {
    return this.#stalled.has(rank);
  }

  /** Sets the ranks that are present now. A rank whose broker has changed has left meanwhile. */
  meet(brokers: ReadonlyMap<number, string>): void {
    for (const [rank, uuid] of [...this.#present]) if (brokers.get(rank) !== uuid) this.drop(rank, "lost");
    for (const [rank, uuid] of brokers) this.joined(rank, uuid);
  }

  joined(rank: number, uuid: string): void {
    if (this.#present.get(rank) === uuid) return;
    this.#present.set(rank, uuid);
    this.#options.transport.direct?.joined(rank, uuid);
    this.#options.receiver()?.joined(rank);
  }

  setStalled(rank: number, on: boolean): void {
    if (on) this.#stalled.add(rank);
    else this.#stalled.delete(rank);
    if (on) this.#options.receiver()?.stalled(rank);
    else this.#options.receiver()?.resumed(rank);
  }

  drop(rank: number, how: Departure): void {
    this.#stalled.delete(rank);
    this.#present.delete(rank);
    this.#direct.delete(rank);
    this.#options.transport.direct?.left(rank);
    this.#options.receiver()?.left(rank, how);
  }

  /** Rank 0 no longer leads. The next rank 0 reports the stalled ranks. */
  loseLeader(): void {
    if (this.#present.delete(0)) this.#options.receiver()?.left(0, "lost");
    this.#stalled.clear();
  }

  /** This rank drops all of them, because it leaves. */
  clear(): void {
    this.#present.clear();
  }

  hasDirect(rank: number): boolean {
    return rank !== 0 && this.#options.transport.direct !== undefined;
  }

  /** A copy of all direct connections. */
  get direct(): readonly OwnConnection[] {
    return [...this.#direct.values()];
  }

  /** @param isToOpen whether to make a direct connection if it is missing */
  wayTo(rank: number, isToOpen = false): OwnConnection | undefined {
    const { direct } = this.#options.transport;
    if (rank === 0 || direct === undefined) return this.#options.toRankZero();
    const known = this.#direct.get(rank);
    if (known !== undefined || !isToOpen || !this.#present.has(rank)) return known;
    const connection = direct.open(rank);
    this.take(rank, connection);
    return connection;
  }

  /** Takes a new direct connection to another rank, which either of the two has made. */
  take(rank: number, connection: OwnConnection): void {
    const { receiver, receive } = this.#options;
    const { channel } = connection;
    const warn = (cause: unknown): void => {
      receiver()?.log("warning", `rank ${rank} disconnected: ${messageOf(cause)}`);
    };
    this.#direct.set(rank, connection);
    channel.onDrain(() => receiver()?.drained(rank));
    channel.onClose((cause) => {
      if (this.#direct.get(rank) === connection) this.#direct.delete(rank);
      if (cause !== undefined && this.#present.has(rank)) warn(cause);
    });
    channel.onMessage((message) => {
      if (receiver() === undefined) return;
      try {
        receive(rank, readArrival(message));
      } catch (error) {
        warn(error);
        connection.destroy();
      }
    });
  }
}
