import type { Msg, MsgHdrs, NatsConnection } from "@nats-io/transport-node";
import { messageOf } from "../../errors/index.js";
import type { LogLevel } from "../../messages/index.js";
import { startTimer } from "../../processes/index.js";
import { within } from "./connection.js";
import { Link } from "./link.js";
import { formatFrame, type LinkFrame, parseFrame, UNKNOWN } from "./link-frame.js";
import { connectNats, type NatsConnectOptions, natsLibrary } from "./nats-connection.js";

/** What one message holds beside its payload: its subject, its reply subject and its header. */
const OVERHEAD_BYTES = 1024;

/** Half of what makes a server hold back all that send to a receiver which does not read. */
const UNREAD_BYTES = 16 * 1024 * 1024;

/**
 * However many ranks there are, each may send this much, and not more than this: about what a socket takes, so that a
 * sender that is held has not sent much more meanwhile.
 */
const WINDOW_BYTES = { least: 64 * 1024, most: 256 * 1024 };

/** As long as the servers cannot be reached, it is said this often. */
const REMIND_MS = 30_000;

/** How long the last messages may take to leave. */
const CLOSE_TIMEOUT_MS = 500;

const SERVICE_UNAVAILABLE = 503;

const NOTHING = new Uint8Array();

export interface NatsNetworkOptions extends NatsConnectOptions {
  readonly instance: string;
  readonly rank: number;
  /** Of this life of this broker. */
  readonly uuid: string;
  /** After what time without an acknowledgement what was sent may be lost, in milliseconds. */
  readonly retryMs: () => number;
}

/** What a network reports. */
export interface NatsListener {
  /** Whether a broker may begin a link to this rank. */
  accepts(rank: number, frame: LinkFrame): boolean;
  /** Another broker has begun one. */
  linked(rank: number, link: Link): void;
  /** A broadcast, with its header; on rank 0 never called. */
  broadcast(header: (name: string) => string, payload: Uint8Array): void;
  /** The connection was made anew: what was broadcast meanwhile is lost. */
  restored(): void;
  log(level: LogLevel, text: string): void;
}

const SILENT: NatsListener = {
  accepts: () => false,
  linked: () => undefined,
  broadcast: () => undefined,
  restored: () => undefined,
  log: () => undefined,
};

/**
 * One rank's place among the subjects of its instance (docs/design/hosts.md §2): links to other ranks, and what rank 0
 * broadcasts. Lives through the loss of any server.
 */
export class NatsNetwork {
  readonly uuid: string;
  readonly rank: number;
  readonly #options: NatsNetworkOptions;
  readonly #makeHeaders: () => MsgHdrs;
  /** By rank and uuid of the other end; a uuid that is not known yet is `-`. */
  readonly #links = new Map<string, Link>();
  /** Brokers to which a link has been closed: what still comes of them is late. */
  readonly #past = new Set<string>();
  #connection: NatsConnection;
  #listener = SILENT;
  #segmentBytes = 0;
  #windowBytes = WINDOW_BYTES.least;
  readonly #closing = new AbortController();
  #reminder: NodeJS.Timeout | undefined;

  private constructor(options: NatsNetworkOptions, connection: NatsConnection, makeHeaders: () => MsgHdrs) {
    this.#options = options;
    this.uuid = options.uuid;
    this.rank = options.rank;
    this.#makeHeaders = makeHeaders;
    this.#connection = connection;
    this.#attach(connection);
  }

  /** @throws SluiceError as {@link connectNats} */
  static async open(options: NatsNetworkOptions): Promise<NatsNetwork> {
    const connection = await connectNats(options);
    return new NatsNetwork(options, connection, natsLibrary().headers);
  }

  /** The server that this rank is, or was last, connected to. */
  get server(): string {
    return this.#connection.getServer();
  }

  listen(listener: Partial<NatsListener>): void {
    this.#listener = { ...SILENT, ...listener };
    this.#listener.log("info", `connected to the NATS server ${this.#connection.getServer()}`);
  }

  /** Shares what a receiver may have unread among so many senders. */
  setSize(size: number): void {
    const share = Math.floor(UNREAD_BYTES / Math.max(size - 1, 1));
    this.#windowBytes = Math.min(Math.max(share, WINDOW_BYTES.least), WINDOW_BYTES.most);
  }

