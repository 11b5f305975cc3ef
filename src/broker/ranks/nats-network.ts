import type { Msg, NatsConnection } from "@nats-io/transport-node";
import type { LogLevel } from "../../messages/index.js";
import {
  clientOf,
  formatFrame,
  LastingConnection,
  Link,
  type LinkFrame,
  type NatsConnectOptions,
  parseFrame,
  UNKNOWN,
} from "../../nats/index.js";
import { startTimer } from "../../processes/index.js";
import { type Assignment, within } from "./connection.js";
import { assignmentSubject, hostOf } from "./nats-assignment.js";

/** The size of a message without its payload: its subject, its reply subject and its header. */
const OVERHEAD_BYTES = 1024;

/** A server holds back all senders to a receiver that does not read, at twice this size. */
const UNREAD_BYTES = 16 * 1024 * 1024;

/**
 * Each rank may send this much, and no more, for any number of ranks. The size is about that of a socket's
 * buffer, so that a held sender does not send much more meanwhile.
 */
const WINDOW_BYTES = { least: 64 * 1024, most: 256 * 1024 };

/** How long the last messages may take to leave. */
const CLOSE_TIMEOUT_MS = 500;

const SERVICE_UNAVAILABLE = 503;

const NOTHING = new Uint8Array();

export interface NatsNetworkOptions extends NatsConnectOptions {
  readonly instance: string;
  readonly rank: number;
  /** Identifies this run of the broker. */
  readonly uuid: string;
  /** The time without an acknowledgement after which sent data may be lost, in milliseconds. */
  readonly retryMs: () => number;
}

/** The events of a network. */
export interface NatsListener {
  /** Whether a broker may begin a link to this rank. */
  accepts(rank: number, frame: LinkFrame): boolean;
  /** Another broker has begun a link. */
  linked(rank: number, link: Link): void;
  /** A command somewhere on the network has begun a link. The listener decides whether it may. */
  client?(link: Link): void;
  /** On rank 0: a broker requests a number; undefined: the broker is to repeat the request. */
  assign(uuid: string, host: string): Assignment | undefined;
  /** A rank has reported the leader that it follows; called on rank 0. */
  reported(rank: number, leader: string): void;
  /** A broadcast, with its header; on rank 0 never called. */
  broadcast(header: (name: string) => string, payload: Uint8Array): void;
  /** This rank has connected again. Broadcasts in between are lost. */
  restored(): void;
  log(level: LogLevel, text: string): void;
}

/** The word in a subject that stands for a rank or a client. */
type Place = number | string;

const SILENT: NatsListener = {
  accepts: () => false,
  linked: () => undefined,
  assign: () => undefined,
  reported: () => undefined,
  broadcast: () => undefined,
  restored: () => undefined,
  log: () => undefined,
};

/**
 * One rank's place among the subjects of its instance (docs/design/hosts.md §2): links to other ranks, and the
 * broadcasts of rank 0. It survives the loss of any server.
 */
export class NatsNetwork {
  readonly rank: number;
  readonly #options: NatsNetworkOptions;
  #uuid: string;
  /** The links by place and uuid of the other end; `-` for an unknown uuid. */
  readonly #links = new Map<string, Link>();
  /** Brokers whose link has closed: this rank ignores their later frames. */
  readonly #past = new Set<string>();
  readonly #connection: LastingConnection;
  /** On rank 0: whether no other broker leads. Messages for another broker are then too late. */
  #isLeading: () => boolean = () => false;
  #listener = SILENT;
  #segmentBytes = 0;
  #windowBytes = WINDOW_BYTES.least;

