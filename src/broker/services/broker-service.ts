import type { ServiceDefinition } from "../builtin-service.js";
import type { Environment } from "../environment.js";

/** The instance as a whole: its environment and its end. */
export function brokerService(environment: Environment, requestShutdown: () => void): ServiceDefinition {
  return {
    name: "broker",
    methods: {
      getenv: (call) => {
        const { name } = call.fields({ name: "string?" });
        if (name === undefined) call.respond({ env: environment.all() });
        else call.respond({ value: environment.get(name) ?? null });
      },
      setenv: (call) => {
        const { env } = call.fields({ env: "object" });
        environment.update(env);
        call.respond();
      },
      shutdown: (call) => {
        call.respond();
        requestShutdown();
      },
    },
  };
}
