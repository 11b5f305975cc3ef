import type { RankWaits } from "../../waits/index.js";
import type { JsonValue } from "../../messages/index.js";
import type { ServiceDefinition } from "../builtin-service.js";
import type { Environment } from "../environment.js";

/** The part of the broker that the service uses. */
interface BrokerServiceOptions {
  readonly environment: Environment;
  readonly requestShutdown: () => void;
  /** The waits on this rank. */
  readonly waits: () => RankWaits;
}

/** The instance as a whole: its environment, the units that wait in it, and its end. */
export function brokerService({
  environment,
  requestShutdown,
  waits,
}: BrokerServiceOptions): ServiceDefinition {
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
      waits: (call) => {
        call.respond(waitsAsJson(waits(), call.request.topic));
      },
      shutdown: (call) => {
        call.respond();
        requestShutdown();
      },
    },
  };
}

/** @param own the topic of the present request, which is left out */
function waitsAsJson({ rank, requests, modules }: RankWaits, own: string): JsonValue {
  return {
    rank,
    requests: requests
      .filter(({ topic }) => topic !== own)
      .map(({ name, about, target, ...request }) => ({
        ...{ ...request, name: name ?? null, about: about ?? null },
        target: { ...target, rank: target.rank ?? null },
      })),
    modules: modules.map((module) => ({ ...module })),
  };
}
