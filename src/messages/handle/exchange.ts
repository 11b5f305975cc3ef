import { requestError } from "../../errors/index.js";
import { onAbort, startTimer, type Timer } from "../../processes/index.js";
import type { ResponseMessage, RpcOptions } from "../types.js";

/** The receiver of the responses to one request. */
export interface Waiter {
  onResponse(message: ResponseMessage): void;
  /** No response will come any more. */
  onFailure(error: Error): void;
}

/** The part of its table that an exchange uses. */
interface ExchangeTable {
  /** Frees the matchtag. */
  delete(matchtag: number): void;
}

/**
 * One request that waits for its response, or for the next response of a stream. It ends once, by response, failure,
 * time-out or abort, and then leaves no timer, listener or matchtag behind (docs/design/embedding.md §2.5).
 */
export class Exchange {
  readonly topic: string;
  readonly matchtag: number;
  readonly #table: ExchangeTable;
  readonly #waiter: Waiter;
  #ignoreSignal: (() => void) | undefined;
  #timer: Timer | undefined;

  constructor(topic: string, matchtag: number, table: ExchangeTable, waiter: Waiter, options: RpcOptions) {
    this.topic = topic;
    this.matchtag = matchtag;
    this.#table = table;
    this.#waiter = waiter;
    if (options.signal !== undefined) this.#watch(options.signal);
    if (options.timeoutMs !== undefined) this.#startTimer(options.timeoutMs);
  }

  receive(message: ResponseMessage): void {
    this.#timer?.restart();
    this.#waiter.onResponse(message);
  }

  fail(error: Error): void {
    this.release();
    this.#waiter.onFailure(error);
  }

  /** Releases everything. The exchange drops later messages for this request. */
  release(): void {
    this.#timer?.cancel();
    // A restart of a cancelled timer would make it run again.
    this.#timer = undefined;
    this.#ignoreSignal?.();
    this.#table.delete(this.matchtag);
  }

  #watch(signal: AbortSignal): void {
    this.#ignoreSignal = onAbort(signal, () => {
      this.fail(requestError("ECANCELED", `${this.topic}: cancelled`, signal.reason));
    });
  }

  #startTimer(timeoutMs: number): void {
    this.#timer = startTimer(timeoutMs, () =>
      this.fail(requestError("ETIMEDOUT", `${this.topic}: no response within ${timeoutMs} ms`)),
    );
  }
}
