import { requestError } from "../../errors/index.js";
import { checkModuleOptions, MODULE_OPTION_FIELDS } from "../../loaders/index.js";
import type { LibraryFailure, LibraryReport } from "../../libraries/index.js";
import { fields, type JsonValue } from "../../messages/index.js";
import type { ServiceDefinition } from "../builtin-service.js";
import type { Clock } from "../clock.js";
import type { MessageTrace } from "../routing/message-trace.js";
import type { PlannedModule } from "../modules/module-libraries.js";
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
  digest: "string?",
  timeoutMs: "number?",
} as const;

const PLAN = { nodes: "string[]", offsets: "array", targets: "array" } as const;

const PLANNED = {
  name: "string",
  path: "string",
  exec: "boolean?",
  loader: "string?",
  thread: "string?",
  optional: "boolean?",
  insecure: "boolean?",
} as const;

const RELOAD = {
  name: "string",
  args: "string[]?",
  exec: "boolean?",
  loader: "string?",
  insecure: "boolean?",
} as const;

const STATUS = {
  status: "integer",
  errnum: "integer?",
  error: "string?",
  stack: "string?",
  methods: "string[]?",
} as const;

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
      verify: async (call) => {
        const { modules: planned } = call.fields({ modules: "array" });
        call.respond(verifiedAsJson(await modules.verify(planned.map(plannedModule))));
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

function plannedModule(value: JsonValue): PlannedModule {
  const { name: unit, ...how } = fields(value, PLANNED);
  return { unit, ...how };
}

function verifiedAsJson({ failures, leftOut, picks, libraries }: LibraryReport): JsonValue {
  const asJson = ({ library, module, units, message }: LibraryFailure): JsonValue => {
    return { library, module: module ?? null, units, message };
  };
  const digests = picks.flatMap(({ unit, path }) => {
    const library = libraries.get(path);
    return library?.kind === "opened" ? [[unit, library.digest] as const] : [];
  });
  return {
    ...{ failures: failures.map(asJson), leftOut: leftOut.map(asJson) },
    digests: Object.fromEntries(digests),
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
