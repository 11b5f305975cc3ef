import { hostname } from "node:os";
import { messageOf, overlayStateError, requestError, type SluiceError } from "../../errors/index.js";
import { encodeMessage } from "../../messages/index.js";
import { sleep } from "../../processes/index.js";
import type { Broadcast, Leadership, RootListener, RootTransport } from "./connection.js";
import type { NatsAccess } from "../routing/overlay.js";
import { JETSTREAM_INFO, JetStream, MissingRightError, type NatsServers, UNKNOWN } from "../../nats/index.js";
import { Lease, LEASE_CLOCK, type LeaseClock, LeaseMismatch } from "./lease.js";
import { MISSED_BEATS } from "./heartbeat.js";
import { linkConnection } from "./link-connection.js";
import type { NatsNetwork } from "./nats-network.js";
import { OVERLAY_LIMITS } from "./overlay-wire.js";

/** How long one answer of JetStream may take. */
const ANSWER_MS = 5000;

/** More replicas than this do not make the data safer. */
const MAX_REPLICAS = 3;

const RETRY_MS = 100;

/** Within this time a client finds out that its server is frozen, and connects to another one. */
const RECONNECTED_MS = 6000;

/** The message to a standby when the instance has shut down cleanly. */
const OVER = "over";

const STANDBY = "standby";

export interface LeadingOptions {
  readonly servers: NatsServers;
  /** Identifies the instance in its account. */
  readonly instance: string;
  /** How long a rank waits for rank 0, and rank 0 for JetStream, in milliseconds. */
  readonly joinTimeoutMs: number;
  /** How long it waits for another broker of this rank that sends nothing, in milliseconds. */
  readonly silenceMs: number;
  /** How long the lease of rank 0 lasts, in milliseconds. */
  readonly leaseMs: number;
  /** Waits until no other broker leads, as rank 0. */
  readonly standby?: boolean | undefined;
  /** Reports why rank 0 waits before it leads. */
  readonly onWaiting?: ((text: string) => void) | undefined;
  readonly clock?: LeaseClock | undefined;
  /** Ends the joining. */
  readonly signal?: AbortSignal | undefined;
}

/** The right by which this broker leads. */
export interface Taken {
  /**
   * Undefined where the servers have no JetStream. Then only a broker that answers prevents this one from leading.
   */
  readonly lease: Lease | undefined;
  /** This broker was a standby, and another broker has led before. */
  readonly isSuccessor: boolean;
}

/**
 * Waits until no other broker leads the instance.
 * @throws SluiceError `BROKER_STATE` `EEXIST` if another one leads and this is no standby. `ECANCELED` after
 *   an abort of the signal, or the end of the instance of a standby. `EHOSTUNREACH` when JetStream does not
 *   answer in time. `EACCES` for a right of JetStream that is missing. `BROKER_REQUEST` `EINVAL`
 */
export async function takeLease(network: NatsNetwork, options: LeadingOptions): Promise<Taken> {
  const { instance, leaseMs, servers, signal, standby = false, onWaiting } = options;
  if (!standby) await refuseDouble(network, options);
  const jetStream = new JetStream(() => network.connection, Math.min(ANSWER_MS, leaseMs / 4));
  if (!(await hasJetStream(jetStream, options))) {
    if (standby) throw requestError("EINVAL", "a standby needs JetStream on the NATS servers");
    throwIfAborted(signal);
    return { lease: undefined, isSuccessor: false };
  }
  const replicas = Math.min(MAX_REPLICAS, servers.addresses.length);
  const log = (_level: string, text: string): void => onWaiting?.(text);
  const place = { jetStream, instance, uuid: network.uuid, host: hostname(), ttlMs: leaseMs, replicas };
  const wanted = { ...place, clock: options.clock ?? LEASE_CLOCK, log };
  let isOver = false;
  const hasEnded = (): boolean => isOver;
  let waitsFor: string | undefined;
  const onHeld = async ({ host, uuid }: { readonly host: string; readonly uuid: string }): Promise<void> => {
    if (waitsFor === undefined) await Lease.tryRight(wanted);
    if (waitsFor !== uuid) onWaiting?.(`waits for the lease of rank 0, which a broker on host ${host} holds`);
    waitsFor = uuid;
    if (!standby) await refuseDouble(network, options);
    else {
      network.onClaim((text) => (isOver ||= text === OVER));
      network.claim(STANDBY);
    }
    throwIfAborted(signal);
    if (isOver) throw overlayStateError(`instance ${instance} has ended`, "ECANCELED");
  };
  try {
    const lease = await Lease.take(wanted, onHeld, signal);
    // An instance that has ended gives its lease back. This broker must not take it.
    if (hasEnded()) {
      await lease.release();
      throw overlayStateError(`instance ${instance} has ended`, "ECANCELED");
    }
    return { lease, isSuccessor: standby && waitsFor !== undefined };
  } catch (error) {
    throwIfAborted(signal);
    if (error instanceof LeaseMismatch) throw requestError("EINVAL", error.message);
    if (error instanceof MissingRightError) throw rightError(error);
    throw error;
  }
}

/** The guide lists all necessary rights. */
function rightError(error: MissingRightError): SluiceError {
  const text = `the lease of rank 0 needs a right for JetStream: ${error.message}`;
  return overlayStateError(text, "EACCES", error);
}

async function refuseDouble(network: NatsNetwork, { instance, silenceMs }: LeadingOptions): Promise<void> {
  const holder = await network.findDouble(silenceMs);
  if (holder === undefined) return;
  throw overlayStateError(`rank 0 of instance ${instance} already runs: ${holder}`, "EEXIST");
}

