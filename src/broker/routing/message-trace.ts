import type { JsonValue, Message } from "../../messages/index.js";

/** From the module's point of view: sent, and received. */
export type TraceDirection = "tx" | "rx";

/** The messages that a trace shows, and the part of each that it shows. */
export interface TraceFilter {
  /** Names of modules, loaded or not; empty = all of them. */
  readonly names: ReadonlySet<string>;
  /**
   * Topics of requests, responses and events. The filter lets no control message pass, because these have no
   * topic.
   */
  readonly matchesTopic: ((topic: string) => boolean) | undefined;
  /** None = all. */
  readonly types: ReadonlySet<Message["type"]>;
  /** Whether to show their payloads. */
  readonly isFull: boolean;
}

/** A message in the form of `module.trace`. */
export type TraceRecord = Readonly<Record<string, JsonValue>>;

/**
 * Beyond this size a trace leaves out the payload: traces are for people, and must not take much time of the broker.
 */
const SHOWN_PAYLOAD_BYTES = 1024 * 1024;

/** A topic that reports messages. A module that traces it would receive an endless stream about itself. */
const OWN_TOPIC = "module.trace";

/** The open traces of the messages of one broker's modules. */
export class MessageTrace {
  /**
   * Call this with each message of a module. It is undefined while no trace is open, so that tracing then costs
   * only this check.
   */
  tap: ((name: string, direction: TraceDirection, message: Message) => void) | undefined;
  /**
   * The same for the services of the broker, which a trace must name; undefined while no trace names one.
   */
  serviceTap: MessageTrace["tap"];
  readonly #watchers = new Map<(record: TraceRecord) => void, TraceFilter>();

  /**
   * Calls back with each later message that passes the filter.
   * @returns a function that ends this
   */
  watch(filter: TraceFilter, callback: (record: TraceRecord) => void): () => void {
    this.#watchers.set(callback, filter);
    this.#setTaps();
    return () => {
      this.#watchers.delete(callback);
      this.#setTaps();
    };
  }

  #setTaps(): void {
    const filters = [...this.#watchers.values()];
    const see = this.#see.bind(this);
    this.tap = filters.length === 0 ? undefined : see;
    this.serviceTap = filters.some(({ names }) => names.size > 0)
      ? (name, direction, message) => see(name, direction, message, true)
      : undefined;
  }

  #see(name: string, direction: TraceDirection, message: Message, byNameOnly = false): void {
    if (message.type === "response" && message.topic === OWN_TOPIC) return;
    for (const [callback, filter] of this.#watchers) {
      if (byNameOnly && filter.names.size === 0) continue;
      if (passes(filter, name, message)) callback(recordOf(name, direction, message, filter.isFull));
    }
  }
}

function passes({ names, types, matchesTopic }: TraceFilter, name: string, message: Message): boolean {
  if (names.size > 0 && !names.has(name)) return false;
  if (types.size > 0 && !types.has(message.type)) return false;
  return matchesTopic === undefined || (message.type !== "control" && matchesTopic(message.topic));
}

function recordOf(name: string, direction: TraceDirection, message: Message, isFull: boolean): TraceRecord {
  return {
    time: (performance.timeOrigin + performance.now()) / 1000,
    direction,
    type: message.type,
    name,
    topic: message.type === "control" ? message.control : message.topic,
    ...payloadFields(message, isFull),
    ...(message.type === "response" && errorFields(message.errnum, message.error)),
  };
}

function payloadFields({ payload }: Message, isFull: boolean): TraceRecord {
  if (payload === undefined) return { payloadBytes: 0 };
  const payloadBytes = typeof payload === "string" ? Buffer.byteLength(payload) : payload.byteLength;
  if (!isFull || payloadBytes > SHOWN_PAYLOAD_BYTES) return { payloadBytes };
  // In its original form: the reader finds out whether it is JSON.
  if (typeof payload === "string") return { payloadBytes, payload };
  return { payloadBytes, payload: Buffer.from(payload).toString("base64"), encoding: "base64" };
}

function errorFields(errnum: number, error: string | undefined): TraceRecord {
  return errnum === 0 || error === undefined ? { errnum } : { errnum, error };
}
