import { ERRNO, errnumOf, isErrnum, messageOf, requestError, type SluiceError } from "../../errors/index.js";
import { IncomingRequest } from "./incoming-request.js";
import { encodePayload } from "../wire/payload.js";
import { ROLE } from "../types.js";
import type {
  HandlerOptions,
  Payload,
  Request,
  RequestHandler,
  RequestMessage,
  ResponseMessage,
} from "../types.js";

/** The part of the handle that the server uses. */
interface ServerPort {
  send(message: ResponseMessage): void;
  /** Resolves when the channel takes more of a stream. */
  ready(): Promise<void> | undefined;
  /** A handler threw an error without a number: a fault of the program. */
  fault(error: Error): void;
  /** Logs an error that cannot be sent to a requester. */
  warn(text: string): void;
}

const SLUICE_ERROR: SluiceError["name"] = "SluiceError";

interface Handler {
  readonly handler: RequestHandler;
  readonly allowGuest: boolean;
}

/**
 * Answers requests: finds the handler, sends the value that it returns or the error that it throws, and drops answers
 * that are no longer awaited.
 */
export class RequestServer {
  readonly #port: ServerPort;
  readonly #handlers = new Map<string, Handler>();
  /** Unanswered requests, by sender and matchtag. */
  readonly #open = new Map<string, Map<number, IncomingRequest>>();
  readonly #onWatched = (request: IncomingRequest): void => this.#track(request);
  #refusing = false;
  #onAnswered: () => void = () => undefined;

  constructor(port: ServerPort) {
    this.#port = port;
  }

  handle(method: string, handler: RequestHandler, options: HandlerOptions): void {
    this.#handlers.set(method, { handler, allowGuest: options.allowGuest ?? false });
  }

  /** Names of the methods that have a handler. */
  get methods(): string[] {
    return [...this.#handlers.keys()];
  }

  /** From now on answers every request with `ENOSYS`. */
  refuse(): void {
    this.#refusing = true;
  }

  /** The channel has gone. */
  close(): void {
    for (const requests of this.#open.values()) for (const request of requests.values()) request.abandon();
    this.#open.clear();
    this.#onAnswered();
  }

  receive(message: RequestMessage): void {
    const request = new IncomingRequest(message, this.#onWatched);
    if (request.method === "disconnect") this.#dropSender(request.sender);
    const cancelled = cancelledTag(request);
    if (cancelled !== undefined) {
      this.#cancel(request, cancelled);
      return;
    }
    const entry = this.#refusing ? undefined : this.#handlers.get(request.method);
    if (entry === undefined) {
      this.#answerUnknown(request);
    } else if (!entry.allowGuest && (request.rolemask & ROLE.owner) === 0) {
      this.respondError(request, ERRNO.EPERM);
    } else {
      if (request.streaming) this.#track(request);
      this.#call(entry.handler, request);
      if (!request.answered) this.#track(request);
    }
  }

  /**
   * Resolves when every received request has an answer, or no requester waits for it any more. Streams do not
   * count.
   */
  async answered(): Promise<void> {
    if (!this.#owesAnswers()) return;
    await new Promise<void>((resolve) => {
      this.#onAnswered = () => {
        if (!this.#owesAnswers()) resolve();
      };
    });
  }

  /** @throws SluiceError `EINVAL` if it has been answered, or is not a request that came through this handle */
  respond(request: Request, payload: Payload): void {
    this.#answer(request, { errnum: 0, payload: encodePayload(payload) });
  }

  /** @throws as {@link respond} */
  respondError(request: Request, errnum: number, error?: unknown): void {
    if (!isErrnum(errnum)) {
      throw requestError("EINVAL", `invalid error number ${String(errnum)}`);
    }
    // Modules in plain JavaScript may pass any value.
    this.#answer(request, { errnum, error: error === undefined ? undefined : messageOf(error) });
  }

  #answer(request: Request, answer: Pick<ResponseMessage, "errnum" | "error" | "payload">): void {
    if (!(request instanceof IncomingRequest)) throw requestError("EINVAL", "not a request of this handle");
    if (request.abandoned) return;
    if (request.answered) throw requestError("EINVAL", `${request.topic}: has been answered already`);
    const { topic, matchtag, route } = request.message;
    if (!request.noresponse) this.#port.send({ type: "response", topic, matchtag, route, ...answer });
    if (answer.errnum === 0 && request.streaming) return;
    request.markAnswered();
    this.#untrack(request);
  }

  #call(handler: RequestHandler, request: IncomingRequest): void {
    try {
      const result = handler(request);
      if (result === undefined) return;
      if (result instanceof Promise) this.#await(request, result);
      else if (isAsyncIterable(result)) this.#await(request, this.#stream(request, result));
      else this.#finish(request, result);
    } catch (error) {
      this.#fail(request, error);
    }
  }

  #await(request: IncomingRequest, result: Promise<Payload> | Promise<void>): void {
    result.then(
      (payload) => this.#tryFinish(request, payload as Payload),
      (error: unknown) => this.#fail(request, error),
    );
  }

  #tryFinish(request: IncomingRequest, payload: Payload): void {
    try {
      this.#finish(request, payload);
    } catch (error) {
      this.#fail(request, error);
    }
  }

