import { requestError } from "../../errors/index.js";
import { checkModuleOptions, MODULE_OPTION_FIELDS } from "../../loaders/index.js";
import type { JsonValue } from "../../messages/index.js";
import type { ServiceDefinition } from "../builtin-service.js";
import type { Clock } from "../clock.js";
import type { MessageTrace } from "../routing/message-trace.js";
import type { ModuleTable } from "../modules/module-table.js";
import { OpenStreams } from "../open-streams.js";
import { traceMessages } from "./module-trace.js";
import { type BrokerFacts, moduleUsage } from "./module-usage.js";

const LOAD = {
  path: "string",
  name: "string?",
  args: "string[]?",
  explicit: "boolean?",
  insecure: "boolean?",
  ...MODULE_OPTION_FIELDS,
  plan: "integer?",
  timeoutMs: "number?",
} as const;

const PLAN = { nodes: "string[]", offsets: "array", targets: "array" } as const;

const RELOAD = {
  name: "string",
  args: "string[]?",
  exec: "boolean?",
  loader: "string?",
  insecure: "boolean?",
} as const;

const STATUS = { status: "integer", errnum: "integer?", error: "string?", stack: "string?" } as const;

/** What the service needs besides the modules. */
interface ModuleServiceOptions {
  readonly trace: MessageTrace;
  readonly clock: Clock;
  readonly facts: BrokerFacts;
}

/** Loading, removing, listing and watching modules, and what they report of themselves. */
export function moduleService(
  modules: ModuleTable,
  { trace, clock, facts }: ModuleServiceOptions,
): ServiceDefinition {
  const traces = new OpenStreams();
  return {
    name: "module",
    methods: {
      load: async (call) => {
        call.respond({ ...(await modules.load(checkModuleOptions(call.fields(LOAD)))) });
      },
      plan: (call) => {
        const { nodes, offsets, targets } = call.fields(PLAN);
        const order = { nodes, offsets: numbersIn(offsets), targets: numbersIn(targets) };
        call.respond({ plan: modules.record(order) });
      },
      order: (call) => call.respond(orderAsJson(modules)),
      remove: async (call) => {
        const { name, cancel, force } = call.fields({
          name: "string",
          cancel: "boolean?",
          force: "boolean?",
        });
        await modules.remove(name, cancel !== true ? "ask" : force === true ? "force" : "cancel");
        call.respond();
      },
      reload: async (call) => {
        const { name, ...request } = call.fields(RELOAD);
        call.respond({ ...(await modules.reload(name, request)) });
      },
      debug: (call) => {
        const { name, defer } = call.fields({ name: "string", defer: "boolean" });
        modules.defer(name, defer);
        call.respond();
      },
      trace: (call) => traces.add(call, traceMessages(call, trace, clock)),
      cancel: (call) => traces.cancel(call),
      disconnect: (call) => traces.disconnect(call),
      usage: async (call) => call.respond(await moduleUsage(modules, facts, clock)),
      list: (call) => call.respond({ modules: modules.list().map(({ listed }) => listed) }),
      status: (call) => {
        modules.peers.report(call.peer, call.fields(STATUS));
        call.respond();
      },
    },
  };
}

function numbersIn(values: readonly JsonValue[]): Uint32Array {
  const isSound = (value: JsonValue): value is number =>
    typeof value === "number" && Number.isInteger(value) && value >= 0 && value < 2 ** 32;
  if (!values.every(isSound)) throw requestError("EPROTO", "the order of a plan has whole numbers only");
  return Uint32Array.from(values);
}

/** What to take down in which order, and how long each may take. */
function orderAsJson(modules: ModuleTable): JsonValue {
  const { nodes, offsets, targets } = modules.takeDownOrder();
  const timeoutsMs = nodes.map((name) => modules.removalTimeoutMs(name) ?? null);
  return { nodes, offsets: [...offsets], targets: [...targets], timeoutsMs };
}
