import type { LibraryFailure, LibraryReport } from "../../libraries/index.js";
import { fields, type JsonValue } from "../../messages/index.js";
import type { ServiceDefinition } from "../builtin-service.js";
import type { Clock } from "../clock.js";
import { readLoad, readOrder } from "../modules/load-fields.js";
import type { MessageTrace } from "../routing/message-trace.js";
import type { PlannedModule } from "../modules/module-libraries.js";
import type { KnownModules } from "../modules/known-modules.js";
import type { UnitMessages } from "../routing/unit-messages.js";
import type { ModuleTable } from "../modules/module-table.js";
import { OpenStreams } from "../open-streams.js";
import { applyMethods, type ApplyMethodsOptions } from "./apply-methods.js";
import { traceMessages } from "./module-trace.js";
import { type BrokerFacts, moduleUsage } from "./module-usage.js";
import { watchModules } from "./module-watch.js";

const PLANNED = {
  name: "string",
  path: "string",
  exec: "boolean?",
  loader: "string?",
  thread: "string?",
  optional: "boolean?",
  insecure: "boolean?",
} as const;

const REMOVE = { name: "string", cancel: "boolean?", force: "boolean?", ifUnused: "boolean?" } as const;

const RELOAD = {
  name: "string",
  args: "string[]?",
  exec: "boolean?",
  loader: "string?",
  insecure: "boolean?",
} as const;

const LIST = { all: "boolean?", compare: "boolean?" } as const;

const STATUS = {
  status: "integer",
  errnum: "integer?",
  error: "string?",
  stack: "string?",
  methods: "string[]?",
} as const;

/** The dependencies of the service besides the modules. */
interface ModuleServiceOptions {
  readonly trace: MessageTrace;
  readonly clock: Clock;
  readonly facts: BrokerFacts;
  /** The messages between the modules; `isComplete`: they cover the time since the start of the broker. */
  readonly messages: () => { readonly isComplete: boolean; readonly between: readonly UnitMessages[] };
  readonly apply: Omit<ApplyMethodsOptions, "streams">;
}

/** Loading, removing, listing and watching modules, and their status reports. */
export function moduleService(
  modules: ModuleTable,
  { trace, clock, facts, apply, messages }: ModuleServiceOptions,
): ServiceDefinition {
  const streams = new OpenStreams();
  return {
    name: "module",
    methods: {
      load: async (call) => {
        call.respond({ ...(await modules.load(readLoad(call.payload))) });
      },
      plan: (call) => {
        call.respond({ plan: modules.known.record(readOrder(call.payload)) });
      },
      verify: async (call) => {
        const { modules: planned } = call.fields({ modules: "array" });
        call.respond(verifiedAsJson(await modules.verify(planned.map(plannedModule))));
      },
      order: (call) => call.respond(orderAsJson(modules.known)),
      remove: async (call) => {
        const { name, cancel, force, ifUnused } = call.fields(REMOVE);
        if (ifUnused === true) modules.checkUnused(name);
        await modules.remove(name, cancel !== true ? "ask" : force === true ? "force" : "cancel");
        call.respond();
      },
      reload: async (call) => {
        const { name, ...request } = call.fields(RELOAD);
        call.respond({ ...(await modules.reload(name, request)) });
      },
      restart: async (call) => {
        const { name } = call.fields({ name: "string" });
        call.respond({ ...(await modules.reload(name, { isSame: true })) });
      },
      debug: (call) => {
        const { name, defer } = call.fields({ name: "string", defer: "boolean" });
        modules.defer(name, defer);
        call.respond();
      },
      trace: (call) => streams.add(call, traceMessages(call, trace, clock)),
      watch: (call) => streams.add(call, watchModules(call, modules.known, { facts, clock })),
      cancel: (call) => streams.cancel(call),
      disconnect: (call) => streams.disconnect(call),
      ...applyMethods({ ...apply, streams }),
      messages: (call) => call.respond(messagesAsJson(messages())),
      usage: async (call) => call.respond(await moduleUsage(modules.known, facts, clock)),
      list: async (call) => {
        const { all, compare } = call.fields(LIST);
        const builtins = all === true ? modules.known.builtins() : [];
        call.respond({ modules: [...builtins, ...(await modules.known.details(compare === true))] });
      },
      status: (call) => {
        modules.peers.report(call.peer, call.fields(STATUS));
        call.respond();
      },
    },
  };
}

function messagesAsJson({ isComplete, between }: ReturnType<ModuleServiceOptions["messages"]>): JsonValue {
  return {
    isComplete,
    between: between.map(({ from, to, answered }) => ({
      ...{ from, to },
      answered: answered.map((one) => ({ ...one })),
    })),
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

/** The modules to remove in their order, and the time limit of each. */
function orderAsJson(known: KnownModules): JsonValue {
  const { nodes, offsets, targets } = known.takeDownOrder();
  const timeoutsMs = nodes.map((name) => known.entry(name)?.removalTimeoutMs ?? null);
  return { nodes, offsets: [...offsets], targets: [...targets], timeoutsMs };
}