  private constructor(options: NatsNetworkOptions, connection: LastingConnection) {
    this.#options = options;
    this.#uuid = options.uuid;
    this.rank = options.rank;
    this.#connection = connection;
    this.#readLimits();
    const own = `${this.#prefix}.r.${this.rank}`;
    connection.subscribe(`${own}.>`, (message) => this.#receive(message));
    if (this.rank === 0) {
      const any = assignmentSubject(options.instance, "*");
      connection.subscribe(any, (message) => this.#assign(message), { isOptional: true });
      return;
    }
    connection.subscribe(`${this.#prefix}.ev`, ({ headers, data }) => {
      this.#listener.broadcast((name) => headers?.get(name) ?? "", data);
    });
  }

  /** @throws SluiceError as {@link LastingConnection.open} */
  static async open(options: NatsNetworkOptions): Promise<NatsNetwork> {
    const inboxPrefix = `_INBOX_r${options.rank}`;
    return new NatsNetwork(options, await LastingConnection.open({ ...options, inboxPrefix }));
  }

  /** The present connection, or the last one. */
  get connection(): NatsConnection {
    return this.#connection.current;
  }

  /** Identifies this run of the broker for the other ranks. */
  get uuid(): string {
    return this.#uuid;
  }

  /** Takes a new uuid. All links end. This rank no longer receives messages to the old uuid. */
  renew(uuid: string): void {
    const links = [...this.#links.values()];
    this.#links.clear();
    for (const link of links) link.destroy();
    this.#past.clear();
    this.#uuid = uuid;
  }

  /** The server that this rank is connected to, or was last. */
  get server(): string {
    return this.#connection.server;
  }

  listen(listener: Partial<NatsListener>): void {
    this.#listener = { ...SILENT, ...listener };
    this.#connection.listen({
      restored: () => this.#restored(),
      log: (level, text) => this.#listener.log(level, text),
    });
    this.#listener.log("info", `connected to the NATS server ${this.server}`);
  }

  /** Divides the bytes that a receiver may have unread among the senders of an instance of this size. */
  setSize(size: number): void {
    const share = Math.floor(UNREAD_BYTES / Math.max(size - 1, 1));
    this.#windowBytes = Math.min(Math.max(share, WINDOW_BYTES.least), WINDOW_BYTES.most);
  }

  /**
   * Begins a link.
   * @param peer the broker of the rank; undefined for the one that answers
   */
  open(rank: number, peer?: string): Link {
    return this.#open(rank, peer);
  }

  #open(rank: Place, peer: string | undefined): Link {
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
    const self = this.uuid;
    link.once("close", () => {
      // Links of an earlier process have already ended.
      if (self === this.uuid) this.#forget(rank, link);
    });
    return link;
  }

  /** Sends a message that may be lost to all ranks at once; false if it is too large for that. */
  broadcast(header: Readonly<Record<string, string>>, payload: Uint8Array = NOTHING): boolean {
    if (payload.length > this.#segmentBytes) return false;
    this.#connection.publish(`${this.#prefix}.ev`, header, payload);
    return true;
  }

  /**
   * Searches for another broker of this rank, which answers if it leads.
   * @param timeoutMs how long another broker may take to answer, in milliseconds
   * @returns its answer; undefined without another broker, or if it does not answer
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
      this.#connection.publish(`${own}.${this.rank}`, { claim: "asked" }, NOTHING, `${own}.n.${this.rank}.0`);
    });
  }

  /**
   * Leads from now on: answers other brokers of this rank that the rank is taken.
   * @param isLeading whether it is certain that no other broker leads; called each time
   * @param onStandby called when another broker waits for the end of this one
   */
  lead(holder: string, isLeading: () => boolean, onStandby: () => void): void {
    this.#isLeading = isLeading;
    this.#onClaim = (text) => {
      if (text === "asked" && isLeading()) this.claim(`held ${holder}`);
      if (text === "standby") onStandby();
    };
  }

  /** Sends a text to other brokers of this rank. */
  claim(text: string): void {
    this.#connection.publish(`${this.#prefix}.r.${this.rank}.${this.rank}`, { claim: text });
  }

  /** @param listener gets the messages of other brokers of this rank */
  onClaim(listener: (text: string) => void): void {
    this.#onClaim = listener;
  }

  /** Reports to every leading broker which leader this rank follows. */
  report(leader: string): void {
    this.#connection.publish(`${this.#prefix}.r.0.${this.rank}`, { leader });
  }

