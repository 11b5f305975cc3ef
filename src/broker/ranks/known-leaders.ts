import type { DirectListener } from "./connection.js";
import type { NatsNetwork } from "./nats-network.js";

/**
 * The broker that leads, according to a rank that follows. Every broadcast of rank 0 carries its epoch. A lower epoch
 * belongs to a leader that has been replaced (docs/design/hosts.md §4).
 */
export class KnownLeaders {
  readonly #network: NatsNetwork;
  readonly #dropped = new Set<string>();
  #uuid: string | undefined;
  #epoch = 0;
  /** The leader before the present one, as this rank reports it. */
  #before = "0 -";

  constructor(network: NatsNetwork) {
    this.#network = network;
  }

  /** This broker is now rank 0. */
  follows(uuid: string): void {
    if (uuid !== this.#uuid) this.#before = this.#known;
    this.#uuid = uuid;
  }

  raise(epoch: number): void {
    this.#epoch = Math.max(this.#epoch, epoch);
  }

  /**
   * Finds out from the header of a broadcast which broker sent it: the known leader, a new leader for the
   * first time, or any other broker. Sends the known leader to a broker that has been replaced, or that
   * requests it. A new leader sends several requests, and may have sent a heartbeat before. Each time it gets
   * the leader before it.
   */
  judge(header: (name: string) => string, to: DirectListener): "same" | "next" | "foreign" {
    const [from, epoch] = [header("from"), Number(header("epoch"))];
    const isProbe = header("probe") === "1";
    if (from === this.#uuid) {
      if (isProbe) this.#network.report(this.#before);
      this.raise(epoch);
      return "same";
    }
    const isNext = this.#uuid !== undefined && epoch > this.#epoch;
    if (isProbe || (this.#uuid !== undefined && !isNext)) this.#network.report(this.#known);
    if (isNext) {
      this.follows(from);
      this.#epoch = epoch;
      return "next";
    }
    if (this.#uuid !== undefined && !isProbe && !this.#dropped.has(from)) {
      this.#dropped.add(from);
      to.log(
        "warning",
        `dropped a message that a broker with epoch ${epoch} has sent as rank 0: epoch ${this.#epoch} leads`,
      );
    }
    return "foreign";
  }

  get #known(): string {
    return `${this.#epoch} ${this.#uuid ?? "-"}`;
  }
}
