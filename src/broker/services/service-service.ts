import { requestError } from "../../errors/index.js";
import type { ServiceDefinition } from "../builtin-service.js";
import type { ModuleTable } from "../modules/module-table.js";
import type { Router } from "../routing/router.js";

/** Services that modules and clients register while they run. */
export function serviceService(router: Router, modules: ModuleTable): ServiceDefinition {
  return {
    name: "service",
    methods: {
      add: (call) => {
        const { name } = call.fields({ name: "string" });
        const { peer } = call;
        if (!modules.peers.claim(peer, name)) {
          // A module that is between two runs has no peer, but keeps its name.
          if (modules.has(name)) throw requestError("EEXIST", `service ${name} is the name of a module`);
          router.services.add(name, peer);
        }
        call.respond();
      },
      remove: (call) => {
        const { name } = call.fields({ name: "string" });
        const { peer } = call;
        if (name === peer.name && modules.has(name)) {
          throw requestError("EINVAL", `service ${name} goes with its module`);
        }
        if (!modules.peers.unclaim(peer, name)) router.services.remove(name, peer);
        call.respond();
      },
    },
  };
}
