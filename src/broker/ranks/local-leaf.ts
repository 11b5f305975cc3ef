import { createConnection, type Socket } from "node:net";
import { ERRNO, isErrno, messageOf, requestError, SluiceError } from "../../errors/index.js";
import {
  type Backlog,
  type Channel,
  type EventMessage,
  Fifo,
  type FlowControl,
  type RequestMessage,
  type ResponseMessage,
  socketChannel,
} from "../../messages/index.js";
import { Heartbeat } from "./heartbeat.js";
import { EventBatch } from "./local-batch.js";
import {
  type Arrival,
  carriedMessage,
  flowOf,
  type Notice,
  noticeMessage,
  OVERLAY_LIMITS,
  overlayProtocolError,
  readArrival,
} from "./local-wire.js";
import {
  type Departure,
  NO_BACKLOG,
  type Overlay,
  type OverlayReceiver,
  type PublishOutcome,
  type UnsequencedEvent,
} from "../routing/overlay.js";

/** Requests and events beyond this are refused while rank 0 does not read. */
const MAX_BACKLOG_BYTES = 64 * 1024 * 1024;

/** All ranks start at once, and rank 0 may not listen yet. */
const RETRY_MS = 20;

/** How long rank 0 may take to close the connection of a rank that leaves. */
const GOODBYE_TIMEOUT_MS = 1000;

interface LeafOptions {
  readonly rank: number;
  readonly size: number;
  readonly instanceId: string;
  readonly joinTimeoutMs: number;
}

/** Every rank but 0 of the local overlay: has one connection, to rank 0, which carries everything. */
export class LocalLeaf implements Overlay {
  readonly rank: number;
  readonly size: number;
  readonly upstream = 0;
  readonly #path: string;
  readonly #options: LeafOptions;
  readonly #present = new Set<number>();
  /** As rank 0 reports them. */
  readonly #stalled = new Set<number>();
  /** Events of this rank that have no place in the order yet; they come back in the order that they were sent in. */
  readonly #unordered = new Fifo<(outcome: PublishOutcome) => void>();
  readonly #batch = new EventBatch((batch) => this.#channel?.send(batch));
  readonly #closed = new AbortController();
  #receiver: OverlayReceiver | undefined;
  #heartbeat: Heartbeat | undefined;
  #channel: Channel | undefined;
  #socket: Socket | undefined;
  #seq = 0;
  /** How rank 0 has left if the connection ends now. */
  #departure: Departure = "lost";

  constructor(path: string, options: LeafOptions) {
    this.#path = path;
    this.#options = options;
    this.rank = options.rank;
    this.size = options.size;
  }

