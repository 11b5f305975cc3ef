import { type Backlog, type Message, payloadBytes, Tally } from "../../messages/index.js";
import type { ReceiveQueue } from "../routing/peer.js";

/** What a module is to receive, while that is held back (`module.debug`). It waits for the module like anything else. */
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
