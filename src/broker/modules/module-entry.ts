import { commandText, SECRET } from "../../errors/index.js";
import type { FailurePolicy } from "../../units/index.js";
import type { ModuleOptions, StopRule } from "../../loaders/index.js";
import type { JsonValue } from "../../messages/index.js";
import type { Timer } from "../clock.js";
import type { HoldQueue } from "./hold-queue.js";
import type { FileContent, FoundModule } from "./module-finder.js";
import type { InstanceUsage, ModuleInstance } from "./module-instance.js";
import type { VerifiedMember } from "./module-libraries.js";
import { RestartPolicy } from "./restart-policy.js";
import { isShipped } from "../shipped-modules.js";
import type { Router } from "../routing/router.js";

/** The request `module.load`. */
export interface LoadRequest extends ModuleOptions {
  readonly path: string;
  readonly name?: string | undefined;
  readonly args?: readonly string[] | undefined;
  readonly explicit?: boolean | undefined;
  /** Load it even if others may write to its file. */
  readonly insecure?: boolean | undefined;
  /** The number of the plan that loads it, from `module.plan`; undefined: no plan loads it. */
  readonly plan?: number | undefined;
  /** The digest of its library at the verification of the plan; undefined: the load verifies the library. */
  readonly digest?: string | undefined;
  /** Units and services that its unit requires, and so uses. */
  readonly requires?: readonly string[] | undefined;
  /** The most time that its removal may take before it is cancelled; undefined: no limit. */
  readonly timeoutMs?: number | undefined;
  /** The arguments of its unit, if code has changed the arguments of the load. */
  readonly unitArgs?: readonly string[] | undefined;
  /** Whether a start requested it, rather than a user. */
  readonly ofStart?: boolean | undefined;
  /** The environment that it is to be started with; undefined: the current environment, with the variables of its files. */
  readonly kept?: KeptEnvironment | undefined;
}

/** The environment with which a run of a module was started. */
export interface KeptEnvironment {
  /** The environment of the broker at that time. */
  readonly env: Readonly<Record<string, string>>;
  /** The variables of a program's environment files; undefined if it has not read them. */
  readonly fileVariables: Readonly<Record<string, string>> | undefined;
}

/** The time in which a changed module has to prove that it runs (docs/design/programs.md §3). */
export interface Trial {
  /** Modules that are not restarted because of another: the apply restarts them itself. */
  readonly cause: Set<string>;
  /** Called when the module fails after it was running. The module's own policy does not count. */
  failed(name: string, message: string): void;
}

/** The request `module.reload` or `module.restart`. An undefined field keeps its value. */
export interface ReloadRequest {
  /** Whether it keeps the file that was found for its latest run, and the environment of that run. */
  readonly isSame?: boolean | undefined;
  readonly args?: readonly string[] | undefined;
  readonly exec?: boolean | undefined;
  readonly loader?: string | undefined;
  readonly insecure?: boolean | undefined;
}

/** How a module is to end: by a request, by a cancellation, or by a cancellation that also ends its thread group. */
export type Removal = "ask" | "cancel" | "force";

/** A module in the form of `module.list`, and the usage of its run. */
export interface ModuleUsage {
  readonly listed: Readonly<Record<string, JsonValue>>;
  /** Undefined until the loader has started the module. */
  readonly usage: InstanceUsage | undefined;
  /** The current operation of the broker on it. */
  readonly phase: EntryState["kind"];
  /** How often it was restarted after a failure. */
  readonly restarts: number;
  /** The fields `health` and `probe`. */
  readonly health: Readonly<Record<string, JsonValue>>;
}

/** The loaded module, for the requester. */
export interface Loaded {
  readonly name: string;
  readonly uuid: string;
}

/**
 * The current operation of the broker on a module. The states of one run of it are those of {@link ModuleInstance}.
 *
 *                    remove
 *     starting ──► up ──────► removing ──────────────────────────► (gone)
 *       ▲   │      │ │                                               ▲
 *       │   │      │ └ reload ─► reloading ─► up, or failed ─────────┤
 *       │   └──────┼──────────── failed load ────────────────────────┤
 *       │          │ failed, on-failure = restart                    │
 *       └─────── backoff ─────── remove, gave up ────────────────────┘
 */
export type EntryState =
  | { readonly kind: "starting" }
  | { readonly kind: "up"; readonly instance: ModuleInstance }
  | { readonly kind: "removing"; readonly done: Promise<void> }
  | {
      readonly kind: "reloading";
      readonly hold: HoldQueue;
      /** It does not run: its new run has failed, and the apply that changed it decides what follows. */
      readonly isStalled?: boolean | undefined;
    }
  | {
      readonly kind: "backoff";
      readonly timer: Timer;
      /** Called if it is removed or started in another way, when a load waits for the next try. */
      readonly giveUp?: (() => void) | undefined;
    };

/** The watchdog of shipped modules (docs/design/planning.md §1). */
const SHIPPED_WATCHDOG_MS = 30_000;

/** Time-out of `stop` where a unit sets none (docs/design/programs.md §1). */
const STOP_MS = 10_000;

/**
 * After its time-out the broker kills a program. If a process of it still runs after this time, its removal fails.
 */
const KILL_MS = 6000;