  async start(receiver: OverlayReceiver): Promise<void> {
    const socket = await this.#connect();
    this.#socket = socket;
    const channel = socketChannel(socket, OVERLAY_LIMITS);
    this.#channel = channel;
    await new Promise<void>((resolve, reject) => {
      const refuse = (error: unknown): void => {
        socket.destroy();
        reject(stateError(messageOf(error), "EHOSTUNREACH", error));
      };
      channel.onClose((cause) => {
        if (this.#receiver === undefined) refuse(cause ?? this.#goneError());
        else this.#lost(cause);
      });
      // All that goes to other ranks goes this way.
      channel.onDrain(() => this.#present.forEach((rank) => this.#receiver?.drained(rank)));
      channel.onMessage((message) => {
        if (this.#closed.signal.aborted) return;
        try {
          const arrival = readArrival(message);
          this.#heartbeat?.heard(0);
          if (this.#receiver !== undefined) this.#receive(arrival);
          else if (this.#enter(arrival, receiver)) resolve();
        } catch (error) {
          if (this.#receiver !== undefined) this.#fail(error);
          else if (error instanceof SluiceError && error.code === "BROKER_STATE") reject(error);
          else refuse(error);
        }
      });
      const { instanceId, rank, size } = this.#options;
      channel.send(noticeMessage({ kind: "hello", instanceId, rank, size }));
      this.#closed.signal.addEventListener("abort", () => reject(closedError()));
    });
  }

  reaches(rank: number): boolean {
    return this.#present.has(rank) && !this.#stalled.has(rank) && this.#heartbeat?.isStalled(0) !== true;
  }

  send(rank: number, message: RequestMessage | ResponseMessage): void {
    if (message.type === "request" && this.#isOverfull()) throw this.#overfullError();
    // What was published before must not be overtaken.
    this.#batch.flush();
    this.#channel?.send(carriedMessage({ from: this.rank, to: rank, message }));
  }

  backlog(): Backlog {
    return this.#channel?.requestBacklog() ?? NO_BACKLOG;
  }

  setFlow(rank: number, sender: string, flow: FlowControl): void {
    const notice = { kind: "hold", from: this.rank, to: rank, sender, on: flow === "hold" } as const;
    this.#channel?.send(noticeMessage(notice));
  }

  publish(event: UnsequencedEvent, done: (outcome: PublishOutcome) => void): void {
    try {
      if (!this.#present.has(0)) throw this.#goneError();
      if (this.#isOverfull()) throw this.#overfullError();
      this.#batch.add(this.rank, { ...event, type: "event", seq: 0 });
      this.#unordered.push(done);
    } catch (error) {
      done({ ok: false, error: error instanceof Error ? error : new Error(String(error)) });
    }
  }

  close(): Promise<void> {
    const wasIn = this.#receiver !== undefined;
    this.#heartbeat?.close();
    this.#receiver = undefined;
    this.#present.clear();
    this.#closed.abort();
    const [channel, socket] = [this.#channel, this.#socket];
    if (channel === undefined || socket === undefined || socket.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      socket.once("close", () => resolve());
      if (!wasIn) {
        channel.close();
        return;
      }
      this.#batch.flush();
      channel.send(noticeMessage({ kind: "goodbye" }));
      // Rank 0 closes first: what it is still sending must not meet a closed connection.
      const goodbyeTimer = setTimeout(() => channel.close(), GOODBYE_TIMEOUT_MS);
      socket.once("close", () => clearTimeout(goodbyeTimer));
    });
  }

  /** Tries until rank 0 listens, or the time is up. */
  #connect(): Promise<Socket> {
    const { joinTimeoutMs } = this.#options;
    const deadlineMs = performance.now() + joinTimeoutMs;
    const { signal } = this.#closed;
    return new Promise((resolve, reject) => {
      let retry: NodeJS.Timeout | undefined;
      const attempt = (): void => {
        const socket = createConnection(this.#path);
        socket.once("connect", () => {
          socket.removeAllListeners("error");
          if (signal.aborted) socket.destroy();
          else resolve(socket);
        });
        socket.once("error", (cause) => {
          const isEarly = isErrno(cause, "ENOENT") || isErrno(cause, "ECONNREFUSED");
          if (isEarly && performance.now() < deadlineMs) retry = setTimeout(attempt, RETRY_MS);
          else reject(stateError(`rank 0 cannot be reached: ${messageOf(cause)}`, "EHOSTUNREACH", cause));
        });
      };
      signal.addEventListener("abort", () => {
        clearTimeout(retry);
        reject(closedError());
      });
      if (signal.aborted) reject(closedError());
      else attempt();
    });
  }

  /** @returns whether this was the welcome */
  #enter(arrival: Arrival, receiver: OverlayReceiver): boolean {
    const notice = arrival.type === "notice" ? arrival.notice : undefined;
    switch (notice?.kind) {
      case "refused":
        throw new SluiceError("BROKER_STATE", notice.error, { errnum: notice.errnum });
      case "welcome":
        this.#receiver = receiver;
        this.#seq = notice.seq;
        for (const rank of notice.ranks) this.#joined(rank);
        this.#heartbeat = this.#startHeartbeat(receiver);
        return true;
      default:
        throw overlayProtocolError("expected the notice 'welcome' or 'refused' from rank 0");
    }
  }

  #receive(arrival: Arrival): void {
    switch (arrival.type) {
      case "notice":
        this.#notice(arrival.notice);
        return;
      case "events":
        for (const event of arrival.events) this.#event(event, arrival.origin);
        return;
      case "carried":
        if (arrival.to !== this.rank) throw overlayProtocolError(`received a message for rank ${arrival.to}`);
        this.#receiver?.message(arrival.from, arrival.message);
        return;
    }
  }

  #notice(notice: Notice): void {
    switch (notice.kind) {
      case "joined":
        this.#joined(notice.rank);
        return;
      case "alive":
        return;
      case "stalled":
        this.#setStalled(notice.rank, notice.on);
        return;
      case "left":
        this.#stalled.delete(notice.rank);
        this.#present.delete(notice.rank);
        this.#receiver?.left(notice.rank, notice.how);
        return;
      case "hold":
        this.#receiver?.setFlow(notice.from, notice.sender, flowOf(notice));
        return;
      case "goodbye":
        this.#departure = "goodbye";
        return;
      case "hello":
      case "welcome":
      case "refused":
        throw overlayProtocolError(`unexpected notice '${notice.kind}' from rank 0`);
    }
  }

  #startHeartbeat(receiver: OverlayReceiver): Heartbeat {
    const heartbeat = new Heartbeat({
      periodMs: receiver.heartbeatPeriodMs(),
      lostAfterMs: () => receiver.lostAfterMs(),
      send: () => this.#channel?.send(noticeMessage({ kind: "alive" })),
      // All messages to other ranks go through rank 0.
      stalled: () => this.#present.forEach((rank) => receiver.stalled(rank)),
      resumed: () => {
        for (const rank of this.#present) if (!this.#stalled.has(rank)) receiver.resumed(rank);
      },
      lost: () => this.#fail(requestError("EHOSTUNREACH", "rank 0 has sent no heartbeat")),
    });
    heartbeat.add(0);
    return heartbeat;
  }

  #setStalled(rank: number, on: boolean): void {
    if (on) this.#stalled.add(rank);
    else this.#stalled.delete(rank);
    if (on) this.#receiver?.stalled(rank);
    else this.#receiver?.resumed(rank);
  }

  #joined(rank: number): void {
    this.#present.add(rank);
    this.#receiver?.joined(rank);
  }

  #event(event: EventMessage, origin: number): void {
    if (event.seq !== this.#seq + 1) {
      throw overlayProtocolError(`event ${event.seq} follows ${this.#seq}`);
    }
    this.#seq = event.seq;
    this.#receiver?.event(event);
    if (origin === this.rank) this.#unordered.shift()?.({ ok: true, seq: event.seq });
  }

  #fail(error: unknown): void {
    this.#socket?.destroy();
    this.#lost(error instanceof Error ? error : new Error(String(error)));
  }

  /** Without rank 0 no rank can be reached. */
  #lost(cause: Error | undefined): void {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    this.#heartbeat?.close();
    if (cause !== undefined) receiver?.log("err", `disconnected from rank 0: ${messageOf(cause)}`);
    for (let done = this.#unordered.shift(); done !== undefined; done = this.#unordered.shift()) {
      done({ ok: false, error: this.#goneError() });
    }
    const ranks = [...this.#present].sort((a, b) => b - a);
    this.#present.clear();
    for (const rank of ranks) receiver?.left(rank, this.#departure);
  }

  #isOverfull(): boolean {
    return (this.#channel?.backlog().bytes ?? 0) > MAX_BACKLOG_BYTES;
  }

  #overfullError(): SluiceError {
    return requestError("ENOBUFS", "over 64 MiB wait for rank 0, which does not read them");
  }

  #goneError(): SluiceError {
    return requestError("EHOSTUNREACH", "rank 0 has left the instance");
  }
}

function closedError(): SluiceError {
  return stateError("the broker was closed before it had joined", "ECANCELED");
}

function stateError(message: string, errno: "ECANCELED" | "EHOSTUNREACH", cause?: unknown): SluiceError {
  return new SluiceError("BROKER_STATE", message, { errnum: ERRNO[errno], cause });
}
