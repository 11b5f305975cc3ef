import { resolve } from "node:path";
import {
  type Diagnostic,
  type ErrorCode,
  fail,
  type Location,
  messageOf,
  type Result,
  SluiceError,
  succeed,
} from "../errors/index.js";
import type { Handle, JsonValue } from "../messages/index.js";
import { type Catalog, type ConfigTable, configToJson, type Unit } from "../units/index.js";
import type { OutputLine, RcFileReport, RcHost, RcHostListener } from "./host-port.js";
import { ConnectedHost, type HostTalk, type HostTransport, RcReadError } from "./connected-host.js";
import { HostProcess } from "./host-process.js";
import { HOST_PROGRAMS, type HostProgram, hostProgramFor } from "./host-program.js";
import { InlineHost } from "./inline-host.js";
import type { HostState, ModuleOptionEdit, ReadFailure, StandInUse } from "./host-protocol.js";
import { InstanceState } from "./instance-state.js";
import { ModuleArguments } from "./module-arguments.js";

/** The data of the plan that rc files can read. */
export interface RcFacts {
  readonly rank: number;
  readonly config: ConfigTable;
  readonly attrs: Readonly<Record<string, string>>;
  /** The broker's environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The shared data of all code of one run, in any host. */
export interface RcSessionOptions {
  readonly facts: RcFacts;
  /** The handle of the instance. Without one, facts do not change. `setenv` then affects only this run. */
  readonly handle?: Handle | undefined;
  /** Environment of hosts and commands at the start, copied. Default: that of this process. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Gets every output line of tasks. */
  readonly onOutput: (line: OutputLine) => void;
  /** Gets the text of `print()`, for standard error in verbose mode. */
  readonly onPrint: (text: string) => void;
  /** A private directory, mode 0700, for transpiled files; without one, the disk has no cache. */
  readonly cacheDir?: string | undefined;
  /** Default: all hosts of Sluice. */
  readonly programs?: readonly HostProgram[] | undefined;
  /** Whether files are read for a plan, so that stand-ins replace missing imports. Default: no. */
  readonly standIns?: boolean | undefined;
  /** Whether a file came with Sluice and is unchanged. Such a file runs in this process. Default: no file is. */
  readonly isShipped?: ((file: string) => boolean) | undefined;
}

/** Where the code of a file runs: in a process of its language, or in this one. */
type HostKind = HostProgram | "inline";

/** The host of one language, and the files that it has read: its replacement has to read the same. */
interface HostSlot {
  readonly kind: HostKind;
  readonly files: string[];
  host: RcHost;
  /** Resolves when the host has read all files of the host before it. */
  ready: Promise<void>;
}

/**
 * The rc files with code in them of one run: reads them, runs their tasks, and keeps their shared state. A host
 * starts with the first file in its language. If the runner has killed one for a task without end, a new one
 * starts with the next task.
 */
export class RcSession {
  readonly arguments = new ModuleArguments();
  readonly #options: RcSessionOptions;
  readonly #programs: readonly HostProgram[];
  readonly #env: NodeJS.ProcessEnv;
  readonly #data = new Map<string, JsonValue>();
  readonly #slots = new Map<HostKind, HostSlot>();
  readonly #slotOfTask = new Map<string, HostSlot>();
  readonly #retired: RcHost[] = [];
  readonly #facts: InstanceState;

  constructor(options: RcSessionOptions) {
    this.#options = options;
    this.#programs = options.programs ?? HOST_PROGRAMS;
    this.#env = { ...(options.env ?? process.env) };
    const { rank, config, attrs, env } = options.facts;
    this.#facts = new InstanceState(
      { rank, config: configToJson(config), attrs, brokerEnv: present(env) },
      options.handle,
    );
  }

  /** The environment of commands: the environment of this process with the changes by `setenv`. */
  get env(): Readonly<NodeJS.ProcessEnv> {
    return this.#env;
  }

