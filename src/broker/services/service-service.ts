import { requestError } from "../../errors/index.js";
import type { Call, ServiceDefinition } from "../builtin-service.js";
import type { ModuleTable } from "../modules/module-table.js";
import type { Router } from "../routing/router.js";

/** Services that modules and clients register while they run. */
export function serviceService(router: Router, modules: ModuleTable): ServiceDefinition {
  const waiting = new WaitingForServices(router);
  return {
    name: "service",
    methods: {
      add: (call) => {
        const { name } = call.fields({ name: "string" });
        const { peer } = call;
        if (!modules.peers.claim(peer, name)) {
          // A module that is between two runs has no peer, but keeps its name.
          if (modules.known.has(name))
            throw requestError("EEXIST", `service ${name} is the name of a module`);
          router.services.add(name, peer);
        }
        call.respond();
      },
      remove: (call) => {
        const { name } = call.fields({ name: "string" });
        const { peer } = call;
        if (name === peer.name && modules.known.has(name)) {
          throw requestError("EINVAL", `service ${name} is the name of its module, and cannot be removed`);
        }
        if (!modules.peers.unclaim(peer, name)) router.services.remove(name, peer);
        call.respond();
      },
      owner: (call) => {
        const { name } = call.fields({ name: "string" });
        const owner = router.services.owner(name);
        if (owner === undefined) throw requestError("ENOENT", `service ${name} has no provider`);
        call.respond({ owner: owner.name });
      },
      wait: (call) => waiting.add(call),
      disconnect: (call) => waiting.drop(call.sender),
    },
  };
}

/** Requests that are answered when a service exists, so that a client need not repeat them. */
class WaitingForServices {
  readonly #router: Router;
  readonly #calls = new Map<string, Set<Call>>();

  constructor(router: Router) {
    this.#router = router;
    router.services.onOwner((name) => this.#answer(name));
  }

  add(call: Call): void {
    const { name } = call.fields({ name: "string" });
    const calls = this.#calls.get(name) ?? new Set();
    this.#calls.set(name, calls.add(call));
    this.#answer(name);
  }

  drop(sender: string): void {
    for (const calls of this.#calls.values()) {
      for (const call of calls) if (call.sender === sender) calls.delete(call);
    }
  }

  #answer(name: string): void {
    const owner = this.#router.services.owner(name);
    // A module that is ending accepts no more requests. The caller waits for the next one.
    if (owner === undefined || owner.refusing) return;
    const calls = this.#calls.get(name) ?? [];
    this.#calls.delete(name);
    for (const call of calls) call.respond();
  }
}
