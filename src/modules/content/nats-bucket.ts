import { messageOf, requestError } from "../../errors/index.js";
import {
  type BucketKeys,
  JetStream,
  JetStreamError,
  type LastingConnection,
  MissingRightError,
  type Stored,
  WRONG_LAST_SEQUENCE,
} from "../../nats/index.js";
import { sleep } from "../../processes/index.js";

/** How long one answer may take, in milliseconds. */
const ANSWER_MS = 2000;

/** The time between two tries while no server answers, in milliseconds. */
const RETRY_MS = 100;

/** The errors of the servers while they elect a leader. They are temporary. */
const PASSING: readonly number[] = [10008, 10009, 10039, 10076];

/** No room is left: for the server, the account or the bucket. */
const FULL: readonly number[] = [10002, 10023, 10028, 10047, 10077];

/** An upper bound for the size of a message without its payload. */
const OVERHEAD_BYTES = 8192;

/** The bucket of a store. It waits for a lost server as long as the store may. */
export class NatsBucket {
  readonly name: string;
  readonly #connection: LastingConnection;
  readonly #jetStream: JetStream;
  readonly #waitMs: number;
  #isClosed = false;
  #refused: (text: string) => void = () => undefined;
  /** The missing right, as last reported. */
  #missingRight: string | undefined;

  /** @param waitMs how long it waits for servers that do not answer */
  constructor(connection: LastingConnection, name: string, waitMs: number) {
    this.name = name;
    this.#connection = connection;
    this.#jetStream = new JetStream(() => connection.current, ANSWER_MS);
    this.#waitMs = waitMs;
  }

  /** @param listener called once for each missing right */
  onRefused(listener: (text: string) => void): void {
    this.#refused = listener;
  }

  /** Makes it if it is missing. @returns the number of servers that keep it */
  async open(replicas: number): Promise<number> {
    const options = { name: this.name, ttlMs: Infinity, replicas, isErasable: true };
    return (await this.#patiently(() => this.#jetStream.openBucket(options))).replicas;
  }

  keys(): Promise<BucketKeys> {
    return this.#patiently(() => this.#jetStream.keys(this.name));
  }

  read(key: string): Promise<Stored | undefined> {
    return this.#patiently(() => this.#jetStream.read(this.name, key));
  }

  /** Writes a value that may be written twice. @returns its revision */
  write(key: string, value: Uint8Array): Promise<number> {
    return this.#patiently(() => this.#jetStream.write(this.name, key, value));
  }

  /**
   * Overwrites one revision, once.
   * @param found called if another revision exists: returns that revision if an earlier try wrote it
   */
  writeOver(
    key: string,
    value: Uint8Array,
    expected: number,
    found: () => Promise<number | undefined>,
  ): Promise<number> {
    return this.#patiently(async () => {
      try {
        return await this.#jetStream.write(this.name, key, value, expected);
      } catch (error) {
        const revision = isConflict(error) ? await found() : undefined;
        if (revision === undefined) throw error;
        return revision;
      }
    });
  }

  erase(revision: number): Promise<void> {
    return this.#patiently(() => this.#jetStream.erase(this.name, revision));
  }

  /** The limit of one value, because a read returns it a third longer. */
  get valueBytes(): number {
    const most = this.#connection.current.info?.max_payload ?? 1024 * 1024;
    return Math.max(Math.floor((most - OVERHEAD_BYTES) / 2), 1024);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#connection.close();
  }

  /**
   * @throws `ENOSPC`, `EAGAIN` when no server has answered for too long, `EACCES` for a missing right, `EIO` for any
   *   other refusal of the servers
   */
  async #patiently<T>(run: () => Promise<T>): Promise<T> {
    const deadlineMs = performance.now() + this.#waitMs;
    for (;;) {
      try {
        const result = await run();
        this.#missingRight = undefined;
        return result;
      } catch (error) {
        if (isConflict(error)) throw error;
        if (error instanceof MissingRightError) throw this.#forbidden(error);
        if (error instanceof JetStreamError && !PASSING.includes(error.number)) throw this.#declined(error);
        if (this.#isClosed || performance.now() > deadlineMs) throw this.#away(error);
      }
      await sleep(RETRY_MS);
    }
  }

  /** This reports a fault that an operator has to correct without a wait. */
  #forbidden(error: MissingRightError): Error {
    const text = `NATS bucket ${this.name}: ${error.message}`;
    if (this.#missingRight !== error.message) this.#refused(text);
    this.#missingRight = error.message;
    return requestError("EACCES", text, error);
  }

  #declined(error: JetStreamError): Error {
    const errno = FULL.includes(error.number) ? "ENOSPC" : "EIO";
    return requestError(errno, `NATS bucket ${this.name}: ${error.message}`, error);
  }

  #away(error: unknown): Error {
    const waited = `waited ${this.#waitMs / 1000} s (content.wait)`;
    return requestError("EAGAIN", `NATS bucket ${this.name} is away: ${waited}: ${messageOf(error)}`, error);
  }
}

/** Another write was first. */
export function isConflict(error: unknown): boolean {
  return error instanceof JetStreamError && error.number === WRONG_LAST_SEQUENCE;
}
