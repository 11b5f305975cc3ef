import { requestError } from "../errors/index.js";
import { fields, type Fields, type JsonValue } from "../messages/index.js";

const PROBE_FIELDS = {
  started: "boolean?",
  notify: "boolean?",
  fd: "integer?",
  log: "string?",
  tcp: "string?",
  unix: "string?",
  http: "string?",
  status: "string?",
  body: "string?",
  command: "json?",
  output: "string?",
  file: "string?",
  afterMs: "number?",
  intervalMs: "number?",
  timeoutMs: "number?",
  deadlineMs: "number?",
  failures: "integer?",
} as const;

/** A shell line, or an argv. */
export type CommandLine = string | readonly string[];

/** The probe for a ready or running program: exactly one of the kinds, with its interval and times. */
export type Probe = Partial<Omit<Fields<typeof PROBE_FIELDS>, "command">> & {
  readonly command?: CommandLine | undefined;
};

const STOP_FIELDS = { signal: "string?", timeoutMs: "number?", command: "json?", to: "string?" } as const;

/** The rules for the stop of a program. */
export interface StopRule {
  readonly signal?: string | undefined;
  readonly timeoutMs?: number | undefined;
  readonly command?: CommandLine | undefined;
  readonly to?: "main" | "group" | undefined;
}

/** The options of a module that is an ordinary program (docs/design/programs.md §1). */
export interface ProgramOptions {
  readonly command?: CommandLine | undefined;
  /** Absolute. Default: that of the broker. */
  readonly directory?: string | undefined;
  readonly environment?: Readonly<Record<string, string>> | undefined;
  readonly unset?: readonly string[] | undefined;
  /** Relative paths count from the directory. A file with `-` in front may be absent. */
  readonly environmentFile?: readonly string[] | undefined;
  readonly user?: string | undefined;
  readonly group?: string | undefined;
  /** Name of a resource → `SOFT:HARD`, of numbers and `infinity`. */
  readonly limits?: Readonly<Record<string, string>> | undefined;
  /** `log`, `inherit`, `discard`, or a path. */
  readonly output?: string | undefined;
  readonly ready?: Probe | undefined;
  readonly alive?: Probe | undefined;
  readonly stop?: StopRule | undefined;
  /** The policy after an unrequested exit with status 0 of a ready program. */
  readonly onExit?: "log" | "restart" | "shutdown" | undefined;
  /** Signals, and statuses other than 0, that count as a clean end. */
  readonly success?: readonly (string | number)[] | undefined;
}

const RESTART_FIELDS = {
  delayMs: "number?",
  longestMs: "number?",
  tries: "integer?",
  withinMs: "number?",
  then: "string?",
} as const;

/** The backoff of a module's restarts. An undefined field has its default (docs/design/programs.md §1). */
export interface RestartRule {
  readonly delayMs?: number | undefined;
  readonly longestMs?: number | undefined;
  readonly tries?: number | undefined;
  readonly withinMs?: number | undefined;
  readonly then?: "panic" | "log" | undefined;
}

/** The fields of a payload that are these options, with their kinds. */
export const PROGRAM_OPTION_FIELDS = {
  command: "json?",
  directory: "string?",
  environment: "object?",
  unset: "string[]?",
  environmentFile: "string[]?",
  user: "string?",
  group: "string?",
  limits: "object?",
  output: "string?",
  ready: "object?",
  alive: "object?",
  stop: "object?",
  onExit: "string?",
  success: "array?",
} as const satisfies Readonly<Record<keyof ProgramOptions, string>>;

/**
 * Checks options whose fields are of their kinds.
 * @throws SluiceError `BROKER_REQUEST` with `EPROTO` or `EINVAL` for an invalid option
 */
export function checkProgramOptions(read: Fields<typeof PROGRAM_OPTION_FIELDS>): ProgramOptions {
  return {
    ...read,
    command: commandLine("command", read.command),
    environment: textTable("environment", read.environment),
    limits: limitsOf(read.limits),
    ready: probe("ready", read.ready),
    alive: aliveProbe(read.alive),
    onExit: exitPolicy(read.onExit),
    success: ends(read.success),
    stop: stopRule(read.stop),
  };
}

