import { isErrno, requestError } from "../../errors/index.js";
import { type Limits, startTimer, type Timer, withinLimits } from "../../processes/index.js";
import { HandleConfiguration, readConfiguration } from "./handle-configuration.js";
import { EventListeners } from "./event-listeners.js";
import { fields } from "../fields.js";
import { Fifo } from "../fifo.js";
import { OutgoingRequests } from "./outgoing-requests.js";
import { RequestServer } from "./request-server.js";
import { RunLoop } from "./run-loop.js";
import { StreamFlowControl } from "./stream-flow-control.js";
import { isTopic } from "../topic.js";
import {
  type Channel,
  type Event,
  type Handle,
  type HandleStats,
  type HandlerOptions,
  type JsonValue,
  type LogLevel,
  type Message,
  type MessageCounts,
  MODULE_STATUS,
  type NodeId,
  type Payload,
  type Request,
  type RequestHandler,
  type RequestMessage,
  type RpcOptions,
  type SubscribeOptions,
  type Welcome,
} from "../types.js";

/** The kind of program behind a handle. A module's handle reports its states, and answers requests only once it runs. */
export type HandleKind = "client" | "module";

/** Levels of urgent lines, which are sent at once. */
const GRAVE: ReadonlySet<LogLevel> = new Set(["emerg", "alert", "crit", "err"]);

/** {@link Handle} over a channel whose `welcome` has come. */
export class ChannelHandle implements Handle {
  readonly name: string;
  readonly uuid: string;
  readonly rank: number;
  readonly size: number;
  readonly args: readonly string[];
  readonly closed: Promise<Error | undefined>;
  readonly configuration: HandleConfiguration;
  /** Whether the report that it runs names its methods. */
  tellsMethods = false;
  /** How many versions of the module's file its thread has in memory. */
  generations = 1;
  /** Debug bits, as set with `NAME.debug`. */
  debugFlags = 0;
  readonly #kind: HandleKind;
  readonly #channel: Channel;
  readonly #attrs: Readonly<Record<string, string>>;
  readonly #requests: OutgoingRequests;
  readonly #server: RequestServer;
  readonly #streams: StreamFlowControl;
  readonly #events: EventListeners;
  readonly #loop = new RunLoop();
  /** Requests to a module that does not run yet: its handlers may not all be registered. */
  readonly #early = new Fifo<RequestMessage>();
  #tx = noMessages();
  #rx = noMessages();
  /** The reason why this end has closed the channel, other than `close()`. */
  #cause: Error | undefined;

