import type { Inbox } from "./inbox.js";
import { Tally } from "./tally.js";
import type { Backlog, Message, RequestMessage } from "../types.js";

/**
 * The common part of all channels. They deliver through an {@link Inbox}, and count the messages that the other end
 * has yet to take. They call their listeners when the number has decreased.
 */
export abstract class BaseChannel {
  protected readonly inbox: Inbox;
  /**
   * The messages that have not left this end, or whose receipt the other end has not reported, including held
   * requests.
   */
  protected readonly untaken = new Tally();
  readonly #drainListeners: (() => void)[] = [];

  constructor(inbox: Inbox) {
    this.inbox = inbox;
  }

  /** Number of requests that this end holds back. */
  protected abstract heldRequests(): number;

  onMessage(listener: (message: Message) => void): void {
    this.inbox.onMessage(listener);
  }

  onClose(listener: (cause: Error | undefined) => void): void {
    this.inbox.onClose(listener);
  }

  onDrain(listener: () => void): void {
    this.#drainListeners.push(listener);
  }

  backlog(): Backlog {
    return this.untaken.all();
  }

  requestBacklog(): Backlog {
    return this.untaken.ofRequests();
  }

  underWay(): number {
    return this.untaken.messages - this.heldRequests();
  }

  unread(): number {
    return this.inbox.unread;
  }

  admitRequests(admit: (request: RequestMessage) => boolean): () => void {
    return this.inbox.admit(admit);
  }

  protected drained(): void {
    for (const listener of this.#drainListeners) listener();
  }
}
