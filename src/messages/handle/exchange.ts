import { requestError } from "../../errors/index.js";
import type { ResponseMessage, RpcOptions } from "../types.js";

/** Who waits for the responses of one request. */
export interface Waiter {
  onResponse(message: ResponseMessage): void;
  /** No response will come any more. */
  onFailure(error: Error): void;
}

/** What an exchange needs of the table that it stands in. */
interface ExchangeTable {
  /** Frees the matchtag. */
  delete(matchtag: number): void;
}

/** What setTimeout can wait at most; beyond, it would fire at once. */
const LONGEST_TIMEOUT_MS = 0x7fff_ffff;

/**
 * One request that waits for its response, or for the next of a stream. It ends once, by response, failure, time-out or
 * abort, and then leaves no timer, listener or matchtag behind (embedding.md, cancelling).
 */
export class Exchange {
  readonly topic: string;
  readonly matchtag: number;
  readonly #table: ExchangeTable;
  readonly #waiter: Waiter;
  readonly #signal: AbortSignal | undefined;
  #onAbort: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(topic: string, matchtag: number, table: ExchangeTable, waiter: Waiter, options: RpcOptions) {
    this.topic = topic;
    this.matchtag = matchtag;
    this.#table = table;
    this.#waiter = waiter;
    this.#signal = options.signal;
    if (options.signal !== undefined) this.#watch(options.signal);
    if (options.timeoutMs !== undefined) this.#startTimer(options.timeoutMs);
  }

  receive(message: ResponseMessage): void {
    this.#timer?.refresh();
    this.#waiter.onResponse(message);
  }

  fail(error: Error): void {
    this.release();
    this.#waiter.onFailure(error);
  }

  /** Lets go of everything; what still comes for this request is dropped. */
  release(): void {
    if (this.#timer !== undefined) {
      clearTimeout(this.#timer);
      // A cleared timer that is refreshed would run again.
      this.#timer = undefined;
    }
    if (this.#onAbort !== undefined) this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#table.delete(this.matchtag);
  }

  #watch(signal: AbortSignal): void {
    this.#onAbort = () => {
      this.fail(requestError("ECANCELED", `${this.topic}: cancelled`, signal.reason));
    };
    signal.addEventListener("abort", this.#onAbort);
  }

  #startTimer(timeoutMs: number): void {
    this.#timer = setTimeout(
      () => this.fail(requestError("ETIMEDOUT", `${this.topic}: no response within ${timeoutMs} ms`)),
      Math.min(timeoutMs, LONGEST_TIMEOUT_MS),
    );
  }
}
