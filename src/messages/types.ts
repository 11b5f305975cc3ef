import type { Limits } from "../processes/index.js";

/** The status that a module reports with `module.status` (RFC 5; docs/design/modules.md §3). */
export const MODULE_STATUS = { running: 1, finalizing: 2, exited: 3 } as const;

/** A JSON value. */
export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** The payload of a message on the wire and between threads: nothing, JSON text, or raw bytes. Routers never parse it. */
export type RawPayload = string | Uint8Array | undefined;

/** A payload as programs send and receive it: a JSON value, raw bytes, or nothing. */
export type Payload = JsonValue | Uint8Array | undefined;

/** Request flags (RFC 3). */
export const FLAG = { noresponse: 1, streaming: 2 } as const;

/** Roles of a sender (docs/design/modules.md §2). */
export const ROLE = { owner: 1, guest: 2 } as const;

/** Where a request goes: a rank, this rank else towards rank 0, or only towards rank 0. */
export type NodeId = number | "any" | "upstream";

interface MessageCommon {
  readonly payload?: RawPayload;
  /** Overwritten by the broker on entry. */
  userid?: number | undefined;
  rolemask?: number | undefined;
}

export interface RequestMessage extends MessageCommon {
  readonly type: "request";
  readonly topic: string;
  /** Pairs the response with the request, per sender; 0 with `noresponse`. */
  readonly matchtag: number;
  /** Sum of {@link FLAG}. */
  readonly flags: number;
  readonly nodeid: NodeId;
  /** Sender ids, the latest last. */
  route: string[];
  /**
   * When its present broker received it, in milliseconds of that broker's `performance.now()`. It never leaves that
   * broker.
   */
  enteredMs?: number;
}

export interface ResponseMessage extends MessageCommon {
  readonly type: "response";
  readonly topic: string;
  readonly matchtag: number;
  /** 0 = success. */
  readonly errnum: number;
  /** Text for people when `errnum` is not 0. */
  readonly error?: string | undefined;
  route: string[];
}

export interface EventMessage extends MessageCommon {
  readonly type: "event";
  readonly topic: string;
  /** One sequence without gaps for the whole instance; 0 before rank 0 has numbered the event. */
  readonly seq: number;
}

/** A message between the two ends of one channel, which no broker passes on. */
export interface ControlMessage extends MessageCommon {
  readonly type: "control";
  readonly control: "welcome" | "status" | "disconnect";
}

export type Message = RequestMessage | ResponseMessage | EventMessage | ControlMessage;

/** The types of messages, in the order of RFC 3. */
export const MESSAGE_TYPES: readonly Message["type"][] = ["request", "response", "event", "control"];

/** Makes the sender of requests hold them, or resume (docs/wire-protocol.md, Flow control). */
export type FlowControl = "hold" | "resume";

/** The messages that one end has sent and the other has not yet taken. */
export interface Backlog {
  readonly messages: number;
  readonly bytes: number;
}

/** The port under a {@link Handle}: a `MessagePort`, a socket, or a pair in memory. Keeps the order of messages. */
export interface Channel {
  /**
   * Sends a message. Has no effect on a closed channel. Copies the payload at once. The caller must not
   * change the message object after the call.
   * @throws SluiceError `BROKER_REQUEST` with `EMSGSIZE` if the wire form would be over the limits of the
   *   channel
   */
  send(message: Message): void;
  /**
   * Sends the waiting messages at once, rather than at the end of this turn of the event loop. Call `flush`
   * before blocking the thread.
   */
  flush(): void;
  /** Sets the listener. The listener also gets messages that have arrived earlier. */
  onMessage(listener: (message: Message) => void): void;
  /** At its end, the channel calls the listener once, with the reason unless either side called `close()`. */
  onClose(listener: (cause: Error | undefined) => void): void;
  /** Sends waiting messages, then closes. Undelivered messages of the other end are lost. */
  close(): void;
  /** Closes at once, even if the other end does not read. Messages that wait for the other end are lost. */
  abort(): void;
  /**
   * Messages that this end has sent, and that the other end has not read. For a socket: messages that the
   * kernel has not accepted.
   */
  backlog(): Backlog;
  /** The requests in the backlog, whose senders the broker can hold. */
  requestBacklog(): Backlog;
  /** The number of messages in the backlog, without the requests that the other end holds. */
  underWay(): number;
  /** Messages that have arrived from the other end, and wait for the listener. */
  unread(): number;
  /** The channel calls the listener when the backlog has become smaller. */
  onDrain(listener: () => void): void;
  /**
   * Holds the requests of the other end except `module.status`. The channel still delivers other messages
   * (docs/design/modules.md §2, back pressure). The other end keeps its unsent requests. At a resume, and at
   * its end, the channel delivers the waiting requests in order.
   */
  setFlow(flow: FlowControl): void;
  /**
   * Sets a check that decides whether the listener may get a request of the other end now. If the check
   * refuses, the request waits in the channel, with all messages after it.
   * @returns a function that repeats the check for waiting requests
   */
  admitRequests(admit: (request: RequestMessage) => boolean): () => void;
  /** `unref` lets the process end although the channel is open. `ref` undoes it. */
  ref(): void;
  unref(): void;
}

/** The first message on every channel, from the broker. */
export interface Welcome {
  readonly name: string;
  readonly uuid: string;
  readonly rank: number;
  readonly size: number;
  readonly args: readonly string[];
  readonly attrs: Readonly<Record<string, string>>;
  readonly conf: JsonValue;
}

