import { requestError } from "../../errors/index.js";
import type { Attributes } from "../attributes.js";
import type { ServiceDefinition } from "../builtin-service.js";

/** The attributes of this rank. */
export function attrService(attributes: Attributes): ServiceDefinition {
  return {
    name: "attr",
    methods: {
      get: {
        allowGuest: true,
        run: (call) => {
          const { name } = call.fields({ name: "string" });
          const value = attributes.get(name);
          if (value === undefined) throw requestError("ENOENT", `no such attribute ${name}`);
          call.respond({ value });
        },
      },
      list: { allowGuest: true, run: (call) => call.respond({ attrs: attributes.list() }) },
      rm: (call) => {
        const { name } = call.fields({ name: "string" });
        attributes.remove(name);
        call.respond();
      },
      set: (call) => {
        const { name, value } = call.fields({ name: "string", value: "string" });
        attributes.set(name, value);
        call.respond();
      },
    },
  };
}
