import { requestError } from "../../errors/index.js";
import type { ServiceDefinition } from "../builtin-service.js";
import { type Configuration, lookUp } from "../configuration.js";

/** The configuration of this rank. */
export function configService(configuration: Configuration): ServiceDefinition {
  return {
    name: "config",
    methods: {
      get: (call) => {
        const { key } = call.fields({ key: "string?" });
        const value = key === undefined ? configuration.current : lookUp(configuration.current, key);
        if (value === undefined) throw requestError("ENOENT", `configuration key ${key ?? ""} is not set`);
        call.respond({ value });
      },
      check: async (call) => {
        const { config } = call.fields({ config: "object?" });
        call.respond({ ...(await configuration.check(config)) });
      },
      load: async (call) => {
        const { config } = call.fields({ config: "object" });
        await configuration.load(config);
        call.respond();
      },
      reload: async (call) => {
        await configuration.reload();
        call.respond();
      },
    },
  };
}
