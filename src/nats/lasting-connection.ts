import type { Msg, MsgHdrs, NatsConnection } from "@nats-io/transport-node";
import { messageOf } from "../errors/index.js";
import { sleep, startTimer } from "../processes/index.js";
import { connectNats, type NatsConnectOptions, natsLibrary } from "./connect-nats.js";

/** The time between two log lines while no server can be reached. */
const REMIND_MS = 30_000;

/** After this time the operator may have restored a right that a server has withdrawn. */
const RIGHT_RETRY_MS = 500;

/** A connection shorter than this is brief: the next one waits, and longer after each brief one. */
const BRIEF_MS = 1000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 3200;

/** How long the last messages may take to leave. */
const CLOSE_TIMEOUT_MS = 500;

/** Subjects that only JetStream needs. */
const OF_JETSTREAM = /^(?:\$JS\.|\$KV\.|_INBOX_)/;

const NOTHING = new Uint8Array();

/** The events of a connection. */
export interface ConnectionListener {
  /** The connection was made again: messages on their way may be lost. */
  restored(): void;
  log(level: "err" | "warning" | "notice" | "info", text: string): void;
}

const SILENT: ConnectionListener = { restored: () => undefined, log: () => undefined };

/**
 * A connection to NATS servers. A connection to any server that answers replaces a lost one
 * (docs/design/hosts.md §1). Messages that this process sends meanwhile are lost, as messages may be lost on the way.
 */
export class LastingConnection {
  readonly #options: NatsConnectOptions;
  readonly #makeHeaders: () => MsgHdrs;
  readonly #subscriptions: (readonly [subject: string, take: (message: Msg) => void])[] = [];
  readonly #optional = new Set<string>();
  readonly #closing = new AbortController();
  #connection: NatsConnection;
  #listener = SILENT;
  #reminder: NodeJS.Timeout | undefined;
  #connectedAtMs = performance.now();
  /** The pause before the next connection, if the current one is brief. */
  #pauseMs = FIRST_PAUSE_MS;
  /** The time of the last log line about a subject that this process may not send to. */
  #refusedAtMs = -Infinity;
  /** Subjects that this process has to receive but may not, with the number of refusals of each. */
  readonly #withdrawn = new Map<string, number>();

  private constructor(options: NatsConnectOptions, connection: NatsConnection) {
    this.#options = options;
    this.#makeHeaders = natsLibrary().headers;
    this.#connection = connection;
    this.#attach(connection);
  }

  /** @throws SluiceError as {@link connectNats} */
  static async open(options: NatsConnectOptions): Promise<LastingConnection> {
    return new LastingConnection(options, await connectNats(options));
  }

  /** The present connection, or the last one. */
  get current(): NatsConnection {
    return this.#connection;
  }

  /** The server that this process is connected to, or was last. */
  get server(): string {
    return this.#connection.getServer();
  }

  listen(listener: Partial<ConnectionListener>): void {
    this.#listener = { ...SILENT, ...listener };
  }

  /**
   * Takes the messages of a subject, also after a new connection.
   * @param options `isOptional`: without the right to receive them, the rest still works
   */
  subscribe(
    subject: string,
    take: (message: Msg) => void,
    { isOptional = false }: { readonly isOptional?: boolean } = {},
  ): void {
    if (isOptional) this.#optional.add(subject);
    this.#subscriptions.push([subject, take]);
    this.#subscribe(this.#connection, subject, take);
  }

