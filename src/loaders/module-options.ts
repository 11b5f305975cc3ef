import { requestError } from "../errors/index.js";
import type { Fields } from "../messages/index.js";
import {
  checkProgramOptions,
  checkRestartRule,
  PROGRAM_OPTION_FIELDS,
  type ProgramOptions,
  type RestartRule,
} from "./program-options.js";

/**
 * The options of a module's run, which pass from `module.load` through the broker to the loader. The names
 * are those of the payload, and of the options in the table of unit keys.
 */
export interface ModuleOptions extends ProgramOptions {
  /** Run in a process of its own. */
  readonly exec?: boolean | undefined;
  /** Name of a loader, or path of a program that is a loader; undefined = inferred from the file. */
  readonly loader?: string | undefined;
  /** `own`, `shared`, or the name of a thread group. */
  readonly thread?: string | undefined;
  readonly memoryLimitBytes?: number | undefined;
  /** The policy after a failure of the running module (docs/design/modules.md §3). */
  readonly onFailure?: "panic" | "log" | "restart" | undefined;
  /**
   * Longest time that it may leave the broker's ping unanswered, before it has failed; 0 = no limit.
   * undefined = 30 s for a shipped module, else no limit.
   */
  readonly watchdogMs?: number | undefined;
  /** The backoff of its restarts. */
  readonly restart?: RestartRule | undefined;
  /** Services that its unit provides, besides that of its name. */
  readonly provides?: readonly string[] | undefined;
  /** Lists hide its arguments and the values of its environment. */
  readonly secret?: boolean | undefined;
  /** Services after whose restart it is restarted. */
  readonly follows?: readonly string[] | undefined;
}

/** The fields of a payload that are options; with their kinds. */
export const MODULE_OPTION_FIELDS = {
  exec: "boolean?",
  loader: "string?",
  thread: "string?",
  memoryLimitBytes: "integer?",
  onFailure: "string?",
  watchdogMs: "number?",
  restart: "object?",
  provides: "string[]?",
  follows: "string[]?",
  secret: "boolean?",
  ...PROGRAM_OPTION_FIELDS,
} as const satisfies Readonly<Record<keyof ModuleOptions, string>>;

/**
 * Checks options whose fields are of their kinds, together with the other fields of the payload.
 * @throws SluiceError `BROKER_REQUEST` with `EINVAL` if a value is invalid
 */
export function checkModuleOptions<Read extends Fields<typeof MODULE_OPTION_FIELDS>>(
  read: Read,
): Omit<Read, keyof ModuleOptions> & ModuleOptions {
  if ((read.memoryLimitBytes ?? 1) < 1)
    throw requestError("EINVAL", "the memory limit must be at least 1 byte");
  if ((read.watchdogMs ?? 0) < 0) throw requestError("EINVAL", "the watchdog must be at least 0 ms");
  return {
    ...read,
    onFailure: failurePolicy(read.onFailure),
    restart: checkRestartRule(read.restart),
    ...checkProgramOptions(read),
  };
}

function failurePolicy(text: string | undefined): ModuleOptions["onFailure"] {
  switch (text) {
    case undefined:
    case "panic":
    case "log":
    case "restart":
      return text;
    default:
      throw requestError("EINVAL", `no such failure policy '${text}'; valid policies: panic, log, restart`);
  }
}
