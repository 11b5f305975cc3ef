import type {
  MsgHdrs,
  NatsConnection,
  PermissionViolationError,
  RequestOptions,
} from "@nats-io/transport-node";
import { natsLibrary } from "./connect-nats.js";

/** The error answer of JetStream, with its number. */
export class JetStreamError extends Error {
  override readonly name = "JetStreamError";
  /** The number of the error (`err_code`), which stays the same over versions. */
  readonly number: number;

  constructor(number: number, text: string) {
    super(text);
    this.number = number;
  }
}

/** The servers refuse this NATS user a right that a request needs. */
export class MissingRightError extends Error {
  override readonly name = "MissingRightError";
  /** The subject whose use the servers refused, in the form in which rights name it. */
  readonly subject: string;

  constructor(cause: PermissionViolationError) {
    const { subject, operation } = cause;
    // Each request has a different key of a bucket or name of an inbox, so these count as one right.
    const right = subject.replace(/^(\$KV\.[^.]*|_INBOX_[^.]*)\..*$/, "$1.>");
    super(`this NATS user may not ${operation === "publish" ? "publish" : "subscribe to"} ${right}`, {
      cause,
    });
    this.subject = right;
  }
}

/** The subject that answers whether an account has JetStream. */
export const JETSTREAM_INFO = "$JS.API.INFO";

/** A write was refused because another one came first. */
export const WRONG_LAST_SEQUENCE = 10071;
/** The servers are no cluster, so that a stream has one replica only. */
export const NO_CLUSTER = 10074;
/** Servers of a cluster without JetStream do not answer at all. */
const INFO_MS = 1000;

const STREAM_NOT_FOUND = 10059;
const NO_MESSAGE_FOUND = 10037;
const STREAM_NAME_IN_USE = 10058;
const SEQUENCE_NOT_FOUND = 10043;
const DELETE_FAILED = 10057;

/** A value of a bucket. */
export interface Stored {
  /** Increases with each write of the bucket. */
  readonly revision: number;
  /** Undefined if the value was deleted. */
  readonly value: Buffer | undefined;
}

/** The settings of a new bucket. An existing bucket keeps its own. */
export interface BucketOptions {
  readonly name: string;
  /** How long a value stays, in milliseconds; Infinity: no limit. */
  readonly ttlMs: number;
  readonly replicas: number;
  /** Whether single values may be erased. Default: no. */
  readonly isErasable?: boolean;
}

/** The settings of an existing bucket. */
export type BucketState = Pick<BucketOptions, "ttlMs" | "replicas">;

interface Answer {
  readonly error?: { readonly err_code?: number; readonly description?: string };
}

interface StreamAnswer extends Answer {
  readonly config?: { readonly max_age?: number; readonly num_replicas?: number };
  readonly state?: {
    readonly last_seq?: number;
    readonly subjects?: Readonly<Record<string, number>>;
  };
  readonly total?: number;
}

/** The keys of a bucket. */
export interface BucketKeys {
  readonly keys: readonly string[];
  /** The newest revision at that time; 0 in a bucket without entries. */
  readonly lastRevision: number;
}

interface MessageAnswer extends Answer {
  readonly message?: { readonly seq: number; readonly data?: string; readonly hdrs?: string };
}

/**
 * Buckets of keys and values in JetStream, through its requests. The leader of the stream answers every read, because
 * a replica may be hours behind (docs/design/hosts.md §4).
 */
export class JetStream {
  readonly #connection: () => NatsConnection;
  readonly #timeoutMs: number;

