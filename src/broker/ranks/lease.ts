import { messageOf } from "../../errors/index.js";
import { type LogLevel } from "../../messages/index.js";
import { sleep, startTimer, type Timer } from "../../processes/index.js";
import type { LeadershipListener } from "./connection.js";
import {
  type JetStream,
  JetStreamError,
  MissingRightError,
  NO_CLUSTER,
  WRONG_LAST_SEQUENCE,
} from "../../nats/index.js";

const KEY = "leader";

/** The key that a waiting broker writes, so that it finds a missing right before it has to lead. */
const WAITING_KEY = "standby";

/** How many times its holder renews a lease within its duration. */
const RENEWALS = 4;

/**
 * This part of the duration is the margin: how early its holder stops, how often others check, and how long a winner
 * waits before its second check.
 */
const MARGIN = 10;

/** The clocks that measure a lease. One stops while a machine sleeps. The operator may set the other. */
export interface LeaseClock {
  /** Milliseconds since a fixed moment. */
  monotonic(): number;
  /** Milliseconds since 1970. */
  wall(): number;
}

export const LEASE_CLOCK: LeaseClock = { monotonic: () => performance.now(), wall: () => Date.now() };

/** The leader in the bucket. */
export interface LeaseValue {
  readonly uuid: string;
  readonly host: string;
  /** Each leader has a higher epoch than the leaders before it. */
  readonly epoch: number;
}

export interface LeaseOptions {
  readonly jetStream: JetStream;
  readonly instance: string;
  readonly uuid: string;
  readonly host: string;
  /** How long a lease lasts, in milliseconds. */
  readonly ttlMs: number;
  readonly replicas: number;
  readonly clock: LeaseClock;
  /** The log until this broker holds the lease. */
  readonly log: (level: LogLevel, text: string) => void;
}

interface Moment {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/**
 * The right to number the events of an instance (docs/design/hosts.md §4). It is a key of a bucket. One broker holds
 * it at a time, for as long as it renews the key. Only a successful write proves it, counted from the start of the
 * write.
 */
export class Lease {
  readonly #options: LeaseOptions;
  #epoch: number;
  #revision: number;
  #provenAt: Moment;
  #listener: LeadershipListener | undefined;
  #timer: Timer | undefined;
  #renewing: Promise<void> = Promise.resolve();
  /** The missing right that prevented a renewal, as last logged. */
  #missingRight: string | undefined;
  #isOver = false;

  private constructor(options: LeaseOptions, held: Held) {
    this.#options = options;
    this.#epoch = held.epoch;
    this.#revision = held.revision;
    this.#provenAt = held.at;
    this.#schedule();
  }

  /**
   * Waits until the lease is free, and takes it.
   * @param onHeld called at each check while another broker holds the lease; an error that it throws ends the wait
   * @throws the reason of the signal, the error of `onHeld`, or MissingRightError at the first look
   */
  static async take(
    options: LeaseOptions,
    onHeld: (holder: LeaseValue) => Promise<void>,
    signal: AbortSignal | undefined,
  ): Promise<Lease> {
    const taking = new Taking(options);
    for (;;) {
      const held = await taking.look(onHeld);
      if (held !== undefined) return new Lease(options, held);
      await sleep(options.ttlMs / MARGIN);
      signal?.throwIfAborted();
    }
  }

