import type { ServiceDefinition } from "../builtin-service.js";
import type { Environment } from "../environment.js";

/** The instance as a whole: its environment and its end. */
export function brokerService(environment: Environment, requestShutdown: () => void): ServiceDefinition {
  return {
    name: "broker",
    methods: {
      getenv: (call) => {
        const { name, names } = call.fields({ name: "string?", names: "string[]?" });
        if (name !== undefined) call.respond({ value: environment.get(name) ?? null });
        else call.respond({ env: names === undefined ? environment.all() : environment.some(names) });
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