  /** Whether there is a host for such a file. */
  reads(file: string): boolean {
    return hostProgramFor(file, this.#programs) !== undefined;
  }

  /** Whether a file that was read declared this task. */
  hasTask(name: string): boolean {
    return this.#slotOfTask.has(name);
  }

  /**
   * Sets the unit for each name of a module, for `setopt` and `getopts`. First come the values of unit files. Later
   * come those with the changes of rc files, including their `setopt`s.
   */
  useCatalog(catalog: Catalog, picks?: ReadonlyMap<string, Unit>): void {
    this.arguments.use(catalog, picks);
    this.#tellAll(() => this.arguments.snapshot());
  }

  /**
   * Starts the hosts of files that are about to be read, so that they already run then. Without this call, the first
   * file waits.
   */
  startHosts(files: readonly string[]): void {
    for (const file of files) {
      const kind = this.#kindFor(resolve(file));
      if (kind !== undefined && !this.#slots.has(kind)) this.#open(kind);
    }
  }

  /**
   * Reads one file, then runs its `setup()`. Called for one file at a time.
   * @returns its tasks and the changes of its setup; `RC_INVALID` if it cannot be read, `RC_FAILED` if its setup
   *   fails
   */
  async read(path: string): Promise<Result<RcFileReport>> {
    // The host may be in another directory by then.
    const file = resolve(path);
    const kind = this.#kindFor(file);
    if (kind === undefined) {
      const message = `${file}: no host reads this kind of rc file`;
      const suffixes = [...this.#programs.flatMap((known) => known.suffixes), ".toml", ".yaml", ".yml"];
      return fail([
        { ...diagnostic("RC_INVALID", message), hint: `the names of rc files end in ${suffixes.join(", ")}` },
      ]);
    }
    const slot = this.#slots.get(kind) ?? this.#open(kind);
    try {
      const host = await this.#hostOf(slot);
      const report = await host.read(file, { setup: true, standIns: this.#options.standIns === true });
      slot.files.push(file);
      for (const { name } of report.tasks) this.#slotOfTask.set(name, slot);
      for (const effect of report.effects) if (effect.kind === "setopt") this.#setopt(effect, host);
      return succeed(report, report.uses.map(useDiagnostic));
    } catch (error) {
      return fail([diagnosticOf(file, error)]);
    }
  }

  /**
   * Runs a task with code.
   * @throws SluiceError `RC_FAILED` with the error of the task; after an abort the reason of the signal
   */
  async runTask(name: string, signal: AbortSignal): Promise<void> {
    const slot = this.#slotOfTask.get(name);
    if (slot === undefined)
      throw new SluiceError("RC_FAILED", "no rc file has code for this task", { unit: name });
    const host = await this.#hostOf(slot);
    await this.#refresh(host);
    await host.run(name, signal);
  }

  /** Ends all hosts. Resolves when they have ended and their output has been passed on. */
  async close(): Promise<void> {
    const hosts = [...[...this.#slots.values()].map(({ host }) => host), ...this.#retired];
    this.#slots.clear();
    this.#slotOfTask.clear();
    await Promise.all(hosts.map((host) => host.close()));
  }

  #kindFor(file: string): HostKind | undefined {
    const program = hostProgramFor(file, this.#programs);
    return program !== undefined && this.#options.isShipped?.(file) === true ? "inline" : program;
  }

  #open(kind: HostKind): HostSlot {
    const host = this.#start(kind);
    const slot: HostSlot = { kind, files: [], host, ready: Promise.resolve() };
    this.#slots.set(kind, slot);
    return slot;
  }

  async #hostOf(slot: HostSlot): Promise<RcHost> {
    if (slot.host.doomed) {
      this.#retired.push(slot.host);
      slot.host = this.#start(slot.kind);
      slot.ready = readAgain(slot.host, slot.files);
    }
    const { host, ready } = slot;
    await ready;
    return host;
  }

  #start(kind: HostKind): RcHost {
    const { cacheDir } = this.#options;
    const state: HostState = {
      ...this.#facts.current,
      data: Object.fromEntries(this.#data),
      ...this.arguments.snapshot(),
    };
    const listener: RcHostListener = {
      output: (line) => this.#options.onOutput(line),
      print: (text) => this.#options.onPrint(text),
      set: (key, value) => {
        this.#data.set(key, value);
        this.#tellAll(() => ({ data: { [key]: value } }), host);
      },
      setopt: (edit) => this.#setopt(edit, host),
      setenv: (env) => this.#setenv(env, host),
      refresh: () => this.#refresh(host),
    };
    const host = new ConnectedHost(
      { open: (talk) => this.#transport(kind, talk), state, cacheDir },
      listener,
    );
    return host;
  }

  #transport(kind: HostKind, talk: HostTalk): HostTransport {
    if (kind !== "inline") return new HostProcess(kind, this.#env, talk);
    const { handle } = this.#options;
    const connect = (): Promise<Handle> =>
      handle === undefined
        ? Promise.reject(new SluiceError("BROKER_UNREACHABLE", "no instance runs"))
        : Promise.resolve(handle);
    return new InlineHost({ env: { ...this.#env }, connect }, talk);
  }

  #setopt(edit: ModuleOptionEdit, by: RcHost): void {
    this.arguments.edit(edit);
    this.#tellAll(() => this.arguments.snapshot(), by);
  }

  async #setenv(env: Readonly<Record<string, string | null>>, by: RcHost): Promise<void> {
    // The broker may refuse it.
    await this.#facts.setenv(env);
    for (const [name, value] of Object.entries(env)) {
      if (value === null) Reflect.deleteProperty(this.#env, name);
      else this.#env[name] = value;
    }
    this.#tellAll(() => ({ env }), by);
  }

  async #refresh(host: RcHost): Promise<void> {
    host.update(await this.#facts.refresh());
  }

  /** @param except the host that the change comes from, which already has it */
  #tellAll(state: () => HostState, except?: RcHost): void {
    const others = [...this.#slots.values()].map(({ host }) => host).filter((host) => host !== except);
    if (others.length === 0) return;
    const news = state();
    for (const host of others) host.update(news);
  }
}

/** The new host only gets the code, because the results of the `setup()` functions still apply. */
async function readAgain(host: RcHost, files: readonly string[]): Promise<void> {
  for (const file of files) await host.read(file, { setup: false, standIns: false });
}

/** A variable with the value undefined is not set. */
function present(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

function diagnosticOf(file: string, error: unknown): Diagnostic {
  if (error instanceof RcReadError) return readDiagnostic(file, error.failure);
  return diagnostic("RC_FAILED", `${file}: ${messageOf(error)}`);
}

function readDiagnostic(file: string, { phase, message, line, column, hint }: ReadFailure): Diagnostic {
  const code = phase === "read" ? "RC_INVALID" : "RC_FAILED";
  if (line === 0) return { ...diagnostic(code, `${file}: ${message}`), hint };
  const location = { file, line, column, endLine: line, endColumn: column + 1 };
  return { ...diagnostic(code, message, location), hint };
}

function useDiagnostic({ file, line, text }: StandInUse): Diagnostic {
  const hint =
    "plan on a machine that has the package, or let the file read an attribute or the configuration instead";
  const location = line === 0 ? undefined : { file, line, column: 1, endLine: line, endColumn: 2 };
  const message = location === undefined ? `${file}: ${text}` : text;
  return { code: "RC_STAND_IN", severity: "warning", message, location, related: [], hint };
}

function diagnostic(code: ErrorCode, message: string, location?: Location): Diagnostic {
  return { code, severity: "error", message, location, related: [] };
}
