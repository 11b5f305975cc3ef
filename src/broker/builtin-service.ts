import { ERRNO, strerror } from "../errors/index.js";
import { type Message, methodOf, type RequestMessage, ROLE } from "../messages/index.js";
import type { MessageTrace } from "./routing/message-trace.js";
import { BUILTIN, Peer } from "./routing/peer.js";
import type { Router } from "./routing/router.js";
import { Call, type Method, type ServiceDefinition } from "./service-call.js";
import { defaultMethods, ServiceCounts } from "./service-defaults.js";

export { Call, type ServiceDefinition } from "./service-call.js";

/**
 * Attaches a service to the router, as a peer like any other.
 * @param trace receives its messages if the service is named in the request
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
    id: `${BUILTIN}${name}`,
    name,
    credentials: { userid: 0, rolemask: ROLE.owner },
    deliver: (message) => receive(message),
  });
  const receive = (message: Message): void => {
    // No other message can come, because services of the broker send no requests.
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
