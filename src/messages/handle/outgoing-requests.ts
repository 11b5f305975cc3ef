import { requestError, type SluiceError } from "../../errors/index.js";
import { Exchange, type Waiter } from "./exchange.js";
import { encodePayload } from "../wire/payload.js";
import { payloadOf, responseError } from "./response.js";
import { ResponseStream } from "./response-stream.js";
import { isTopic, serviceOf } from "../topic.js";
import { FLAG } from "../types.js";
import type { NodeId, Payload, RequestMessage, ResponseMessage, RpcOptions } from "../types.js";

const LAST_MATCHTAG = 0xffff_ffff;

/** A request whose effect lasts. */
export interface Begun {
  /** Rejects with the error of the first response. */
  readonly confirmed: Promise<void>;
  /** Drops the responses after the first one. */
  readonly forget: () => void;
}

/** The requests that a handle has sent, and by matchtag those whose responses it awaits. */
export class OutgoingRequests {
  readonly #send: (message: RequestMessage) => void;
  readonly #exchanges = new Map<number, Exchange>();
  #lastMatchtag = 0;
  #closedBy: Error | undefined;

  constructor(send: (message: RequestMessage) => void) {
    this.#send = send;
  }

  /** How many requests wait for a response. */
  get pending(): number {
    return this.#exchanges.size;
  }

  /** Whether {@link close} was called. */
  get closed(): boolean {
    return this.#closedBy !== undefined;
  }

  rpc(topic: string, payload: Payload, options: RpcOptions): Promise<Payload> {
    return new Promise((resolve, reject) => {
      const exchange = this.#start(topic, payload, 0, options, {
        onResponse: (message) => {
          exchange.release();
          settleWith(message, resolve, reject);
        },
        onFailure: reject,
      });
    });
  }

  stream(topic: string, payload: Payload, options: RpcOptions): AsyncIterableIterator<Payload> {
    const stream = new ResponseStream();
    try {
      const exchange = this.#start(topic, payload, FLAG.streaming, options, {
        onResponse: (message) => stream.receive(message),
        onFailure: (error) => {
          stream.fail(error);
          // After a time-out or an abort, the service must end the stream.
          this.#cancel(exchange, options.rank);
        },
      });
      stream.onEnd((early) => {
        exchange.release();
        if (early) this.#cancel(exchange, options.rank);
      });
    } catch (error) {
      stream.fail(error as Error);
    }
    return stream;
  }

  /**
   * Sends a streaming request that its first response confirms. A later error response ends the effect of the
   * request. This method does not report the end of the connection.
   * @param ended called once with that error
   */
  begin(topic: string, payload: Payload, options: RpcOptions, ended: (error: SluiceError) => void): Begun {
    let state: "asked" | "confirmed" | "forgotten" = "asked";
    let release: () => void = () => undefined;
    const confirmed = new Promise<void>((resolve, reject) => {
      const exchange = this.#start(topic, payload, FLAG.streaming, options, {
        onResponse: (message) => {
          if (message.errnum !== 0 || state === "forgotten") exchange.release();
          if (message.errnum === 0) resolve();
          else if (state === "confirmed") ended(responseError(message));
          else reject(responseError(message));
          if (state === "asked") state = "confirmed";
        },
        onFailure: reject,
      });
      release = () => exchange.release();
    });
    const forget = (): void => {
      if (state === "confirmed") release();
      state = "forgotten";
    };
    return { confirmed, forget };
  }

  /** @throws SluiceError `EINVAL`, `EMSGSIZE`, or why the channel is closed */
  notify(topic: string, payload: Payload, nodeid: NodeId = "any"): void {
    this.#post(topic, payload, FLAG.noresponse, nodeid, 0);
  }

  /** Passes a response on to its request. Drops the response if no caller waits for it any more. */
  settle(message: ResponseMessage): void {
    this.#exchanges.get(message.matchtag)?.receive(message);
  }

  /** Fails every pending request, and every later one. */
  close(error: Error): void {
    if (this.#closedBy !== undefined) return;
    this.#closedBy = error;
    for (const exchange of [...this.#exchanges.values()]) exchange.fail(error);
  }

  /** @throws SluiceError if the request cannot be sent */
  #start(topic: string, payload: Payload, flags: number, options: RpcOptions, waiter: Waiter): Exchange {
    const { rank = "any", signal } = options;
    if (signal?.aborted === true) throw requestError("ECANCELED", `${topic}: cancelled`, signal.reason);
    const matchtag = this.#nextMatchtag();
    this.#post(topic, payload, flags, rank, matchtag);
    const exchange = new Exchange(topic, matchtag, this.#exchanges, waiter, options);
    this.#exchanges.set(matchtag, exchange);
    return exchange;
  }

  #post(topic: string, payload: Payload, flags: number, nodeid: NodeId, matchtag: number): void {
    if (this.#closedBy !== undefined) throw this.#closedBy;
    if (!isTopic(topic)) throw requestError("EINVAL", `'${topic}' is not a topic`);
    this.#send({
      type: "request",
      topic,
      matchtag,
      flags,
      nodeid,
      route: [],
      payload: encodePayload(payload),
    });
  }

  #cancel({ topic, matchtag }: Exchange, rank: NodeId | undefined): void {
    if (this.#closedBy === undefined) this.notify(`${serviceOf(topic)}.cancel`, { matchtag }, rank);
  }

  /** Counts up, and skips the matchtags of requests that are still open after four thousand million others. */
  #nextMatchtag(): number {
    do {
      this.#lastMatchtag = this.#lastMatchtag === LAST_MATCHTAG ? 1 : this.#lastMatchtag + 1;
    } while (this.#exchanges.has(this.#lastMatchtag));
    return this.#lastMatchtag;
  }
}

function settleWith(
  message: ResponseMessage,
  resolve: (payload: Payload) => void,
  reject: (error: unknown) => void,
): void {
  try {
    resolve(payloadOf(message));
  } catch (error) {
    reject(error);
  }
}
