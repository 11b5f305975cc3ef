import {
  changeDebugFlags,
  type HandleStats,
  type Message,
  type MessageCounts,
  resourceUsage,
} from "../messages/index.js";
import type { JsonValue, Payload } from "../messages/index.js";
import type { ServiceDefinition } from "./service-call.js";

/** The counts of a service of the broker, with the same fields as those of a module (docs/design/modules.md §3). */
export class ServiceCounts {
  #rx = noMessages();
  #tx = noMessages();
  debugFlags = 0;

  get stats(): HandleStats {
    return { tx: { ...this.#tx }, rx: { ...this.#rx } };
  }

  received(type: Message["type"]): void {
    this.#rx[type]++;
  }

  sent(type: Message["type"]): void {
    this.#tx[type]++;
  }

  clear(): void {
    this.#rx = noMessages();
    this.#tx = noMessages();
  }
}

/** The methods that every service of the broker has unless it has its own. Every module has them too. */
export function defaultMethods(counts: ServiceCounts): ServiceDefinition["methods"] {
  return {
    ping: { allowGuest: true, run: (call) => call.echo() },
    "stats-get": { allowGuest: true, run: (call) => call.respond(asPayload(counts.stats)) },
    "stats-clear": (call) => {
      counts.clear();
      call.respond();
    },
    rusage: { allowGuest: true, run: (call) => call.respond(asPayload(resourceUsage(call.payload))) },
    debug: (call) => call.respond({ flags: changeDebugFlags(counts, call.payload) }),
  };
}

function asPayload(value: object): Payload {
  return value as { readonly [key: string]: JsonValue };
}

function noMessages(): MessageCounts {
  return { request: 0, response: 0, event: 0, control: 0 };
}