/** Unknown while the servers elect a leader. */
async function hasJetStream(jetStream: JetStream, options: LeadingOptions): Promise<boolean> {
  const deadlineMs = performance.now() + options.joinTimeoutMs;
  for (;;) {
    try {
      return await jetStream.isOn();
    } catch (error) {
      throwIfAborted(options.signal);
      if (error instanceof MissingRightError) {
        // If only the right to find out about JetStream is missing, rank 0 runs without a lease, unless it is a
        // standby.
        const isMeant = error.subject === JETSTREAM_INFO && options.standby !== true;
        if (!isMeant) throw rightError(error);
        options.onWaiting?.(`rank 0 has no lease: ${error.message}`);
        return false;
      }
      if (performance.now() > deadlineMs) {
        throw overlayStateError(`JetStream does not answer: ${messageOf(error)}`, "EHOSTUNREACH", error);
      }
    }
    await sleep(RETRY_MS);
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true)
    throw overlayStateError("the broker closed before it had joined", "ECANCELED");
}

interface LeaderOptions {
  readonly size: number;
  /** How long ranks may take to report the leader that they follow, in milliseconds. */
  readonly probeMs: number;
  readonly access: NatsAccess;
}

/**
 * Rank 0 over NATS: takes links, broadcasts under its epoch, and requests reports of former leaders from the
 * ranks.
 */
export class NatsLeader implements RootTransport {
  readonly leadership: Leadership | undefined;
  readonly broadcast: Broadcast;
  readonly access: NatsAccess;
  readonly #network: NatsNetwork;
  readonly #lease: Lease | undefined;
  readonly #options: LeaderOptions;
  readonly #heirs = new Set<number>();
  readonly #answered = new Set<number>();
  readonly #isLeading: () => boolean;
  #known = 0;
  #enough: () => void = () => undefined;
  #isProbing = false;
  #hasStandby = false;
  #onLost: (why: string) => void = () => undefined;

  constructor(network: NatsNetwork, lease: Lease | undefined, options: LeaderOptions) {
    this.#network = network;
    this.#lease = lease;
    this.#options = options;
    this.access = options.access;
    const isLeading = (): boolean => lease?.isHeld() !== false;
    this.#isLeading = isLeading;
    network.lead(`host ${hostname()}, pid ${process.pid}`, isLeading, () => (this.#hasStandby = true));
    this.broadcast = {
      events: (batch, first) => network.broadcast(this.#header(first), encodeMessage(batch, OVERLAY_LIMITS)),
      beat: (seq) => {
        network.broadcast(this.#header(seq));
      },
    };
    this.leadership = lease && {
      epoch: () => lease.epoch,
      isHeld: () => lease.isHeld(),
      heirs: () => this.#heirs,
      listen: (to) => {
        this.#onLost = (why) => to.lost(why);
        lease.listen(to);
      },
      release: async () => {
        if (lease.isHeld() && this.#hasStandby) network.claim(OVER);
        await lease.release();
      },
    };
  }

  async listen(to: RootListener): Promise<void> {
    this.#network.listen({
      log: (level, text) => to.log(level, text),
      // A leader that was frozen must not take ranks from the next leader. The ranks try until a leading broker
      // answers.
      accepts: (_rank, { to: named }) =>
        this.#isLeading() && (named === UNKNOWN || named === this.#network.uuid),
      linked: (rank, link) => to.connected(linkConnection(link), rank),
      client: (link) => to.client(link),
      restored: () => to.restored(),
      assign: (uuid, host) => to.assign(uuid, host),
      reported: (rank, leader) => this.#reported(rank, leader),
    });
    if (this.#lease === undefined) return;
    this.#isProbing = true;
    const enough = new Promise<void>((resolve) => (this.#enough = resolve));
    await this.#probe(enough);
    this.#isProbing = false;
    await this.#lease.raise(this.#known);
    if (this.#heirs.size > 0) this.broadcast.beat(0);
  }

  /**
   * Requests from the ranks which leader they follow. A rank that has followed another leader may be about to
   * connect to another server. The new leader must not miss it, because the numbers of events would begin
   * again.
   */
  async #probe(enough: Promise<void>): Promise<void> {
    const { probeMs } = this.#options;
    const isFirst = this.#lease?.epoch === 1;
    const untilMs =
      performance.now() + (isFirst ? probeMs : Math.max(probeMs * MISSED_BEATS, RECONNECTED_MS));
    for (;;) {
      await this.#network.probe({ ...this.#header(0), probe: "1" }, probeMs, enough);
      const isDone = this.#answered.size >= this.#options.size - 1;
      if (isDone || performance.now() >= untilMs) return;
      // Where no rank receives it yet, the server reports that at once.
      await sleep(RETRY_MS);
    }
  }

  server = (): string => this.#network.server;

  close(): Promise<void> {
    return this.#network.close();
  }

  #header(seq: number): Record<string, string> {
    return {
      from: this.#network.uuid,
      epoch: String(this.#lease?.epoch ?? 1),
      seq: String(seq),
      ...(this.#hasStandby && { standby: "1" }),
    };
  }

  /** A rank follows another leader. */
  #reported(rank: number, leader: string): void {
    const [epochText = "", uuid = ""] = leader.split(" ");
    const epoch = Number(epochText);
    if (uuid === this.#network.uuid || !Number.isSafeInteger(epoch)) return;
    if (this.#isProbing) {
      this.#known = Math.max(this.#known, epoch);
      if (epoch > 0) this.#heirs.add(rank);
      this.#answered.add(rank);
      if (this.#answered.size >= this.#options.size - 1) this.#enough();
    } else if (this.#lease !== undefined && epoch > this.#lease.epoch) {
      this.#onLost(`rank ${rank} follows another rank 0, with epoch ${epoch}`);
    }
  }
}