  /**
   * Finds out whether this broker may write the lease, while another one holds it.
   * @throws MissingRightError
   */
  static async tryRight({ jetStream, instance, uuid, host }: LeaseOptions): Promise<void> {
    try {
      await jetStream.write(bucketOf(instance), WAITING_KEY, encodeValue({ uuid, host }, 0));
    } catch (error) {
      // Any other error may pass until the lease is free.
      if (error instanceof MissingRightError) throw error;
    }
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** Whether it is certain that no other broker holds it: called right before each number. */
  isHeld(): boolean {
    const { ttlMs } = this.#options;
    return !this.#isOver && this.#unprovenMs() < ttlMs - ttlMs / MARGIN;
  }

  listen(listener: LeadershipListener): void {
    this.#listener = listener;
  }

  /**
   * Takes a higher epoch, because ranks have received this one from another broker.
   * @param known the highest epoch that they have
   */
  async raise(known: number): Promise<void> {
    await this.#renewing;
    if (known < this.#epoch) return;
    this.#epoch = known + 1;
    await this.#renew();
  }

  /** Gives the lease back, so that another broker need not wait. */
  async release(): Promise<void> {
    const wasHeld = this.isHeld();
    this.#end();
    await this.#renewing;
    const { jetStream, instance } = this.#options;
    try {
      if (wasHeld) await jetStream.remove(bucketOf(instance), KEY, this.#revision);
    } catch {
      // It expires by itself.
    }
  }

  #unprovenMs(): number {
    const { monotonicMs, wallMs } = momentOf(this.#options.clock);
    return Math.max(monotonicMs - this.#provenAt.monotonicMs, wallMs - this.#provenAt.wallMs);
  }

  #schedule(): void {
    if (this.#isOver) return;
    this.#timer = startTimer(
      this.#options.ttlMs / RENEWALS,
      () => {
        this.#renewing = this.#renew().finally(() => this.#schedule());
      },
      { keepsAlive: false },
    );
  }

  async #renew(): Promise<void> {
    const { jetStream, instance } = this.#options;
    const at = momentOf(this.#options.clock);
    try {
      this.#revision = await jetStream.write(
        bucketOf(instance),
        KEY,
        this.#value(this.#epoch),
        this.#revision,
      );
      this.#provenAt = at;
      if (this.#missingRight !== undefined)
        this.#listener?.log("notice", "the broker has renewed the lease of rank 0 again");
      this.#missingRight = undefined;
    } catch (error) {
      if (this.#isOver) return;
      this.#logFailure(error);
      await this.#recover();
    }
  }

  /** It logs a missing right once, because only the operator can restore the right. */
  #logFailure(error: unknown): void {
    const text = `cannot renew the lease of rank 0: ${messageOf(error)}`;
    if (!(error instanceof MissingRightError)) this.#listener?.log("warning", text);
    else if (error.message !== this.#missingRight) {
      this.#missingRight = error.message;
      this.#listener?.log("err", text);
    }
  }

  /** Finds out which broker has the lease. */
  async #recover(): Promise<void> {
    try {
      const taking = new Taking(
        { ...this.#options, log: (level, text) => this.#listener?.log(level, text) },
        this.#epoch,
      );
      const own = await taking.look((holder) => {
        this.#lose(`another broker on host ${holder.host} has the lease`);
        return Promise.resolve();
      });
      if (own === undefined || this.#isOver) return;
      this.#revision = own.revision;
      if (own.isNew) {
        this.#epoch = own.epoch;
        this.#provenAt = own.at;
      } else {
        // The write that made the lease may be older than this check. Only another write proves it.
        const at = momentOf(this.#options.clock);
        const { jetStream, instance } = this.#options;
        this.#revision = await jetStream.write(
          bucketOf(instance),
          KEY,
          this.#value(this.#epoch),
          own.revision,
        );
        this.#provenAt = at;
      }
    } catch (error) {
      this.#listener?.log("debug", `cannot read the lease of rank 0: ${messageOf(error)}`);
    }
    const patienceMs = this.#listener?.patienceMs() ?? Infinity;
    if (this.#unprovenMs() <= Math.max(patienceMs, this.#options.ttlMs)) return;
    const why = this.#missingRight === undefined ? "" : `: ${this.#missingRight}`;
    this.#lose(`the renewal of the lease failed${why}`);
  }

  #lose(why: string): void {
    if (this.#isOver) return;
    this.#end();
    this.#listener?.lost(why);
  }

  #end(): void {
    this.#isOver = true;
    this.#timer?.cancel();
  }

  #value(epoch: number): Uint8Array {
    return encodeValue(this.#options, epoch);
  }
}

interface Held {
  readonly epoch: number;
  readonly revision: number;
  /** The start of the write that made the lease. */
  readonly at: Moment;
  /** The lease was free. This broker has taken it now. */
  readonly isNew: boolean;
}

/** Tries to get the lease. */
class Taking {
  readonly #options: LeaseOptions;
  #known: number;
  #wasTrouble = false;
  #hasLooked = false;

  /** @param known the highest epoch that is known to be in use */
  constructor(options: LeaseOptions, known = 0) {
    this.#options = options;
    this.#known = known;
  }

  /** @returns undefined if another broker holds it, or it cannot be taken now */
  async look(onHeld: (holder: LeaseValue) => Promise<void>): Promise<Held | undefined> {
    const { jetStream, instance, log, replicas } = this.#options;
    const bucket = bucketOf(instance);
    const at = momentOf(this.#options.clock);
    let holder: LeaseValue | undefined;
    try {
      await this.#openBucket(bucket);
      const found = await jetStream.read(bucket, KEY);
      this.#hasLooked ||= found !== undefined;
      holder = found?.value && decodeValue(found.value);
      if (found !== undefined && holder?.uuid === this.#options.uuid) {
        return { epoch: holder.epoch, revision: found.revision, at, isNew: false };
      }
      if (holder === undefined) return await this.#create(bucket, found?.revision ?? 0);
      this.#known = Math.max(this.#known, holder.epoch);
    } catch (error) {
      if (error instanceof LeaseMismatch) throw error;
      // At the start a missing right is a mistake. Later an operator may be about to restore it.
      if (error instanceof MissingRightError && !this.#hasLooked) throw error;
      // A wait would not help, because a server joins a cluster only after a change of its configuration.
      if (error instanceof JetStreamError && error.number === NO_CLUSTER)
        throw new LeaseMismatch(
          `the NATS server belongs to no cluster, which the ${replicas} replicas of bucket ${bucket} need; ` +
            `list only servers of one cluster (${error.message})`,
        );
      const isLate = error instanceof JetStreamError && error.number === WRONG_LAST_SEQUENCE;
      if (!isLate && !this.#wasTrouble)
        log("warning", `the lease of rank 0 is not available now: ${messageOf(error)}`);
      this.#wasTrouble = !isLate;
      return undefined;
    }
    await onHeld(holder);
    return undefined;
  }

  async #openBucket(name: string): Promise<void> {
    const { jetStream, ttlMs, replicas } = this.#options;
    const state = await jetStream.openBucket({ name, ttlMs, replicas });
    const differs = [
      ...(state.ttlMs === ttlMs
        ? []
        : [`values expire after ${state.ttlMs / 1000} s, not ${ttlMs / 1000} s (overlay.lease)`]),
      ...(state.replicas === replicas ? [] : [`${state.replicas} replicas, not ${replicas}`]),
    ];
    if (differs.length > 0)
      throw new LeaseMismatch(`bucket ${name} has other settings: ${differs.join("; ")}`);
  }

  /** @throws JetStreamError {@link WRONG_LAST_SEQUENCE} if another broker was first */
  async #create(bucket: string, expected: number): Promise<Held | undefined> {
    const { jetStream, uuid, ttlMs, replicas, clock } = this.#options;
    const epoch = this.#known + 1;
    const at = momentOf(clock);
    const revision = await jetStream.write(bucket, KEY, encodeValue(this.#options, epoch), expected);
    if (replicas === 1) return { epoch, revision, at, isNew: true };
    // Old servers have confirmed two holders at the same time.
    await sleep(ttlMs / MARGIN);
    const again = await jetStream.read(bucket, KEY);
    const isOwn = again?.value !== undefined && decodeValue(again.value)?.uuid === uuid;
    return isOwn ? { epoch, revision: again.revision, at, isNew: true } : undefined;
  }
}

/** The bucket exists with other settings. */
export class LeaseMismatch extends Error {
  override readonly name = "LeaseMismatch";
}

function bucketOf(instance: string): string {
  return `sluice-${instance}`;
}

function momentOf(clock: LeaseClock): Moment {
  return { monotonicMs: clock.monotonic(), wallMs: clock.wall() };
}

function encodeValue({ uuid, host }: Pick<LeaseValue, "uuid" | "host">, epoch: number): Uint8Array {
  return Buffer.from(JSON.stringify({ uuid, host, epoch } satisfies LeaseValue));
}

/** @returns undefined for another value */
function decodeValue(bytes: Buffer): LeaseValue | undefined {
  try {
    const { uuid, host, epoch } = JSON.parse(bytes.toString()) as Partial<LeaseValue>;
    return typeof uuid === "string" && typeof host === "string" && typeof epoch === "number"
      ? { uuid, host, epoch }
      : undefined;
  } catch {
    return undefined;
  }
}