  constructor(channel: Channel, welcome: Welcome, kind: HandleKind) {
    this.name = welcome.name;
    this.uuid = welcome.uuid;
    this.rank = welcome.rank;
    this.size = welcome.size;
    this.args = welcome.args;
    this.configuration = new HandleConfiguration(welcome.conf);
    this.#attrs = welcome.attrs;
    this.#kind = kind;
    this.#channel = channel;
    this.#streams = new StreamFlowControl(channel);
    this.#requests = new OutgoingRequests((message) => this.#send(message));
    this.#server = new RequestServer({
      send: (message) => this.#send(message),
      ready: () => this.#streams.ready(),
      fault: (error) => this.#fault(error),
      warn: (text) => this.log("err", text),
    });
    this.#events = new EventListeners({
      fault: (error) => this.#fault(error),
      warn: (text) => this.log("err", text),
      deaf: (error) => this.#endWith(error),
    });
    this.closed = new Promise((resolve) => {
      channel.onClose((cause) => {
        this.#gone();
        resolve(cause ?? this.#cause);
      });
    });
  }

  rpc(topic: string, payload?: Payload, options: RpcOptions = {}): Promise<Payload> {
    return this.#requests.rpc(topic, payload, options);
  }

  rpcStream(topic: string, payload?: Payload, options: RpcOptions = {}): AsyncIterableIterator<Payload> {
    return this.#requests.stream(topic, payload, options);
  }

  notify(topic: string, payload?: Payload, options: { readonly rank?: NodeId } = {}): void {
    this.#requests.notify(topic, payload, options.rank);
  }

  handle(method: string, handler: RequestHandler, options: HandlerOptions = {}): void {
    const effective = method === "config-reload" ? this.#configured(handler) : handler;
    this.#server.handle(method, effective, options);
  }

  respond(request: Request, payload?: Payload): void {
    this.#server.respond(request, payload);
  }

  respondError(request: Request, errnum: number, message?: string): void {
    this.#server.respondError(request, errnum, message);
  }

  async subscribe(
    topic: string,
    listener: (event: Event) => void,
    options: SubscribeOptions = {},
  ): Promise<void> {
    await this.#events.add(topic, listener, options, {
      subscribe: (signal, ended) => this.#requests.begin("event.subscribe", { topic }, { signal }, ended),
      unsubscribe: () => this.isOpen && this.notify("event.unsubscribe", { topic }),
    });
  }

  async unsubscribe(topic: string, limits: Limits = {}): Promise<void> {
    if (this.#events.delete(topic)) await this.rpc("event.unsubscribe", { topic }, limits);
  }

  async publish(topic: string, payload?: Payload, limits: Limits = {}): Promise<number> {
    if (!isTopic(topic)) throw requestError("EINVAL", `'${topic}' is not an event topic`);
    return fields(await this.rpc(`event.publish.${topic}`, payload, limits), { seq: "integer" }).seq;
  }

  async registerService(name: string, limits: Limits = {}): Promise<void> {
    await this.rpc("service.add", { name }, limits);
  }

  async unregisterService(name: string, limits: Limits = {}): Promise<void> {
    await this.rpc("service.remove", { name }, limits);
  }

  /** Does nothing once the channel has closed, because a log line must never make a program fail. */
  log(level: LogLevel, text: string): void {
    if (!this.isOpen) return;
    this.notify("log.append", { level, text });
    // The last line of a program that is about to end must first reach the system.
    if (GRAVE.has(level)) this.#channel.flush();
  }

  async attr(name: string, limits: Limits = {}): Promise<string | undefined> {
    if (Object.hasOwn(this.#attrs, name)) return this.#attrs[name];
    try {
      return fields(await this.rpc("attr.get", { name }, limits), { value: "string" }).value;
    } catch (error) {
      if (isErrno(error, "ENOENT")) return undefined;
      throw error;
    }
  }

  conf(key?: string): JsonValue | undefined {
    return this.configuration.get(key);
  }

  setRunning(): void {
    if (!this.#loop.markRunning()) return;
    if (this.#kind === "module" && this.isOpen) {
      const methods = this.tellsMethods ? { methods: this.#server.methods } : {};
      this.notify("module.status", { status: MODULE_STATUS.running, ...methods });
      // The module may then compute for a minute. Its load waits for this.
      this.#channel.flush();
    }
    // This comes after the caller's own code in this turn, which often registers the last handlers.
    queueMicrotask(() => this.#serveEarly());
  }

  run(): Promise<void> {
    this.setRunning();
    return this.#loop.wait();
  }

  stop(error?: Error): void {
    // A module whose loop has ended answers no more requests, although it may still be cleaning up.
    if (this.#kind === "module") this.#server.refuse();
    this.#loop.stop(error);
  }

  /**
   * Leaves the event loop once the received requests are answered. It refuses further ones.
   * @param atMostMs how long that may take
   */
  async finish(atMostMs: number): Promise<void> {
    this.#server.refuse();
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = startTimer(atMostMs, resolve, { keepsAlive: false });
    });
    await Promise.race([this.#server.answered(), late]);
    timer?.cancel();
    this.stop();
  }

  debugTest(bit: number, clear = false): boolean {
    const isSet = (this.debugFlags & bit) !== 0;
    if (clear) this.debugFlags &= ~bit;
    return isSet;
  }

  async close(limits: Limits = {}): Promise<void> {
    this.#requests.close(requestError("ECANCELED", "the handle was closed"));
    this.#channel.close();
    await withinLimits("closing of the handle", limits, this.closed);
  }

  ref(): void {
    this.#channel.ref();
  }

  unref(): void {
    this.#channel.unref();
  }

  /** Messages sent and received since the beginning, or since {@link clearStats}. */
  get stats(): HandleStats {
    const { generations } = this;
    return { tx: { ...this.#tx }, rx: { ...this.#rx }, ...(generations > 1 && { generations }) };
  }

  clearStats(): void {
    this.#tx = noMessages();
    this.#rx = noMessages();
  }

  /** Whether messages can still be sent. */
  get isOpen(): boolean {
    return !this.#requests.closed;
  }

  /** The state of the event loop, for the module runtime. */
  get loop(): RunLoop {
    return this.#loop;
  }

  /** Answers all requests with `ENOSYS` from now on, also those that have waited for the module to run. */
  refuseRequests(): void {
    this.#server.refuse();
    this.#serveEarly();
  }

  /** Takes a message of the channel. Only the maker of the handle may call it. */
  receive(message: Message): void {
    this.#rx[message.type]++;
    switch (message.type) {
      case "request":
        if (this.#isServing()) this.#server.receive(message);
        else this.#early.push(message);
        break;
      case "response":
        this.#requests.settle(message);
        break;
      case "event":
        this.#events.deliver(message);
        break;
      case "control":
        // A second welcome has no new data. Only `disconnect` needs an action.
        if (message.control === "disconnect") this.#channel.close();
        break;
    }
  }

  /** The handler runs with the new configuration. If it throws, the module keeps the old one. */
  #configured(handler: RequestHandler): RequestHandler {
    return async (request) => {
      const old = this.configuration.whole;
      this.configuration.replace(readConfiguration(request.payload));
      try {
        const result = (await handler(request)) as Payload;
        // A handler that returns nothing has accepted the configuration.
        if (result === undefined && !request.answered) this.respond(request);
        return result;
      } catch (error) {
        this.configuration.replace(old);
        throw error;
      }
    };
  }

  #isServing(): boolean {
    return this.#early.size === 0 && (this.#kind === "client" || this.#loop.state !== "starting");
  }

  #serveEarly(): void {
    for (let message = this.#early.shift(); message !== undefined; message = this.#early.shift()) {
      this.#server.receive(message);
    }
  }

  #send(message: Message): void {
    this.#channel.send(message);
    this.#tx[message.type]++;
  }

  /** A module fails with this error. In any other program it is an uncaught error, as with any emitter. */
  #fault(error: Error): void {
    if (this.#kind === "module") {
      this.stop(error);
      return;
    }
    queueMicrotask(() => {
      throw error;
    });
  }

  /** Ends the program's use of the handle, because the program must not ignore the error. */
  #endWith(error: Error): void {
    if (this.#kind === "module") {
      this.stop(error);
      return;
    }
    this.#cause ??= error;
    this.#requests.close(error);
    this.#channel.close();
  }

  #gone(): void {
    this.#requests.close(requestError("ECONNRESET", "the connection to the broker has ended"));
    this.#server.close();
    this.#streams.close();
    this.#loop.stop();
  }
}

function noMessages(): MessageCounts {
  return { request: 0, response: 0, event: 0, control: 0 };
}