/** Severity of a log line, as in syslog (RFC 5424 §6.2.1). */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Levels by number, as in syslog (RFC 5424 §6.2.1). */
export const LOG_LEVELS = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"] as const;

/** Options of a subscription. */
export interface SubscribeOptions extends Limits {
  /**
   * Called once with a `SluiceError` of `ENODATA` when events were missed, which ends the subscription. It may subscribe again. Whatever the
   * events report has to be read anew after that. Without it, the module fails, or the connection of a client ends.
   */
  onEnd?(error: Error): void;
}

/** Options of a request. For a stream, the time-out is the longest time without a response. */
export interface RpcOptions extends Limits {
  /** Default `any`. */
  readonly rank?: NodeId | undefined;
}

/** A request that a handler receives. */
export interface Request {
  readonly topic: string;
  /** The part of the topic after the first dot. */
  readonly method: string;
  readonly payload: Payload;
  readonly streaming: boolean;
  readonly noresponse: boolean;
  readonly rolemask: number;
  readonly userid: number;
  /** Identifies the sender, also in the sender's `disconnect`. */
  readonly sender: string;
  /** Whether the service has sent `respondError`, or the last `respond`. */
  readonly answered: boolean;
  /** Aborted when the sender has cancelled the request or disconnected, or the channel has closed. */
  readonly signal: AbortSignal;
}

/** Settings of {@link Handle.handle}. */
export interface HandlerOptions {
  /** Default: only the owner's requests get through. Requests of guests fail with `EPERM`. */
  readonly allowGuest?: boolean;
}

/** How many messages of each type went through a handle. */
export type MessageCounts = Record<Message["type"], number>;

/** The answer of `NAME.stats-get`, unless the module has its own. */
export interface HandleStats {
  readonly tx: MessageCounts;
  readonly rx: MessageCounts;
  /** How many versions of its file the thread of a module has in memory; absent where that is one. */
  readonly generations?: number;
}

/**
 * Answers a request. The value that it returns, or resolves to, is the response. `undefined` sends no
 * response. The handler must then call `respond` now or later. An async iterable goes out as a stream. An
 * error that it throws is the error response.
 */
export type RequestHandler = (
  request: Request,
) => Payload | Promise<Payload> | AsyncIterable<Payload> | undefined | Promise<void>;

export interface Event {
  readonly topic: string;
  readonly payload: Payload;
  readonly seq: number;
}

/**
 * The object through which modules, commands and embedders send and receive messages, on any transport
 * (docs/design/modules.md §2).
 *
 * A handle works only in the thread that made it. Every promise rejects with a `SluiceError` of code
 * `BROKER_REQUEST` and the `errnum` of the response. Common values are `ENOSYS` (no such service or method),
 * `ECONNRESET` (the module has ended), `ETIMEDOUT` and `ECANCELED`.
 */
export interface Handle {
  /** Name of the module, or of the client's connection. */
  readonly name: string;
  readonly uuid: string;
  readonly rank: number;
  readonly size: number;
  readonly args: readonly string[];

  /** Sends a request and resolves to the payload of its response. */
  rpc(topic: string, payload?: Payload, options?: RpcOptions): Promise<Payload>;
  /** Sends a streaming request. The loop ends at `ENODATA`. Leaving the loop early cancels the request. */
  rpcStream(topic: string, payload?: Payload, options?: RpcOptions): AsyncIterableIterator<Payload>;
  /** Sends a request without a response. */
  notify(topic: string, payload?: Payload, options?: { readonly rank?: NodeId }): void;

  /**
   * Registers the handler of a method for the handle's name and all its services. Replaces an earlier handler.
   */
  handle(method: string, handler: RequestHandler, options?: HandlerOptions): void;
  /** Sends a response, or one of many for a streaming request. */
  respond(request: Request, payload?: Payload): void;
  /** @param errnum POSIX number; `ENODATA` ends a stream */
  respondError(request: Request, errnum: number, message?: string): void;

  /**
   * @param topic an event topic, or its beginning followed by `.*`, or `*`. Resolves when the broker has
   *   confirmed the subscription
   */
  subscribe(topic: string, listener: (event: Event) => void, options?: SubscribeOptions): Promise<void>;
  unsubscribe(topic: string, limits?: Limits): Promise<void>;
  /** Resolves to the event's sequence number. */
  publish(topic: string, payload?: Payload, limits?: Limits): Promise<number>;

  /** Fails with `EEXIST` if another module or client owns the service. */
  registerService(name: string, limits?: Limits): Promise<void>;
  unregisterService(name: string, limits?: Limits): Promise<void>;

  log(level: LogLevel, text: string): void;
  /** Attribute of this rank's broker, or undefined. */
  attr(name: string, limits?: Limits): Promise<string | undefined>;
  /** The current configuration at a dotted key, or undefined; without a key the whole configuration. */
  conf(key?: string): JsonValue | undefined;

  /** Reports that the module runs, which ends its load. `run()` also calls this method. */
  setRunning(): void;
  /** Reports that the module runs. Resolves at shutdown or `stop`. */
  run(): Promise<void>;
  /** Ends `run()`. With an error, the module fails. */
  stop(error?: Error): void;
  /** Whether a debug bit is set (`sluice module debug`). With `clear`, unsets it. */
  debugTest(bit: number, clear?: boolean): boolean;

  /** Sends all messages, then closes. Pending requests fail with `ECANCELED`. */
  close(limits?: Limits): Promise<void>;
  /** Settles when the connection has ended. Resolves to `undefined` after `close()`. */
  readonly closed: Promise<Error | undefined>;
  ref(): void;
  unref(): void;
}
