import { fields } from "../../messages/index.js";
import type { ApplyHost } from "../apply/apply-run.js";
import { ApplySessions } from "../apply/apply-sessions.js";
import { applySteps } from "../apply/apply-steps.js";
import { brokerModules } from "../apply/broker-modules.js";
import { fileOf, recordedModules } from "../apply/module-record.js";
import type { ServiceDefinition } from "../builtin-service.js";
import type { ModuleEntry } from "../modules/module-entry.js";
import type { ModuleTable } from "../modules/module-table.js";
import { readLoad } from "../modules/load-fields.js";
import type { OpenStreams } from "../open-streams.js";

/** The dependencies of these methods. */
export interface ApplyMethodsOptions extends Omit<ApplyHost, "modules"> {
  readonly modules: ModuleTable;
  /** Services that a module has registered. */
  readonly servicesOf: (entry: ModuleEntry) => readonly string[];
  readonly streams: OpenStreams;
}

/** The methods of the service `module` that bring a live instance to the state in the files (docs/design/programs.md §3). */
export function applyMethods({
  modules,
  servicesOf,
  streams,
  ...host
}: ApplyMethodsOptions): ServiceDefinition["methods"] {
  const sessions = new ApplySessions({ ...host, modules: brokerModules(modules) }, (call) =>
    streams.delete(call),
  );
  return {
    record: async (call) => {
      const { requests } = call.fields({ requests: "array?" });
      const files = await Promise.all(
        (requests ?? []).map((request) => fileOf(readLoad(request), (wanted) => modules.find(wanted))),
      );
      call.respond({ modules: await recordedModules(modules.known, servicesOf), files });
    },
    apply: (call) => {
      const { by } = call.fields({ by: "string" });
      streams.add(call, sessions.open(call, by));
    },
    "apply-prepare": (call) => {
      const { steps } = call.fields({ steps: "object" });
      return sessions.prepare(call, applySteps(steps));
    },
    "apply-start": (call) => sessions.start(call),
    "apply-interrupt": (call) => sessions.interrupt(call),
    "apply-settle": (call) => {
      const { keep } = fields(call.payload, { keep: "boolean" });
      return sessions.settle(call, keep);
    },
  };
}
