import type { Handle, Payload, Request } from "../../messages/index.js";

/** A handler whose answer takes time. */
type SlowHandler = (request: Request) => Promise<Payload> | Promise<void>;

/**
 * The requests in progress of a module. A module that receives `shutdown` answers them before it ends, so
 * that a reload fails none of them (docs/modules.md).
 */
export class BegunRequests {
  readonly #h: Handle;
  readonly #running = new Set<Promise<unknown>>();

  constructor(h: Handle) {
    this.#h = h;
  }

  /** Registers a handler, and counts its requests until they are answered. */
  handle(method: string, handler: SlowHandler): void {
    this.#h.handle(method, (request) => this.#run(handler(request) as Promise<Payload>));
  }

  /** Resolves when all counted requests have been answered. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
  }

  #run(answer: Promise<Payload>): Promise<Payload> {
    const done = (): void => void this.#running.delete(answer);
    this.#running.add(answer);
    answer.then(done, done);
    return answer;
  }
}
