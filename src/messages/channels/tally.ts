import type { Backlog } from "../types.js";

/**
 * Counts messages that wait, and the requests among them. The caller chooses the measure of sizes: payload, or wire
 * form.
 */
export class Tally {
  messages = 0;
  bytes = 0;
  requests = 0;
  requestBytes = 0;

  add(bytes: number, isRequest: boolean): void {
    this.messages++;
    this.bytes += bytes;
    if (!isRequest) return;
    this.requests++;
    this.requestBytes += bytes;
  }

  remove(bytes: number, isRequest: boolean): void {
    this.messages--;
    this.bytes -= bytes;
    if (!isRequest) return;
    this.requests--;
    this.requestBytes -= bytes;
  }

  /** Subtracts the counts of another. */
  subtract({ messages, bytes, requests, requestBytes }: Readonly<TallyCounts>): void {
    this.messages -= messages;
    this.bytes -= bytes;
    this.requests -= requests;
    this.requestBytes -= requestBytes;
  }

  reset(): void {
    this.subtract(this);
  }

  /** The total of all waiting elements. */
  all(): Backlog {
    return { messages: this.messages, bytes: this.bytes };
  }

  /** The requests that wait. */
  ofRequests(): Backlog {
    return { messages: this.requests, bytes: this.requestBytes };
  }
}

/** The elements that a {@link Tally} counts. */
export type TallyCounts = Pick<Tally, "messages" | "bytes" | "requests" | "requestBytes">;
