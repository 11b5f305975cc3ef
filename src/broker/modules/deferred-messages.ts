import { type Backlog, type Message, payloadBytes, Tally } from "../../messages/index.js";
import type { ReceiveQueue } from "../routing/peer.js";

/** The incoming messages of a module while they are held back (`module.debug`). They wait like all unread messages. */
export class DeferredMessages implements ReceiveQueue {
  readonly messages: Message[] = [];
  readonly #tally = new Tally();

  push(message: Message): void {
    this.messages.push(message);
    this.#tally.add(payloadBytes(message.payload), message.type === "request");
  }

  backlog(): Backlog {
    return this.#tally.all();
  }

  requestBacklog(): Backlog {
    return this.#tally.ofRequests();
  }
}
