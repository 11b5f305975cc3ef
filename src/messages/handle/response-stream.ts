import { ERRNO } from "../../errors/index.js";
import { Fifo } from "../fifo.js";
import { payloadOf, responseError } from "./response.js";
import type { Payload, ResponseMessage } from "../types.js";

interface Reader {
  readonly resolve: (result: IteratorResult<Payload, undefined>) => void;
  readonly reject: (error: Error) => void;
}

/**
 * The responses of a streaming request as an async iterator. Responses wait here until they are requested. An error
 * comes once, after all earlier responses.
 */
export class ResponseStream implements AsyncIterableIterator<Payload> {
  readonly #responses = new Fifo<ResponseMessage>();
  readonly #readers = new Fifo<Reader>();
  #state: "open" | "ended" = "open";
  #error: Error | undefined;
  #onEnd: ((early: boolean) => void) | undefined;

  /**
   * @param listener called once when the requester needs no more responses; `early` unless the service ended the
   * stream
   */
  onEnd(listener: (early: boolean) => void): void {
    this.#onEnd = listener;
  }

  receive(message: ResponseMessage): void {
    if (this.#state === "ended") return;
    if (message.errnum === ERRNO.ENODATA) this.#end(undefined, false);
    else if (message.errnum !== 0) this.#end(responseError(message), false);
    else this.#deliver(message);
  }

  /** No more responses can come. */
  fail(error: Error): void {
    if (this.#state === "open") this.#end(error, false);
  }

  next(): Promise<IteratorResult<Payload, undefined>> {
    const message = this.#responses.shift();
    if (message !== undefined) return this.#decode(message);
    if (this.#error !== undefined) {
      const error = this.#error;
      this.#error = undefined;
      return Promise.reject(error);
    }
    if (this.#state === "ended") return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
  }

  /** Ends the stream from this side. The end of a `for await` loop calls it. */
  return(): Promise<IteratorResult<Payload, undefined>> {
    this.#responses.clear();
    this.#error = undefined;
    if (this.#state === "open") this.#end(undefined, true);
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #deliver(message: ResponseMessage): void {
    const reader = this.#readers.shift();
    if (reader === undefined) this.#responses.push(message);
    else this.#decode(message).then((result) => reader.resolve(result), reader.reject);
  }

  /** A payload that is not JSON ends the stream, because the later part of the stream may be damaged too. */
  async #decode(message: ResponseMessage): Promise<IteratorResult<Payload, undefined>> {
    try {
      return { done: false, value: payloadOf(message) };
    } catch (error) {
      await this.return();
      throw error;
    }
  }

  #end(error: Error | undefined, early: boolean): void {
    this.#state = "ended";
    this.#error = error;
    for (let reader = this.#readers.shift(); reader !== undefined; reader = this.#readers.shift()) {
      if (this.#error === undefined) {
        reader.resolve({ done: true, value: undefined });
      } else {
        reader.reject(this.#error);
        this.#error = undefined;
      }
    }
    this.#onEnd?.(early);
  }
}
