import { ERRNO, type ErrnoName, errnumOf, messageOf, requestError, strerror } from "../errors/index.js";
import {
  decodePayload,
  encodePayload,
  type Fields,
  type FieldSpec,
  FLAG,
  type Message,
  methodOf,
  type Payload,
  type RawPayload,
  type RequestMessage,
  requestFields,
  ROLE,
} from "../messages/index.js";
import { Peer } from "./routing/peer.js";
import type { MessageTrace } from "./routing/message-trace.js";
import type { Router } from "./routing/router.js";
import { defaultMethods, ServiceCounts } from "./service-defaults.js";

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
   * The peer that it came through.
   * @throws SluiceError BROKER_REQUEST `ECONNRESET` if it has gone, as in its `disconnect`
   */
  get peer(): Peer {
    const peer = this.#router.peer(this.request.route.at(-1) ?? "");
    if (peer === undefined) throw requestError("ECONNRESET", "the sender has gone");
    return peer;
  }

  get isStreaming(): boolean {
    return (this.request.flags & FLAG.streaming) !== 0;
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

  /** Answers with a payload, or with none. */
  respond(payload?: Payload): void {
    this.#answer(encodePayload(payload));
  }

  /** Answers with what was sent, without a look at it. */
  echo(): void {
    this.#answer(this.request.payload);
  }

  fail(errno: ErrnoName, message?: string): void {
    this.#answerError(ERRNO[errno], message ?? strerror(ERRNO[errno]));
  }

  /** Answers with the error number and text of what was thrown; a fault without a number is ours. */
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

/** Answers a call, now or later. What it throws, or rejects with, is the answer. */
type CallHandler = (call: Call) => void | Promise<void>;

interface Method {
  readonly run: CallHandler;
  readonly allowGuest?: boolean;
}

/** What a service of the broker is made of. */
export interface ServiceDefinition {
  readonly name: string;
  /** By the topic after the first dot. A name that ends with a dot takes all topics that go on after it. */
  readonly methods: Readonly<Record<string, Method | CallHandler>>;
}

/**
 * Attaches a service to the router, as a peer like any other.
 * @param trace sees its messages if it is asked for the service by name
 */
export function attachService(
  router: Router,
  { name, methods }: ServiceDefinition,
  trace: MessageTrace,
): void {
  const counts = new ServiceCounts();
  const byMethod = new Map<string, Method>();
  for (const [method, handler] of Object.entries({ ...defaultMethods(counts), ...methods })) {
    byMethod.set(method, typeof handler === "function" ? { run: handler } : handler);
  }
  const peer: Peer = new Peer({
    id: `#${name}`,
    name,
    credentials: { userid: 0, rolemask: ROLE.owner },
    deliver: (message) => receive(message),
  });
  const receive = (message: Message): void => {
    // Services of the broker send no requests, so that nothing else can come.
    if (message.type !== "request") return;
    const method = findMethod(byMethod, methodOf(message.topic));
    counts.received(message.type);
    trace.serviceTap?.(name, "rx", message);
    const call = new Call(message, peer, router, (errnum, payload) => {
      counts.sent("response");
      const { topic, matchtag, route, userid, rolemask } = message;
      trace.serviceTap?.(name, "tx", {
        type: "response",
        topic,
        matchtag,
        errnum,
        payload,
        route,
        userid,
        rolemask,
      });
    });
    if (method === undefined) call.fail("ENOSYS", `Unknown service method '${message.topic}'`);
    else if (!isAllowed(method, message)) call.fail("EPERM", `${message.topic}: ${strerror(ERRNO.EPERM)}`);
    else runMethod(method, call);
  };
  router.attach(peer);
  router.services.add(name, peer);
}

function findMethod(methods: ReadonlyMap<string, Method>, name: string): Method | undefined {
  const exact = methods.get(name);
  if (exact !== undefined) return exact;
  const dot = name.indexOf(".");
  return dot === -1 ? undefined : methods.get(name.slice(0, dot + 1));
}

function isAllowed(method: Method, request: RequestMessage): boolean {
  return method.allowGuest === true || ((request.rolemask ?? 0) & ROLE.owner) !== 0;
}

function runMethod(method: Method, call: Call): void {
  try {
    method.run(call)?.catch((error: unknown) => call.failWith(error));
  } catch (error) {
    call.failWith(error);
  }
}
