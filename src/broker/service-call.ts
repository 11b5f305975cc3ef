import { ERRNO, type ErrnoName, errnumOf, messageOf, requestError, strerror } from "../errors/index.js";
import {
  decodePayload,
  encodePayload,
  type Fields,
  type FieldSpec,
  FLAG,
  type Payload,
  type RawPayload,
  type RequestMessage,
  requestFields,
} from "../messages/index.js";
import type { Peer } from "./routing/peer.js";
import type { Router } from "./routing/router.js";

/** A request to a service of the broker itself. */
export class Call {
  readonly request: RequestMessage;
  readonly #service: Peer;
  readonly #router: Router;
  readonly #onAnswer: (errnum: number, payload: RawPayload) => void;

  constructor(
    request: RequestMessage,
    service: Peer,
    router: Router,
    onAnswer: (errnum: number, payload: RawPayload) => void,
  ) {
    this.request = request;
    this.#service = service;
    this.#router = router;
    this.#onAnswer = onAnswer;
  }

  /**
   * The peer that the request came through.
   * @throws SluiceError BROKER_REQUEST `ECONNRESET` if it has gone, as in its `disconnect`
   */
  get peer(): Peer {
    const peer = this.#router.peer(this.request.route.at(-1) ?? "");
    if (peer === undefined) throw requestError("ECONNRESET", "the sender has disconnected");
    return peer;
  }

  /** @throws SluiceError BROKER_REQUEST `EPROTO` if its sender takes one response only */
  requireStreaming(): void {
    if ((this.request.flags & FLAG.streaming) !== 0) return;
    throw requestError("EPROTO", `invalid request ${this.request.topic}: send it as a streaming request`);
  }

  /** Identifies the sender, also in its `disconnect`. */
  get sender(): string {
    return this.request.route.join("/");
  }

  /** @throws SluiceError BROKER_REQUEST `EPROTO` if it is not JSON */
  get payload(): Payload {
    return decodePayload(this.request.payload);
  }

  /** @throws SluiceError BROKER_REQUEST `EPROTO` if the payload is not such an object, or has other fields */
  fields<const S extends FieldSpec>(spec: S): Fields<S> {
    return requestFields(this.payload, spec);
  }

  /** Answers with or without a payload. */
  respond(payload?: Payload): void {
    this.#answer(encodePayload(payload));
  }

  /** Answers without a payload. A stream that the request opens counts as answered: it can only end. */
  confirm(): void {
    this.#onAnswer(0, undefined);
    this.#router.confirm(this.request, this.#service);
  }

  /** Answers with the received payload, unparsed. */
  echo(): void {
    this.#answer(this.request.payload);
  }

  fail(errno: ErrnoName, message?: string): void {
    this.#answerError(ERRNO[errno], message ?? strerror(ERRNO[errno]));
  }

  /** Answers with the error number and text of the thrown error. An error without a number is a defect of ours. */
  failWith(error: unknown): void {
    this.#answerError(errnumOf(error) ?? ERRNO.EIO, messageOf(error));
  }

  #answer(payload: RawPayload): void {
    this.#onAnswer(0, payload);
    this.#router.answer(this.request, this.#service, payload);
  }

  #answerError(errnum: number, text: string): void {
    this.#onAnswer(errnum, undefined);
    this.#router.answerError(this.request, this.#service, errnum, text);
  }
}

/** Answers a call, now or later. The error that it throws, or rejects with, is the answer. */
type CallHandler = (call: Call) => void | Promise<void>;

/** How one method of a service is answered. */
export interface Method {
  readonly run: CallHandler;
  readonly allowGuest?: boolean;
}

/** The parts of a service of the broker. */
export interface ServiceDefinition {
  readonly name: string;
  /** Keyed by the topic after the first dot. A name that ends with a dot serves all topics that begin with it. */
  readonly methods: Readonly<Record<string, Method | CallHandler>>;
}