  publish(
    subject: string,
    header: Readonly<Record<string, string>>,
    payload: Uint8Array = NOTHING,
    reply?: string,
  ): void {
    if (this.#connection.isClosed()) return;
    const headers = this.#makeHeaders();
    for (const [name, value] of Object.entries(header)) headers.set(name, value);
    try {
      this.#connection.publish(subject, payload, { headers, ...(reply !== undefined && { reply }) });
    } catch (error) {
      this.#listener.log("err", `NATS: ${subject}: ${messageOf(error)}`);
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    clearInterval(this.#reminder);
    if (this.#connection.isClosed()) return;
    await Promise.race([
      this.#connection.flush().catch(() => undefined),
      new Promise((resolve) => setTimeout(resolve, CLOSE_TIMEOUT_MS).unref()),
    ]);
    await this.#connection.close();
  }

  #attach(connection: NatsConnection): void {
    this.#connection = connection;
    this.#connectedAtMs = performance.now();
    for (const [subject, take] of this.#subscriptions) this.#subscribe(connection, subject, take);
    void this.#follow(connection);
    void connection.closed().then(() => this.#replace(connection));
  }

  #subscribe(connection: NatsConnection, subject: string, take: (message: Msg) => void): void {
    connection.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) take(message);
        else if (this.#optional.has(subject))
          this.#listener.log("info", `NATS: ${subject}: ${messageOf(error)}`);
        else this.#lostRight(connection, subject, take, error);
      },
    });
  }

  /**
   * The server has refused or withdrawn the right to receive a subject. The server does not report when the right
   * returns.
   */
  #lostRight(connection: NatsConnection, subject: string, take: (message: Msg) => void, error: Error): void {
    const times = this.#withdrawn.get(subject) ?? 0;
    this.#withdrawn.set(subject, times + 1);
    if (times === 0) this.#listener.log("err", `NATS: ${subject} may not be received: ${messageOf(error)}`);
    const again = async (): Promise<void> => {
      if (connection !== this.#connection || connection.isClosed()) return;
      this.#subscribe(connection, subject, take);
      // An error of the server arrives before its answer.
      await connection.flush();
      if (this.#withdrawn.get(subject) !== times + 1) return;
      this.#withdrawn.delete(subject);
      this.#listener.log("notice", `NATS: the servers allow ${subject} again`);
      this.#listener.restored();
    };
    const run = (): void => {
      // If the connection is lost meanwhile, another one takes its place.
      again().catch(() => this.#withdrawn.delete(subject));
    };
    startTimer(RIGHT_RETRY_MS, run, { keepsAlive: false });
  }

  async #follow(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === "error") this.#refused(status.error);
      // The server is about to end.
      else if (status.type === "ldm") await connection.close();
    }
  }

  /** A request to JetStream itself fails with the missing right. A missing optional right is no failure. */
  #refused(error: Error): void {
    const { PermissionViolationError } = natsLibrary().errors;
    const violation = error instanceof PermissionViolationError ? error : undefined;
    const subject = violation?.subject ?? "";
    if (OF_JETSTREAM.test(subject)) return;
    if (this.#optional.has(subject)) {
      this.#listener.log("info", `NATS: ${messageOf(error)}`);
      return;
    }
    // The subscription has received these errors.
    if (violation?.operation === "subscription") return;
    // Programs try a forbidden message repeatedly.
    if (violation !== undefined && performance.now() - this.#refusedAtMs < REMIND_MS) return;
    if (violation !== undefined) this.#refusedAtMs = performance.now();
    this.#listener.log("err", `NATS: ${messageOf(error)}`);
  }

  /** A server may accept every connection and end it, for example with credentials that expire in this second. */
  async #pauseIfBrief(signal: AbortSignal): Promise<void> {
    if (performance.now() - this.#connectedAtMs >= BRIEF_MS) {
      this.#pauseMs = FIRST_PAUSE_MS;
      return;
    }
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    await sleep(pauseMs, signal).catch(() => undefined);
  }

  /** The connection is lost. A new one replaces it, at any later time. */
  async #replace(lost: NatsConnection): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#listener.log("warning", `disconnected from the NATS server ${lost.getServer()}`);
    const sinceMs = performance.now();
    let why: readonly string[] = [];
    let isRefusalKnown = false;
    this.#reminder = setInterval(() => {
      const seconds = Math.round((performance.now() - sinceMs) / 1000);
      this.#listener.log(
        "warning",
        `no NATS server has taken a connection for ${seconds} s: ${why.join("; ")}`,
      );
    }, REMIND_MS).unref();
    const { signal } = this.#closing;
    await this.#pauseIfBrief(signal);
    const failed = (lines: readonly string[], isRefused: boolean): void => {
      why = lines;
      if (!isRefused || isRefusalKnown) return;
      isRefusalKnown = true;
      this.#listener.log("err", `no NATS server takes a connection any more: ${why.join("; ")}`);
    };
    try {
      const connection = await connectNats({ ...this.#options, signal, connectTimeoutMs: Infinity, failed });
      this.#attach(connection);
      this.#listener.log("notice", `connected to the NATS server ${connection.getServer()}`);
      this.#listener.restored();
    } catch (error) {
      if (!signal.aborted) this.#listener.log("err", messageOf(error));
    } finally {
      clearInterval(this.#reminder);
    }
  }
}
