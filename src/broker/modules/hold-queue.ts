import { ERRNO } from "../../errors/index.js";
import {
  type Backlog,
  type Message,
  payloadBytes,
  type RequestMessage,
  type ResponseMessage,
} from "../../messages/index.js";
import type { Clock, Timer } from "../clock.js";
import { Peer } from "../routing/peer.js";
import { noSuchService, type Router } from "../routing/router.js";

/** How many requests the broker holds for a module during its reload, and how long (docs/design/modules.md §3). */
const HOLD_LIMITS = { requests: 1000, timeMs: 10_000 } as const;

/**
 * Takes the place of a module while it is reloaded: it keeps the requests to its services, in order, for the new
 * instance. A request leaves it when its sender goes away.
 */
export class HoldQueue {
  /** Owns the services while the module is reloaded. */
  readonly peer: Peer;
  /** Services that the new instance has registered. It gets them when it runs. */
  readonly claimed = new Set<string>();
  readonly #router: Router;
  readonly #timer: Timer;
  /** Requests that the old instance received and did not read. They are older than all held ones. */
  #returned: RequestMessage[] = [];
  #held: RequestMessage[] = [];
  #bytes = 0;
  #state: "holding" | "returning" | "refusing" = "holding";

  /** @param old the instance whose services it takes over at once */
  constructor({ router, clock }: { readonly router: Router; readonly clock: Clock }, old: Peer) {
    this.#router = router;
    this.peer = new Peer({
      id: `${old.id}+hold`,
      name: old.name,
      credentials: undefined,
      deliver: (message) => this.#take(message),
      // The bytes of its messages count toward the same bounds as those of any receiver.
      queue: { backlog: () => this.#backlog(), requestBacklog: () => this.#backlog() },
    });
    router.attach(this.peer);
    for (const service of router.services.namesOf(old)) router.services.move(service, this.peer);
    this.#timer = clock.after(HOLD_LIMITS.timeMs, () => this.#expire());
  }

  get size(): number {
    return this.#returned.length + this.#held.length;
  }

  /**
   * Takes back a request that the old instance refused unread.
   * @returns false if no requester waits for it any more
   */
  takeBack(response: ResponseMessage, from: Peer): boolean {
    if (this.#state === "refusing") return false;
    this.#state = "returning";
    const taken = this.#router.reassign(response, from, this.peer);
    this.#state = "holding";
    return taken;
  }

  /** Gives the services and the held requests to the new instance, oldest first, and ends. */
  release(name: string, to: Peer): void {
    this.#timer.cancel();
    const { services } = this.#router;
    services.move(name, to);
    for (const service of this.claimed) services.move(service, to);
    services.removeAll(this.peer);
    for (const request of this.#drain()) this.#router.reassign(request, this.peer);
    this.#router.detach(this.peer);
  }

  /** Returns all services and held requests to the old instance, and ends. */
  giveBack(to: Peer): void {
    this.#timer.cancel();
    const { services } = this.#router;
    for (const service of services.namesOf(this.peer)) services.move(service, to);
    for (const request of this.#drain()) this.#router.reassign(request, this.peer);
    this.#router.detach(this.peer);
  }

  /** Fails all held requests, and ends. */
  fail(errnum: number, error: string): void {
    this.#timer.cancel();
    for (const request of this.#drain()) this.#router.answerError(request, this.peer, errnum, error);
    this.#router.detach(this.peer);
  }

  #take(message: Message): void {
    if (message.type !== "request") return;
    switch (this.#state) {
      case "refusing":
        this.#refuse(message);
        return;
      case "returning":
        this.#keep(message, this.#returned);
        return;
      case "holding":
        if (this.size >= HOLD_LIMITS.requests) this.#refuse(message);
        else this.#keep(message, this.#held);
        return;
    }
  }

  #keep(message: RequestMessage, where: RequestMessage[]): void {
    where.push(message);
    this.#bytes += payloadBytes(message.payload);
  }

  #backlog(): Backlog {
    return { messages: this.size, bytes: this.#bytes };
  }

  #expire(): void {
    this.#state = "refusing";
    for (const request of this.#drain()) this.#refuse(request);
    this.#router.drained(this.peer);
  }

  #refuse(request: RequestMessage): void {
    this.#router.answerError(request, this.peer, ERRNO.ENOSYS, noSuchService(request.topic));
  }

  #drain(): RequestMessage[] {
    const all = [...this.#returned, ...this.#held];
    this.#returned = [];
    this.#held = [];
    this.#bytes = 0;
    return all;
  }
}
