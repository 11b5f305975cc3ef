import { messageOf, requestError } from "../../errors/index.js";
import { fields } from "../fields.js";
import { followEvents } from "./follow-events.js";
import type { ChannelHandle } from "./handle.js";
import { resourceUsage } from "../rusage.js";
import type { JsonValue, Payload, Request } from "../types.js";

/** Guests may call these, too. The other methods are for the owner. */
const FOR_GUESTS = { allowGuest: true };

/** How long an ending module may take to answer the requests that it has received. */
const ANSWERS_MS = 5000;

/** The methods that every module has. */
export const DEFAULT_METHODS: ReadonlySet<string> = new Set([
  "shutdown",
  "ping",
  "stats-get",
  "stats-clear",
  "rusage",
  "debug",
  "config-reload",
]);

/** The handlers that every module has unless it registers its own (docs/design/modules.md §3). */
export function registerDefaultHandlers(handle: ChannelHandle): void {
  handle.handle("shutdown", (request) => {
    handle.respond(request);
    void handle.finish(ANSWERS_MS);
  });
  handle.handle("ping", (request) => answerSame(handle, request), FOR_GUESTS);
  handle.handle("stats-get", () => asJson(handle.stats), FOR_GUESTS);
  handle.handle("stats-clear", (request) => {
    handle.clearStats();
    handle.respond(request);
  });
  handle.handle("rusage", (request) => asJson(resourceUsage(request.payload)), FOR_GUESTS);
  handle.handle("debug", (request) => ({ flags: changeDebugFlags(handle, request.payload) }));
  // The handle has the new configuration before this runs.
  handle.handle("config-reload", (request) => {
    handle.respond(request);
  });
  followEvents(handle, `${handle.name}.stats-clear`, () => handle.clearStats()).catch((error: unknown) =>
    handle.log("err", `stats-clear: ${messageOf(error)}`),
  );
}

/**
 * Answers with the payload of the request. This responds itself, because a handler cannot return a missing
 * payload as an answer.
 */
function answerSame(handle: ChannelHandle, request: Request): undefined {
  handle.respond(request, request.payload);
}

function asJson(value: object): Payload {
  return value as { readonly [key: string]: JsonValue };
}

/**
 * Carries out a `debug` request.
 * @returns the new bits
 * @throws SluiceError BROKER_REQUEST `EPROTO` for an unknown operation
 */
export function changeDebugFlags(handle: { debugFlags: number }, payload: Payload): number {
  const { op, flags } = fields(payload, { op: "string?", flags: "integer?" });
  const mask = flags ?? 0;
  switch (op) {
    case undefined:
      break;
    case "setbit":
      handle.debugFlags |= mask;
      break;
    case "clrbit":
      handle.debugFlags &= ~mask;
      break;
    case "set":
      handle.debugFlags = mask;
      break;
    case "clr":
      handle.debugFlags = 0;
      break;
    default:
      throw requestError("EPROTO", `'op' must be one of setbit, clrbit, set, clr, not '${op}'`);
  }
  return handle.debugFlags >>> 0;
}