  /**
   * Begins a link.
   * @param peer the broker of the rank; undefined for the one that answers
   */
  open(rank: number, peer?: string): Link {
    const known = this.#links.get(key(rank, peer ?? UNKNOWN));
    if (known !== undefined) return known;
    const link = new Link({
      self: this.uuid,
      peer,
      windowBytes: () => this.#windowBytes,
      segmentBytes: () => Math.min(this.#segmentBytes, WINDOW_BYTES.least),
      retryMs: this.#options.retryMs,
      send: (frame, bytes) => this.#send(rank, frame, bytes),
    });
    this.#links.set(key(rank, peer ?? UNKNOWN), link);
    link.once("close", () => this.#forget(rank, link));
    return link;
  }

  /** Sends to all at once what may be lost; false if it is too large for that. */
  broadcast(header: Readonly<Record<string, string>>, payload: Uint8Array = NOTHING): boolean {
    if (payload.length > this.#segmentBytes) return false;
    this.#publish(`${this.#prefix}.ev`, payload, header);
    return true;
  }

  /**
   * Asks for another broker of this rank, which is to answer with {@link answerClaims}.
   * @param timeoutMs how long one that is there may take, in milliseconds
   * @returns what it says; undefined if there is none, or it is silent
   */
  async findDouble(timeoutMs: number): Promise<string | undefined> {
    const own = `${this.#prefix}.r.${this.rank}`;
    return new Promise((resolve) => {
      const timer = startTimer(timeoutMs, () => end(undefined));
      const end = (answer: string | undefined): void => {
        timer.cancel();
        this.#onClaim = () => undefined;
        this.#onNoResponders = () => undefined;
        resolve(answer);
      };
      this.#onClaim = (text) => {
        if (text.startsWith("held ")) end(text.slice("held ".length));
      };
      this.#onNoResponders = () => end(undefined);
      this.#publish(`${own}.${this.rank}`, NOTHING, { claim: "asked" }, `${own}.n.${this.rank}.0`);
    });
  }

  /** Says from now on to others that want this rank that it is held. */
  answerClaims(holder: string): void {
    const subject = `${this.#prefix}.r.${this.rank}.${this.rank}`;
    this.#onClaim = (text) => {
      if (text === "asked") this.#publish(subject, NOTHING, { claim: `held ${holder}` });
    };
  }

  async close(): Promise<void> {
    const links = [...this.#links.values()];
    const closed = links.map((link) => new Promise((resolve) => link.once("close", resolve)));
    for (const link of links) link.end();
    await within(CLOSE_TIMEOUT_MS, Promise.all(closed));
    this.#closing.abort();
    clearInterval(this.#reminder);
    for (const link of this.#links.values()) link.destroy();
    if (this.#connection.isClosed()) return;
    await within(CLOSE_TIMEOUT_MS, this.#connection.flush());
    await this.#connection.close();
  }

  #onClaim: (text: string) => void = () => undefined;
  #onNoResponders: (rank: number) => void = () => undefined;

  get #prefix(): string {
    return `sluice.${this.#options.instance}`;
  }

  #attach(connection: NatsConnection): void {
    this.#connection = connection;
    this.#readLimits();
    const own = `${this.#prefix}.r.${this.rank}`;
    this.#subscribe(connection, `${own}.>`, (message) => this.#receive(message));
    if (this.rank !== 0) {
      this.#subscribe(connection, `${this.#prefix}.ev`, ({ headers, data }) => {
        this.#listener.broadcast((name) => headers?.get(name) ?? "", data);
      });
    }
    void this.#follow(connection);
    void connection.closed().then(() => this.#replace(connection));
  }

  #subscribe(connection: NatsConnection, subject: string, take: (message: Msg) => void): void {
    connection.subscribe(subject, {
      callback: (error, message) => {
        if (error !== null) this.#listener.log("err", `NATS: ${subject}: ${messageOf(error)}`);
        else take(message);
      },
    });
  }

  #readLimits(): void {
    const most = this.#connection.info?.max_payload;
    if (most !== undefined) this.#segmentBytes = Math.max(most - OVERHEAD_BYTES, 1);
  }

  async #follow(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === "error") this.#listener.log("err", `NATS: ${messageOf(status.error)}`);
      // A server that is about to end.
      else if (status.type === "ldm") await connection.close();
    }
  }

  /** The connection is lost: another one takes its place, whenever that is. */
  async #replace(lost: NatsConnection): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#listener.log("warning", `disconnected from the NATS server ${lost.getServer()}`);
    const sinceMs = performance.now();
    this.#reminder = setInterval(() => {
      const seconds = Math.round((performance.now() - sinceMs) / 1000);
      this.#listener.log("warning", `no NATS server can be reached for ${seconds} s`);
    }, REMIND_MS).unref();
    const { signal } = this.#closing;
    try {
      const connection = await connectNats({ ...this.#options, signal, connectTimeoutMs: Infinity });
      this.#attach(connection);
      this.#listener.log("notice", `connected to the NATS server ${connection.getServer()}`);
      for (const link of this.#links.values()) link.recover();
      this.#listener.restored();
    } catch (error) {
      if (!signal.aborted) this.#listener.log("err", messageOf(error));
    } finally {
      clearInterval(this.#reminder);
    }
  }

  /** `sluice.<instance>.r.<own>.<from>`, or `….n.<to>.0` for a message to a rank that nothing receives. */
  #receive({ subject, headers, data }: Msg): void {
    const [from = "", to = ""] = subject.slice(`${this.#prefix}.r.${this.rank}.`.length).split(".");
    if (from === "n") {
      if (headers?.code === SERVICE_UNAVAILABLE) this.#unheard(Number(to));
      return;
    }
    if (!/^\d{1,9}$/.test(from)) return;
    const claim = headers?.get("claim") ?? "";
    if (claim !== "" && Number(from) === this.rank) this.#onClaim(claim);
    const frame = parseFrame(headers?.get("link") ?? "");
    if (frame !== undefined) this.#take(Number(from), frame, data);
  }

  #unheard(rank: number): void {
    this.#onNoResponders(rank);
    for (const [name, link] of this.#links) if (name.startsWith(key(rank, ""))) link.noResponders();
  }

  #take(rank: number, frame: LinkFrame, data: Uint8Array): void {
    const link = this.#linkFor(rank, frame);
    if (link !== undefined) {
      link.receive(frame, data);
      return;
    }
    const isMeant = frame.to !== UNKNOWN && ["data", "end", "ask"].includes(frame.kind);
    // Another broker may want the same rank meanwhile. Rank 0 has made sure that it is alone.
    const isOver = frame.to === this.uuid ? this.#past.has(frame.from) : this.rank === 0;
    if (!isMeant || !isOver) return;
    const reset = { from: frame.to, to: frame.from, kind: "reset", number: 0, ack: 0, room: 0 } as const;
    this.#send(rank, reset, undefined);
  }

  #linkFor(rank: number, frame: LinkFrame): Link | undefined {
    if (frame.to !== this.uuid && frame.to !== UNKNOWN) return undefined;
    const known = this.#links.get(key(rank, frame.from));
    if (known !== undefined || this.#past.has(frame.from)) return known;
    const waiting = this.#links.get(key(rank, UNKNOWN));
    if (waiting !== undefined && frame.to === this.uuid) {
      this.#links.delete(key(rank, UNKNOWN));
      this.#links.set(key(rank, frame.from), waiting);
      return waiting;
    }
    if (frame.kind !== "data" || frame.number !== 0 || !this.#listener.accepts(rank, frame)) return undefined;
    const link = this.open(rank, frame.from);
    this.#listener.linked(rank, link);
    return link;
  }

  #forget(rank: number, link: Link): void {
    const name = key(rank, link.peer ?? UNKNOWN);
    if (this.#links.get(name) === link) this.#links.delete(name);
    if (link.peer !== undefined) this.#past.add(link.peer);
  }

  #send(rank: number, frame: LinkFrame, bytes: Uint8Array | undefined): void {
    const subject = `${this.#prefix}.r.${rank}.${this.rank}`;
    // Where nothing receives it, the service says so to the reply subject.
    const reply =
      frame.kind === "data" || frame.kind === "ask"
        ? `${this.#prefix}.r.${this.rank}.n.${rank}.${frame.number}`
        : undefined;
    this.#publish(subject, bytes ?? NOTHING, { link: formatFrame(frame) }, reply);
  }

  /** What cannot be sent now is lost, as it may be on the way. */
  #publish(
    subject: string,
    payload: Uint8Array,
    header: Readonly<Record<string, string>>,
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
}

function key(rank: number, peer: string): string {
  return `${rank} ${peer}`;
}