  /** The result of a handler is the response; for a streaming request, the only one. */
  #finish(request: IncomingRequest, payload: Payload): void {
    if (payload === undefined) return;
    this.respond(request, payload);
    if (request.streaming && !request.answered) this.respondError(request, ERRNO.ENODATA);
  }

  async #stream(request: IncomingRequest, source: AsyncIterable<Payload>): Promise<void> {
    if (!request.streaming || request.noresponse) {
      throw requestError("EPROTO", `${request.topic}: needs a streaming request`);
    }
    const iterator = source[Symbol.asyncIterator]();
    const stop = (): void => {
      // This does not await the return, because a generator that waits for a promise returns only after that.
      iterator.return?.().catch((error: unknown) => this.#port.fault(asError(error)));
    };
    request.signal.addEventListener("abort", stop, { once: true });
    for (;;) {
      const result = await iterator.next();
      if (result.done === true || request.answered) break;
      this.respond(request, result.value);
      await this.#port.ready();
    }
    request.signal.removeEventListener("abort", stop);
    if (!request.answered) this.respondError(request, ERRNO.ENODATA);
  }

  /** An error that carries a number is an answer. Any other is also a fault of the program. */
  #fail(request: IncomingRequest, error: unknown): void {
    const errnum = errnumOf(error);
    // By its name, because an error of a module comes from the module's own copy of the library.
    const meant = errnum !== undefined || (error instanceof Error && error.name === SLUICE_ERROR);
    const text = messageOf(error);
    if (!request.answered) this.respondError(request, errnum ?? (meant ? ERRNO.EIO : ERRNO.ECONNRESET), text);
    if (!meant) this.#port.fault(asError(error));
    else if (request.noresponse) this.#port.warn(`${request.topic}: ${text}`);
  }

  #answerUnknown(request: IncomingRequest): void {
    if (request.noresponse) return;
    if (request.method === "disconnect" && !this.#refusing) this.respond(request, undefined);
    else {
      this.respondError(request, ERRNO.ENOSYS, `Unknown service method '${request.topic}'`);
    }
  }

  #track(request: IncomingRequest): void {
    if (request.noresponse) return;
    const { sender, message } = request;
    const requests = this.#open.get(sender);
    if (requests === undefined) this.#open.set(sender, new Map([[message.matchtag, request]]));
    else requests.set(message.matchtag, request);
  }

  #untrack(request: IncomingRequest): void {
    const requests = this.#open.get(request.sender);
    if (requests?.get(request.message.matchtag) !== request) return;
    requests.delete(request.message.matchtag);
    if (requests.size === 0) this.#open.delete(request.sender);
    this.#onAnswered();
  }

  #owesAnswers(): boolean {
    for (const requests of this.#open.values()) {
      for (const { streaming } of requests.values()) if (!streaming) return true;
    }
    return false;
  }

  #dropSender(sender: string): void {
    const requests = this.#open.get(sender);
    this.#open.delete(sender);
    for (const request of requests?.values() ?? []) request.abandon();
    this.#onAnswered();
  }

  /** Ends one stream of this sender, because its requester has stopped listening (RFC 6). */
  #cancel(cancel: IncomingRequest, matchtag: number): void {
    const request = this.#open.get(cancel.sender)?.get(matchtag);
    if (request?.streaming !== true) return;
    const { topic, route } = request.message;
    this.#port.send({ type: "response", topic, matchtag, route, errnum: ERRNO.ECANCELED });
    this.#untrack(request);
    request.abandon();
  }
}

/**
 * The matchtag in the request that {@link OutgoingRequests} sends when a program leaves a stream. A module's own method `cancel` is a
 * different request.
 */
function cancelledTag(request: IncomingRequest): number | undefined {
  if (request.method !== "cancel" || !request.noresponse) return undefined;
  const raw = request.message.payload;
  if (typeof raw !== "string") return undefined;
  const digits = /^\s*\{\s*"matchtag"\s*:\s*(\d{1,10})\s*\}\s*$/.exec(raw)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

function isAsyncIterable(value: unknown): value is AsyncIterable<Payload> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(messageOf(error), { cause: error });
}
