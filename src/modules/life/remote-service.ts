import { isErrno, messageOf, requestError } from "../../errors/index.js";
import type { Handle, NodeId, Payload } from "../../messages/index.js";
import { sleep } from "../../processes/index.js";

/** A service that may be absent for a while: not loaded yet, killed, restarting. */
export interface ServicePlace {
  readonly service: string;
  readonly rank: NodeId;
  /** How long a request waits for it. */
  readonly waitMs: number;
  /** The name of the attribute with that time, for messages. */
  readonly waitAttribute: string;
}

/** One request, which may have to run again. */
type Attempt = () => Promise<Payload>;

const BACKOFF_MS = { first: 20, most: 1000 } as const;

/** Whether an error means that the service does not exist, or has ended before its answer. */
export function isAway(error: unknown): boolean {
  return isErrno(error, "ENOSYS") || isErrno(error, "ECONNRESET") || isErrno(error, "EHOSTUNREACH");
}

/**
 * Requests to a service that may be absent. A request that finds the service absent waits. This sends it again as
 * soon as the service exists. Its requests must therefore have the same effect when sent twice.
 */
export class RemoteService {
  readonly #h: Handle;
  readonly #place: ServicePlace;
  /** Settled when the service exists again; shared by all waiting requests. */
  #appearance: Promise<void> | undefined;
  #isFinal = false;
  #giveUp: () => void = () => undefined;
  readonly #given: Promise<void>;

  constructor(h: Handle, place: ServicePlace) {
    this.#h = h;
    this.#place = place;
    this.#given = new Promise((resolve) => (this.#giveUp = resolve));
    void h.closed.then(() => this.waitNoMore());
  }

  /** One request, which fails if the service is absent. */
  once(method: string, payload?: Payload): Promise<Payload> {
    const { service, rank } = this.#place;
    return this.#h.rpc(`${service}.${method}`, payload, { rank });
  }

  /** A request that waits for the service. @throws `EAGAIN` when the service was absent for too long */
  call(method: string, payload?: Payload): Promise<Payload> {
    return this.patiently(() => this.once(method, payload));
  }

  /**
   * Repeats an attempt while the service is absent.
   * @throws `EAGAIN` when it was away for too long; otherwise the error of the attempt
   */
  async patiently(attempt: Attempt): Promise<Payload> {
    const deadlineMs = performance.now() + this.#place.waitMs;
    // Sends the request at once when the service exists again.
    for (let pauseMs = 0; ; pauseMs = Math.min(Math.max(2 * pauseMs, BACKOFF_MS.first), BACKOFF_MS.most)) {
      try {
        return await attempt();
      } catch (error) {
        if (!isAway(error)) throw error;
        await this.#untilThere({ deadlineMs, pauseMs }, error);
      }
    }
  }

  /** From now on no request waits: the instance ends, and with it the service. */
  waitNoMore(): void {
    this.#isFinal = true;
    this.#giveUp();
  }

  /** Resolves when the service exists. */
  appears(): Promise<void> {
    this.#appearance ??= this.#watch().finally(() => (this.#appearance = undefined));
    return this.#appearance;
  }

  async #watch(): Promise<void> {
    const { service, rank } = this.#place;
    await this.#h.rpc("service.wait", { name: service }, { rank });
  }

  async #untilThere(
    { deadlineMs, pauseMs }: { readonly deadlineMs: number; readonly pauseMs: number },
    cause: unknown,
  ): Promise<void> {
    const leftMs = deadlineMs - performance.now();
    if (this.#isFinal || leftMs <= 0) throw this.#gaveUp(cause);
    const timer = new AbortController();
    const tooLate = sleep(leftMs, timer.signal).then(() => "late" as const);
    // This rejects if the service exists in time, because the code below cancels the wait.
    tooLate.catch(() => undefined);
    try {
      const there = this.appears().then(() => "there" as const);
      // If nothing can watch the service, for example because its rank is away, this tries again after a pause.
      const seen = there.catch((error: unknown) => this.#unwatched(error, pauseMs, timer.signal));
      const outcome = await Promise.race([seen, tooLate, this.#given.then(() => "late" as const)]);
      if (outcome === "late") throw this.#gaveUp(cause);
      // A service that exists and answers with this error has just started, or is about to end.
      await sleep(Math.min(pauseMs, Math.max(0, deadlineMs - performance.now())));
    } finally {
      timer.abort();
    }
  }

  async #unwatched(error: unknown, pauseMs: number, signal: AbortSignal): Promise<"unwatched"> {
    this.#h.log("debug", `cannot watch for ${this.#place.service}: ${messageOf(error)}`);
    await sleep(Math.max(pauseMs, BACKOFF_MS.first), signal).catch(() => undefined);
    return "unwatched";
  }

  #gaveUp(cause: unknown): Error {
    const { service, waitMs, waitAttribute } = this.#place;
    const why = this.#isFinal ? "the instance is ending" : `waited ${waitMs / 1000} s (${waitAttribute})`;
    return requestError("EAGAIN", `${service} is away: ${why}; no data was saved`, cause);
  }
}