  /**
   * Broadcasts to the present ranks, which are to {@link report}.
   * @returns resolves at once if the server reports that there is no rank, else after the time
   */
  probe(header: Readonly<Record<string, string>>, timeoutMs: number, enough: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel();
        this.#onNoResponders = () => undefined;
        resolve();
      };
      const timer = startTimer(timeoutMs, end);
      this.#onNoResponders = end;
      void enough.then(end);
      const reply = `${this.#prefix}.r.${this.rank}.n.${this.rank}.0`;
      this.#connection.publish(`${this.#prefix}.ev`, header, NOTHING, reply);
    });
  }

  async close(): Promise<void> {
    const links = [...this.#links.values()];
    const closed = links.map((link) => new Promise((resolve) => link.once("close", resolve)));
    for (const link of links) link.end();
    await within(CLOSE_TIMEOUT_MS, Promise.all(closed));
    for (const link of this.#links.values()) link.destroy();
    await this.#connection.close();
  }

  #onClaim: (text: string) => void = () => undefined;
  #onNoResponders: () => void = () => undefined;

  get #prefix(): string {
    return `sluice.${this.#options.instance}`;
  }

  #readLimits(): void {
    const most = this.connection.info?.max_payload;
    if (most !== undefined) this.#segmentBytes = Math.max(most - OVERHEAD_BYTES, 1);
  }

  #restored(): void {
    this.#readLimits();
    for (const link of this.#links.values()) link.reconnected();
    this.#listener.restored();
  }

  /** `sluice.<instance>.r.<own>.<from>`, or `….n.<to>.0` for a message to a rank without a receiver. */
  #receive({ subject, headers, data }: Msg): void {
    const [from = "", to = ""] = subject.slice(`${this.#prefix}.r.${this.rank}.`.length).split(".");
    if (from === "n") {
      if (headers?.code === SERVICE_UNAVAILABLE) this.#unheard(to);
      return;
    }
    if (clientOf(from) !== undefined) {
      const frame = parseFrame(headers?.get("link") ?? "");
      if (frame !== undefined && frame.from === clientOf(from)) this.#take(from, frame, data);
      return;
    }
    if (!/^\d{1,9}$/.test(from)) return;
    const claim = headers?.get("claim") ?? "";
    if (claim !== "" && Number(from) === this.rank) this.#onClaim(claim);
    const leader = headers?.get("leader") ?? "";
    if (leader !== "") this.#listener.reported(Number(from), leader);
    const frame = parseFrame(headers?.get("link") ?? "");
    if (frame !== undefined) this.#take(Number(from), frame, data);
  }

  /** A broker that accepts any rank requests a number. */
  #assign({ subject, data }: Msg): void {
    const uuid = subject.split(".").at(-1) ?? "";
    const host = hostOf(data);
    const answer = host === undefined ? undefined : this.#listener.assign(uuid, host);
    if (answer === undefined) return;
    const to = assignmentSubject(this.#options.instance, uuid);
    this.#connection.publish(`${to}.rank`, {}, Buffer.from(JSON.stringify(answer)));
  }

  #unheard(rank: string): void {
    this.#onNoResponders();
    for (const [name, link] of this.#links) if (name.startsWith(key(rank, ""))) link.noResponders();
  }

  #take(rank: Place, frame: LinkFrame, data: Uint8Array): void {
    const link = this.#linkFor(rank, frame);
    if (link !== undefined) {
      link.receive(frame, data);
      return;
    }
    const isMeant = frame.to !== UNKNOWN && ["data", "end", "ask"].includes(frame.kind);
    // Another broker may claim the same rank meanwhile.
    const isOver = frame.to === this.uuid ? this.#past.has(frame.from) : this.#isLeading();
    if (!isMeant || !isOver) return;
    const reset = { from: frame.to, to: frame.from, kind: "reset", number: 0, ack: 0, room: 0 } as const;
    this.#send(rank, reset, undefined);
  }

  #linkFor(rank: Place, frame: LinkFrame): Link | undefined {
    if (frame.to !== this.uuid && frame.to !== UNKNOWN) return undefined;
    const known = this.#links.get(key(rank, frame.from));
    if (known !== undefined || this.#past.has(frame.from)) return known;
    const waiting = this.#links.get(key(rank, UNKNOWN));
    if (waiting !== undefined && frame.to === this.uuid) {
      this.#links.delete(key(rank, UNKNOWN));
      this.#links.set(key(rank, frame.from), waiting);
      return waiting;
    }
    if (frame.kind !== "data" || frame.number !== 0) return undefined;
    if (typeof rank === "string") return this.#admitClient(rank, frame);
    if (!this.#listener.accepts(rank, frame)) return undefined;
    const link = this.open(rank, frame.from);
    this.#listener.linked(rank, link);
    return link;
  }

  #admitClient(place: string, { from }: LinkFrame): Link | undefined {
    if (this.#listener.client === undefined) return undefined;
    const link = this.#open(place, from);
    this.#listener.client(link);
    return link;
  }

  #forget(rank: Place, link: Link): void {
    const name = key(rank, link.peer ?? UNKNOWN);
    if (this.#links.get(name) === link) this.#links.delete(name);
    if (link.peer !== undefined) this.#past.add(link.peer);
  }

  #send(rank: Place, frame: LinkFrame, bytes: Uint8Array | undefined): void {
    const subject = `${this.#prefix}.r.${rank}.${this.rank}`;
    // If no rank receives it, the NATS server reports this to the reply subject.
    const reply =
      frame.kind === "data" || frame.kind === "ask"
        ? `${this.#prefix}.r.${this.rank}.n.${rank}.${frame.number}`
        : undefined;
    this.#connection.publish(subject, { link: formatFrame(frame) }, bytes, reply);
  }
}

function key(rank: Place, peer: string): string {
  return `${rank} ${peer}`;
}