/** A module of the table: its name is taken as long as it exists. */
export class ModuleEntry {
  readonly name: string;
  request: LoadRequest;
  policy: FailurePolicy;
  restarts: RestartPolicy;
  /** When it was loaded, as one of a plan or by itself. A module with a later turn goes down earlier. */
  turn: number;
  args: readonly string[];
  /** Searched once: a reload takes the same file, unless another loader is to take it. */
  file: FoundModule | undefined;
  /** The library of the module, as verified for its latest run. */
  library: VerifiedMember | undefined;
  /** Called at each change of its state. */
  onChange: () => void = () => undefined;
  /** The latest run; undefined until its loader has started it. */
  instance: ModuleInstance | undefined;
  /** Settles when the start or reload under way has been decided. It never rejects. */
  busy: Promise<void> = Promise.resolve();
  /** The environment that its latest run was started with. */
  started: KeptEnvironment | undefined;
  /** The file of its latest run; undefined for a program, and for an unreadable file. */
  content: Promise<FileContent | undefined> = Promise.resolve(undefined);
  /** Set while it has to show that it runs. */
  trial: Trial | undefined;
  /** It was cancelled before its loader had finished. */
  isAbandoned = false;
  #state: EntryState = { kind: "starting" };

  constructor(name: string, request: LoadRequest, file: FoundModule | undefined, turn: number) {
    this.name = name;
    this.file = file;
    this.turn = turn;
    this.request = request;
    this.policy = request.onFailure ?? "panic";
    this.restarts = new RestartPolicy(request.restart);
    this.args = request.args ?? [];
  }

  get state(): EntryState {
    return this.#state;
  }

  set state(state: EntryState) {
    this.#state = state;
    this.onChange();
  }

  /** Its load request, with the changes of a reload. */
  requestAfter({ exec, loader, insecure, isSame }: ReloadRequest): LoadRequest {
    const isOtherLoader = exec !== undefined || loader !== undefined;
    const how = isOtherLoader ? { exec, loader } : {};
    const kept = isSame === true ? this.started : undefined;
    return { ...this.request, ...how, insecure: insecure ?? this.request.insecure, kept };
  }

  /** Records the current operation, so that others can wait for it. */
  occupy(work: Promise<Loaded>): Promise<Loaded> {
    this.busy = Promise.allSettled([work]).then(() => undefined);
    return work;
  }

  /** Takes another request, for the present run and for the next one. */
  amend(request: LoadRequest): void {
    const isSameRule = JSON.stringify(request.restart) === JSON.stringify(this.request.restart);
    if (!isSameRule) this.restarts = new RestartPolicy(request.restart);
    this.request = request;
    this.policy = request.onFailure ?? "panic";
    this.args = request.args ?? [];
  }

  /** Takes another request for the next run. The next load looks for the file again. */
  become(request: LoadRequest): void {
    this.amend(request);
    this.file = undefined;
    this.restarts.reset();
  }

  /**
   * Applies a reload request to the next run. That run looks for the file again, unless the request keeps the file.
   */
  change(request: ReloadRequest): void {
    this.args = request.args ?? this.args;
    this.request = this.requestAfter(request);
    if (request.isSame !== true) this.file = undefined;
  }

  /** The digest of {@link content}. */
  get digest(): Promise<string | undefined> {
    return this.content.then((content) => content?.digest);
  }

  /** Whether it is an ordinary program, which the broker's own loader watches. */
  get isProgram(): boolean {
    return this.request.command !== undefined;
  }

  /** How long it may leave a ping unanswered; undefined: no limit. */
  get watchdogMs(): number | undefined {
    const isOurs = this.file !== undefined && isShipped(this.file.path);
    return (this.request.watchdogMs ?? (isOurs ? SHIPPED_WATCHDOG_MS : 0)) || undefined;
  }

  /** The most time that its removal may take; undefined: no limit. */
  get removalTimeoutMs(): number | undefined {
    return this.isProgram ? stopLimitMs(this.request.stop) : this.request.timeoutMs;
  }

  /**
   * Path of its file, with `#NAME` if the file is a library; undefined until it is found. For a program, its command.
   */
  get path(): string | undefined {
    const { command, secret } = this.request;
    if (command !== undefined) return commandText(command, secret);
    if (this.file === undefined) return undefined;
    const { path, member } = this.file;
    return member === undefined ? path : `${path}#${member}`;
  }

  /** Its arguments for output, without secrets. */
  get shownArgs(): readonly string[] {
    return this.request.secret === true && this.args.length > 0 ? [SECRET] : this.args;
  }

  /** Whether this is its name, or the path that it was loaded from. */
  isCalled(which: string): boolean {
    return which === this.name || which === this.path || which === this.request.path;
  }
}

/** A module in the form of `module.list`. */
export function describeEntry(entry: ModuleEntry, router: Router): Readonly<Record<string, JsonValue>> {
  const { name, instance, shownArgs: args, request, state } = entry;
  const owner = state.kind === "reloading" ? state.hold.peer : instance?.peer;
  const services = owner === undefined ? [] : router.services.namesOf(owner);
  return {
    name,
    uuid: instance?.uuid ?? "",
    path: entry.path ?? request.path,
    args,
    state: instance?.shownState ?? "I",
    idleSeconds: instance?.idleSeconds ?? 0,
    owedSeconds: instance?.owedSeconds ?? 0,
    sendq: (instance?.sendQueue ?? 0) + (state.kind === "reloading" ? state.hold.size : 0),
    recvq: instance?.receiveQueue ?? 0,
    services: services.filter((service) => service !== name),
    explicit: request.explicit === true,
  };
}

/**
 * The longest time that stopping a program takes by itself: its time-out, and the time that the system takes to kill
 * it.
 */
function stopLimitMs({ timeoutMs = STOP_MS }: StopRule = {}): number {
  return timeoutMs + KILL_MS;
}

/** It is removed, or started by another caller than its timer. */
export function leaveBackoff({ timer, giveUp }: EntryState & { readonly kind: "backoff" }): void {
  timer.cancel();
  giveUp?.();
}
