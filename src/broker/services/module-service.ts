import { requestError } from "../../errors/index.js";
import type { FailurePolicy } from "../../units/index.js";
import type { ServiceDefinition } from "../builtin-service.js";
import type { ModuleTable } from "../module-table.js";

const LOAD = {
  path: "string",
  name: "string?",
  args: "string[]?",
  exec: "boolean?",
  loader: "string?",
  thread: "string?",
  memoryLimitBytes: "integer?",
  onFailure: "string?",
  explicit: "boolean?",
  insecure: "boolean?",
} as const;

const STATUS = { status: "integer", errnum: "integer?", error: "string?", stack: "string?" } as const;

/** Loading, removing and listing modules, and what they report of themselves. */
export function moduleService(modules: ModuleTable): ServiceDefinition {
  return {
    name: "module",
    methods: {
      load: async (call) => {
        const fields = call.fields(LOAD);
        call.respond({ ...(await modules.load({ ...fields, onFailure: failurePolicy(fields.onFailure) })) });
      },
      remove: async (call) => {
        const { name, cancel } = call.fields({ name: "string", cancel: "boolean?" });
        await modules.remove(name, cancel === true);
        call.respond();
      },
      reload: async (call) => {
        const { name, args } = call.fields({ name: "string", args: "string[]?" });
        call.respond({ ...(await modules.reload(name, args)) });
      },
      debug: (call) => {
        const { name, defer } = call.fields({ name: "string", defer: "boolean" });
        modules.defer(name, defer);
        call.respond();
      },
      list: (call) => call.respond({ modules: modules.list() }),
      status: (call) => {
        modules.peers.report(call.peer, call.fields(STATUS));
        call.respond();
      },
    },
  };
}

function failurePolicy(text: string | undefined): FailurePolicy | undefined {
  switch (text) {
    case undefined:
    case "panic":
    case "log":
    case "restart":
      return text;
    default:
      throw requestError("EINVAL", `no such failure policy '${text}'; there are panic, log, restart`);
  }
}