  /**
   * @param connection returns the present connection; called for each request
   * @param timeoutMs how long one answer may take, in milliseconds
   */
  constructor(connection: () => NatsConnection, timeoutMs: number) {
    this.#connection = connection;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Whether JetStream is available for this account.
   * @throws MissingRightError if it is, but this user may not use it
   * @throws Error when this cannot be found out at the moment
   */
  async isOn(): Promise<boolean> {
    try {
      await this.#ask(JETSTREAM_INFO, {}, Math.min(this.#timeoutMs, INFO_MS));
      return true;
    } catch (error) {
      if (error instanceof JetStreamError) return false;
      // While the servers elect a leader, they do not answer either.
      if (this.#connection().info?.jetstream !== true && !this.#connection().isClosed()) return false;
      throw error;
    }
  }

  /** Makes a bucket if it is missing, and returns its settings. */
  async openBucket({ name, ttlMs, replicas, isErasable = false }: BucketOptions): Promise<BucketState> {
    const config = {
      name: `KV_${name}`,
      subjects: [`$KV.${name}.>`],
      max_msgs_per_subject: 1,
      max_age: Number.isFinite(ttlMs) ? Math.round(ttlMs * 1e6) : 0,
      duplicate_window: Math.round(Math.min(ttlMs, 120_000) * 1e6),
      num_replicas: replicas,
      storage: "file",
      discard: "new",
      deny_delete: !isErasable,
      allow_rollup_hdrs: true,
      // A read must return the last written value.
      allow_direct: false,
    };
    const known = await this.#tryAsk<StreamAnswer>(`$JS.API.STREAM.INFO.KV_${name}`, {}, STREAM_NOT_FOUND);
    const made =
      known ??
      (await this.#tryAsk<StreamAnswer>(`$JS.API.STREAM.CREATE.KV_${name}`, config, STREAM_NAME_IN_USE));
    const found = made?.config ?? config;
    const maxAge = found.max_age ?? 0;
    return { ttlMs: maxAge === 0 ? Infinity : maxAge / 1e6, replicas: found.num_replicas ?? 1 };
  }

  /** All keys of a bucket. */
  async keys(bucket: string): Promise<BucketKeys> {
    const prefix = `$KV.${bucket}.`;
    const found = new Set<string>();
    let lastRevision = 0;
    // Reads the keys in parts, because the servers send only a limited number at once.
    for (let offset = 0, total = 1; offset < total;) {
      const wanted = { subjects_filter: `${prefix}>`, offset };
      const answer = await this.#ask<StreamAnswer>(`$JS.API.STREAM.INFO.KV_${bucket}`, wanted);
      const subjects = Object.keys(answer.state?.subjects ?? {});
      for (const subject of subjects) found.add(subject.slice(prefix.length));
      lastRevision = answer.state?.last_seq ?? 0;
      if (subjects.length === 0) break;
      offset += subjects.length;
      total = answer.total ?? subjects.length;
    }
    return { keys: [...found], lastRevision };
  }

  /**
   * Removes one value completely. Another value of its key stays. A purge by key would do that too. However,
   * a server of version 2.9 then counts its bytes permanently.
   */
  async erase(bucket: string, revision: number): Promise<void> {
    const wanted = { seq: revision, no_erase: true };
    await this.#tryAsk(
      `$JS.API.STREAM.MSG.DELETE.KV_${bucket}`,
      wanted,
      NO_MESSAGE_FOUND,
      SEQUENCE_NOT_FOUND,
      DELETE_FAILED,
    );
  }

  /** The value of a key, from the leader of the stream; undefined without one, and without the bucket. */
  async read(bucket: string, key: string): Promise<Stored | undefined> {
    const subject = `$JS.API.STREAM.MSG.GET.KV_${bucket}`;
    const wanted = { last_by_subj: `$KV.${bucket}.${key}` };
    const answer = await this.#tryAsk<MessageAnswer>(subject, wanted, NO_MESSAGE_FOUND, STREAM_NOT_FOUND);
    const message = answer?.message;
    if (message === undefined) return undefined;
    const isDeleted = Buffer.from(message.hdrs ?? "", "base64").includes("KV-Operation");
    return {
      revision: message.seq,
      value: isDeleted ? undefined : Buffer.from(message.data ?? "", "base64"),
    };
  }

  /**
   * Writes a value.
   * @param expected the revision that it must have now; 0: no revision
   * @returns its new revision
   * @throws JetStreamError {@link WRONG_LAST_SEQUENCE} for another revision
   */
  async write(bucket: string, key: string, value: Uint8Array, expected?: number): Promise<number> {
    return this.#publish(`$KV.${bucket}.${key}`, value, expected, natsLibrary().headers());
  }

  /** As {@link write}, for a value that is to be removed. */
  async remove(bucket: string, key: string, expected?: number): Promise<void> {
    const headers = natsLibrary().headers();
    headers.set("KV-Operation", "DEL");
    await this.#publish(`$KV.${bucket}.${key}`, new Uint8Array(), expected, headers);
  }

  async #publish(
    subject: string,
    value: Uint8Array,
    expected: number | undefined,
    headers: MsgHdrs,
  ): Promise<number> {
    if (expected !== undefined) headers.set("Nats-Expected-Last-Subject-Sequence", String(expected));
    const data = await this.#request(subject, value, { timeout: this.#timeoutMs, headers });
    return checked(parsed(data) as Answer & { readonly seq: number }).seq;
  }

  async #ask<T extends Answer>(subject: string, payload: unknown, timeout = this.#timeoutMs): Promise<T> {
    const data = await this.#request(subject, JSON.stringify(payload), { timeout });
    return checked(parsed(data) as T);
  }

  /** @throws MissingRightError */
  async #request(
    subject: string,
    payload: Uint8Array | string,
    options: RequestOptions,
  ): Promise<Uint8Array> {
    try {
      return (await this.#connection().request(subject, payload, options)).data;
    } catch (error) {
      const { errors } = natsLibrary();
      const cause = error instanceof errors.RequestError ? error.cause : error;
      if (!(cause instanceof errors.PermissionViolationError)) throw error;
      throw new MissingRightError(cause);
    }
  }

  /** @returns undefined for one of these errors */
  async #tryAsk<T extends Answer>(
    subject: string,
    payload: unknown,
    ...numbers: readonly number[]
  ): Promise<T | undefined> {
    try {
      return await this.#ask<T>(subject, payload);
    } catch (error) {
      if (error instanceof JetStreamError && numbers.includes(error.number)) return undefined;
      throw error;
    }
  }
}

function parsed(data: Uint8Array): unknown {
  return JSON.parse(Buffer.from(data).toString());
}

function checked<T extends Answer>(answer: T): T {
  const { error } = answer;
  if (error !== undefined) throw new JetStreamError(error.err_code ?? 0, error.description ?? "it failed");
  return answer;
}
