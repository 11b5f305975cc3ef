import { decodePayload } from "../wire/payload.js";
import { methodOf } from "../topic.js";
import { FLAG, type Payload, type Request, type RequestMessage, ROLE } from "../types.js";

/** A request as its handler gets it. It has all that an answer needs. */
export class IncomingRequest implements Request {
  readonly topic: string;
  readonly method: string;
  readonly message: RequestMessage;
  readonly #onWatched: (request: IncomingRequest) => void;
  #decoded = false;
  #payload: Payload;
  #ending: "none" | "answered" | "abandoned" = "none";
  #abort: AbortController | undefined;

  /** @param onWatched called at the handler's first use of the signal */
  constructor(message: RequestMessage, onWatched: (request: IncomingRequest) => void) {
    this.message = message;
    this.#onWatched = onWatched;
    this.topic = message.topic;
    this.method = methodOf(message.topic);
  }

  /** Parsed at the first use, because many handlers never read it. Throws `EPROTO` if it is not JSON. */
  get payload(): Payload {
    if (!this.#decoded) {
      this.#payload = decodePayload(this.message.payload);
      this.#decoded = true;
    }
    return this.#payload;
  }

  get streaming(): boolean {
    return (this.message.flags & FLAG.streaming) !== 0;
  }

  get noresponse(): boolean {
    return (this.message.flags & FLAG.noresponse) !== 0;
  }

  /**
   * A message without credentials from a broker comes from the other end of a private channel, and so from the owner.
   */
  get rolemask(): number {
    return this.message.rolemask ?? ROLE.owner;
  }

  get userid(): number {
    return this.message.userid ?? 0;
  }

  get sender(): string {
    return this.message.route[0] ?? "";
  }

  get answered(): boolean {
    return this.#ending !== "none";
  }

  /** Whether no requester waits for the answer any more. */
  get abandoned(): boolean {
    return this.#ending === "abandoned";
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.abandoned) this.#abort.abort();
      else if (!this.answered) this.#onWatched(this);
    }
    return this.#abort.signal;
  }

  markAnswered(): void {
    if (this.#ending === "none") this.#ending = "answered";
  }

  abandon(): void {
    if (this.#ending !== "none") return;
    this.#ending = "abandoned";
    this.#abort?.abort();
  }
}