function commandLine(name: string, value: JsonValue | undefined): CommandLine | undefined {
  if (value === undefined || value === null || typeof value === "string") return value ?? undefined;
  if (Array.isArray(value) && value.length > 0) {
    const words: readonly JsonValue[] = value;
    if (words.every((word) => typeof word === "string")) return words;
  }
  throw requestError("EPROTO", `'${name}' must be a string, or an array of strings`);
}

function textTable(
  name: string,
  value: Readonly<Record<string, JsonValue>> | undefined,
): Readonly<Record<string, string>> | undefined {
  for (const [key, text] of Object.entries(value ?? {})) {
    if (typeof text !== "string") throw requestError("EPROTO", `'${name}.${key}' must be a string`);
  }
  return value as Readonly<Record<string, string>> | undefined;
}

/** The kinds of probes, in the order of docs/design/programs.md §1. */
const PROBE_KINDS = [
  "started",
  "notify",
  "fd",
  "log",
  "tcp",
  "unix",
  "http",
  "command",
  "file",
  "afterMs",
] as const;

function probe(name: string, value: Readonly<Record<string, JsonValue>> | undefined): Probe | undefined {
  if (value === undefined) return undefined;
  const read = fields(value, PROBE_FIELDS);
  const kinds = PROBE_KINDS.filter((kind) => read[kind] !== undefined);
  if (kinds.length !== 1) throw requestError("EINVAL", `'${name}' must have one kind of probe`);
  return { ...read, command: commandLine(`${name}.command`, read.command) };
}

/** A probe that succeeds only once cannot be repeated. */
function aliveProbe(value: Readonly<Record<string, JsonValue>> | undefined): Probe | undefined {
  const read = probe("alive", value);
  const kind = ONCE.find((each) => read?.[each] !== undefined);
  if (kind !== undefined)
    throw requestError(
      "EINVAL",
      `'alive' cannot use the probe '${kind.replace("Ms", "")}', which succeeds only once`,
    );
  return read;
}

const ONCE = ["started", "fd", "log", "afterMs"] as const;

function limitsOf(
  value: Readonly<Record<string, JsonValue>> | undefined,
): Readonly<Record<string, string>> | undefined {
  for (const [name, limit] of Object.entries(value ?? {})) {
    if (!RESOURCES.includes(name))
      throw requestError("EINVAL", `unknown key '${name}' in 'limits'; valid keys: ${RESOURCES.join(", ")}`);
    if (typeof limit !== "string" || !/^(?:\d+|infinity):(?:\d+|infinity)$/.test(limit)) {
      throw requestError("EINVAL", `'limits.${name}' must be SOFT:HARD`);
    }
  }
  return value as Readonly<Record<string, string>> | undefined;
}

const RESOURCES = ["nofile", "nproc", "core", "memlock", "stack", "as"];

function exitPolicy(text: string | undefined): ProgramOptions["onExit"] {
  switch (text) {
    case undefined:
    case "log":
    case "restart":
    case "shutdown":
      return text;
    default:
      throw requestError("EINVAL", `invalid 'onExit' '${text}'; valid values: log, restart, shutdown`);
  }
}

function ends(value: readonly JsonValue[] | undefined): readonly (string | number)[] | undefined {
  return value?.map((end) => {
    if (typeof end === "string" || typeof end === "number") return end;
    throw requestError("EPROTO", "'success' must be an array of names of signals and statuses");
  });
}

/**
 * Checks the table of a module's restarts.
 * @throws SluiceError `BROKER_REQUEST` with `EPROTO` or `EINVAL` for an invalid key or value
 */
export function checkRestartRule(
  value: Readonly<Record<string, JsonValue>> | undefined,
): RestartRule | undefined {
  if (value === undefined) return undefined;
  const { then, ...read } = fields(value, RESTART_FIELDS);
  if (then !== undefined && then !== "panic" && then !== "log") {
    throw requestError("EINVAL", `'restart.then' must be panic or log, not '${then}'`);
  }
  return { ...read, then };
}

function stopRule(value: Readonly<Record<string, JsonValue>> | undefined): StopRule | undefined {
  if (value === undefined) return undefined;
  const { to, ...read } = fields(value, STOP_FIELDS);
  if (to !== undefined && to !== "main" && to !== "group") {
    throw requestError("EINVAL", `'stop.to' must be main or group, not '${to}'`);
  }
  return { ...read, to, command: commandLine("stop.command", read.command) };
}
