import type { RequestMessage } from "../../messages/index.js";
import type { Peer } from "./peer.js";

/** The limits of waiting requests. */
const LIMIT = { requests: 100_000, bytes: 64 * 1024 * 1024 };

export interface WaitingRequest {
  readonly request: RequestMessage;
  readonly from: Peer;
}

/** Requests to a rank that has no broker at the moment. */
export class WaitingRequests {
  readonly #requests = new Map<number, WaitingRequest[]>();
  #count = 0;
  #bytes = 0;

  /** @returns false if too much waits already */
  add(rank: number, waiting: WaitingRequest): boolean {
    const bytes = sizeOf(waiting);
    if (this.#count >= LIMIT.requests || this.#bytes + bytes > LIMIT.bytes) return false;
    const queue = this.#requests.get(rank) ?? [];
    queue.push(waiting);
    this.#requests.set(rank, queue);
    this.#count += 1;
    this.#bytes += bytes;
    return true;
  }

  /** Removes and returns the requests for a rank, in order. */
  take(rank: number): readonly WaitingRequest[] {
    const queue = this.#requests.get(rank) ?? [];
    this.#requests.delete(rank);
    this.#count -= queue.length;
    this.#bytes -= queue.reduce((sum, waiting) => sum + sizeOf(waiting), 0);
    return queue;
  }
}

function sizeOf({ request: { payload } }: WaitingRequest): number {
  return payload?.length ?? 0;
}
