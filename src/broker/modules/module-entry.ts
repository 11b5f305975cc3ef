import type { FailurePolicy } from "../../units/index.js";
import type { ModuleOptions } from "../../loaders/index.js";
import type { JsonValue } from "../../messages/index.js";
import type { Timer } from "../clock.js";
import type { HoldQueue } from "./hold-queue.js";
import type { FoundModule } from "./module-finder.js";
import type { InstanceUsage, ModuleInstance } from "./module-instance.js";
import type { VerifiedMember } from "./module-libraries.js";
import { RestartPolicy } from "./restart-policy.js";
import { isShipped } from "../shipped-modules.js";
import type { Router } from "../routing/router.js";

/** What `module.load` asks for. */
export interface LoadRequest extends ModuleOptions {
  readonly path: string;
  readonly name?: string | undefined;
  readonly args?: readonly string[] | undefined;
  readonly explicit?: boolean | undefined;
  /** Load it even if others may write to its file. */
  readonly insecure?: boolean | undefined;
  /** The plan that loads it, as `module.plan` numbered it; undefined: it was asked for by itself. */
  readonly plan?: number | undefined;
  /** That its library had when the plan was verified; undefined: it is verified when it is loaded. */
  readonly digest?: string | undefined;
  /** How long its removal may take before it is cancelled; undefined: as long as it likes. */
  readonly timeoutMs?: number | undefined;
}

/** What `module.reload` asks for; what is undefined stays as it is. */
export interface ReloadRequest {
  readonly args?: readonly string[] | undefined;
  readonly exec?: boolean | undefined;
  readonly loader?: string | undefined;
  readonly insecure?: boolean | undefined;
}

/** How a module is to end: asked to, or cancelled at once, or cancelled although that ends its thread group. */
export type Removal = "ask" | "cancel" | "force";

/** A module as `module.list` has it, and what its run has done. */
export interface ModuleUsage {
  readonly listed: Readonly<Record<string, JsonValue>>;
  /** Undefined until its loader has started it. */
  readonly usage: InstanceUsage | undefined;
}

/** What was loaded, for the requester. */
export interface Loaded {
  readonly name: string;
  readonly uuid: string;
}

/**
 * What the broker is doing about a module. The states of one run of it are those of {@link ModuleInstance}.
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
  | { readonly kind: "reloading"; readonly hold: HoldQueue }
  | {
      readonly kind: "backoff";
      readonly timer: Timer;
      /** Called if it is removed or started by something else, when a load waits for the next try. */
      readonly giveUp?: (() => void) | undefined;
    };

/** The watchdog of shipped modules (docs/design/planning.md §1). */
const SHIPPED_WATCHDOG_MS = 30_000;

/** A module of the table: its name is taken as long as it is there. */
export class ModuleEntry {
  readonly name: string;
  request: LoadRequest;
  readonly policy: FailurePolicy;
  readonly restarts: RestartPolicy;
  /** When it was loaded, as one of a plan or by itself: what comes later goes down earlier. */
  readonly turn: number;
  args: readonly string[];
  /** Looked for once: a reload takes the same file, unless another loader is to take it. */
  file: FoundModule | undefined;
  /** Of a module of a library, as its latest run was verified. */
  library: VerifiedMember | undefined;
  state: EntryState = { kind: "starting" };
  /** The latest run; undefined until its loader has started it. */
  instance: ModuleInstance | undefined;
  /** Settles, never rejects, when the start or reload under way is decided. */
  busy: Promise<void> = Promise.resolve();
  /** Somebody does not want it any more while its loader is still at work. */
  isAbandoned = false;

  constructor(name: string, request: LoadRequest, file: FoundModule | undefined, turn: number) {
    this.name = name;
    this.file = file;
    this.turn = turn;
    this.request = request;
    this.policy = request.onFailure ?? "panic";
    this.restarts = new RestartPolicy(request.restart);
    this.args = request.args ?? [];
  }

  /** What it was loaded by, with what a reload asks for anew. */
  requestAfter({ exec, loader, insecure }: ReloadRequest): LoadRequest {
    const isOtherLoader = exec !== undefined || loader !== undefined;
    const how = isOtherLoader ? { exec, loader } : {};
    return { ...this.request, ...how, insecure: insecure ?? this.request.insecure };
  }

  /** Takes what a reload asks for anew, for the next run. The file is to be looked for anew. */
  change(request: ReloadRequest): void {
    this.args = request.args ?? this.args;
    this.request = this.requestAfter(request);
    this.file = undefined;
  }

  /** Whether it is an ordinary program, which the broker's own loader watches. */
  get isProgram(): boolean {
    return this.request.command !== undefined;
  }

  /** How long it may leave a ping unanswered, or undefined: for ever. */
  get watchdogMs(): number | undefined {
    const isOurs = this.file !== undefined && isShipped(this.file.path);
    return (this.request.watchdogMs ?? (isOurs ? SHIPPED_WATCHDOG_MS : 0)) || undefined;
  }

  /** Of its file, and which module of it if it is of a library; undefined until it is found. */
  get path(): string | undefined {
    if (this.file === undefined) return undefined;
    const { path, member } = this.file;
    return member === undefined ? path : `${path}#${member}`;
  }

  /** Whether this is its name, or the path that it was loaded from. */
  isCalled(which: string): boolean {
    return which === this.name || which === this.path || which === this.request.path;
  }
}

/** A module as `module.list` has it. */
export function describeEntry(entry: ModuleEntry, router: Router): Readonly<Record<string, JsonValue>> {
  const { name, instance, args, request, state } = entry;
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
