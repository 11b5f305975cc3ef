import { ERRNO, errnumOf, isErrnum, messageOf, requestError, SluiceError } from "../../errors/index.js";
import type {
  ModuleExit,
  ModuleOptions,
  ModuleSpec,
  ProbeState,
  RunningModule,
  SharedThread,
} from "../../loaders/index.js";
import {
  type Backlog,
  FLAG,
  type Message,
  MODULE_STATUS,
  type RequestMessage,
  ROLE,
  type Welcome,
  type JsonValue,
} from "../../messages/index.js";
import { moduleEndText, setRefOf } from "../../processes/index.js";
import type { Clock, Timer } from "../clock.js";
import { DeferredMessages } from "./deferred-messages.js";
import type { HoldQueue } from "./hold-queue.js";
import type { MessageTrace } from "../routing/message-trace.js";
import { ownerCredentials, Peer } from "../routing/peer.js";
import type { Router } from "../routing/router.js";
import { Watchdog } from "./watchdog.js";

/** How a module ended, as the broker classifies it. */
export type ModuleEnd =
  | { readonly kind: "ok" }
  /** Cancelled by `remove` with `cancel`, or at the end of the broker. */
  | { readonly kind: "cancelled" }
  | ModuleFailure;

export interface ModuleFailure {
  readonly kind: "failed";
  readonly errnum: number;
  readonly message: string;
  /** The message, or the stack if there is one. */
  readonly detail: string;
}

/**
 * One run of a module, from the start of its thread or process to its end (docs/design/modules.md §3).
 *
 *       status 1            status 2               status 3, exit
 *    I ──────────► R ───────────────────► F ─────────────────────► E
 *    │             │                                               ▲
 *    │             └── exits, throws, crashes: runtime failure ────┤
 *    └──────────────── exits before it runs: failed load ──────────┘
 *
 * The table that owns the module decides on its states: `shutdown()` and `cancel()` request E.
 */
export type ModuleState =
  | { readonly letter: "I" }
  | { readonly letter: "R" }
  | { readonly letter: "F" }
  | { readonly letter: "E"; readonly end: ModuleEnd };

/** The report of a module with `module.status`. */
export interface StatusReport {
  readonly status: number;
  readonly errnum?: number | undefined;
  readonly error?: string | undefined;
  readonly stack?: string | undefined;
  /** The methods that a module of a library has when it begins to run. */
  readonly methods?: readonly string[] | undefined;
}

/** How long a module may take to exit once it has reported that it has. */
const EXIT_MS = 1000;

/** Marks the pings of the watchdog. Their answers are for this instance, because they have no route. */
const PING_MATCHTAG = 1;

export interface InstanceOptions {
  readonly spec: ModuleSpec;
  readonly running: RunningModule;
  readonly welcome: Welcome;
  readonly router: Router;
  readonly clock: Clock;
  readonly trace: MessageTrace;
}

/** The counts of a module's run. */
export interface InstanceUsage {
  /** Undefined for a module in a thread of the broker. */
  readonly pid: number | undefined;
  readonly ageSeconds: number;
  /** Numbers of messages that it has sent and received. */
  readonly tx: number;
  readonly rx: number;
}

export class ModuleInstance {
  readonly peer: Peer;
  readonly uuid: string;
  /** The configuration that it began with. */
  readonly conf: JsonValue;
  /** Resolves when it runs. If it ended before, it resolves to that end. */
  readonly ready: Promise<ModuleEnd | undefined>;
  /** Resolves when all parts of it have ended and the router has no peer for it. */
  readonly ended: Promise<ModuleEnd>;
  /** The queue for its unread messages during a reload. */
  hold: HoldQueue | undefined;
  readonly #running: RunningModule;
  readonly #router: Router;
  readonly #clock: Clock;
  readonly #trace: MessageTrace;
  #state: ModuleState = { letter: "I" };
  #isConnected = true;
  #isCancelled = false;
  /** Why the broker itself ended it. */
  #fault: ModuleFailure | undefined;
  /** Its incoming messages, while they are held back. */
  #deferred: DeferredMessages | undefined;
  /** Its own report of its end: undefined before the report, null without an error. */
  #reported: ModuleFailure | null | undefined;
  #methods: readonly string[] = [];
  #exitTimer: Timer | undefined;
  #watchdog: Watchdog | undefined;
  /** Requests that it has answered. */
  #answers = 0;
  /** Whether it was sent `shutdown`. */
  #isShutdownSent = false;
  readonly #startedAtMs: number;
  #lastActiveMs: number;
  #sentMessages = 0;
  #receivedMessages = 0;
  #settleReady: (end: ModuleEnd | undefined) => void = () => undefined;

  constructor({ spec, running, welcome, router, clock, trace }: InstanceOptions) {
    this.uuid = spec.uuid;
    this.conf = welcome.conf;
    this.#running = running;
    this.#router = router;
    this.#clock = clock;
    this.#trace = trace;
    this.#startedAtMs = clock.now();
    this.#lastActiveMs = this.#startedAtMs;
    const { channel } = running;
    this.peer = new Peer({
      id: spec.uuid,
      name: spec.name,
      credentials: ownerCredentials(),
      deliver: (message) => {
        if (this.#deferred === undefined) this.#give(message);
        else this.#deferred.push(message);
      },
      queue: {
        backlog: () => sumOf(channel.backlog(), this.#deferred?.backlog()),
        requestBacklog: () => sumOf(channel.requestBacklog(), this.#deferred?.requestBacklog()),
      },
      setFlow: (flow) => channel.setFlow(flow),
      share: router.fairShare.add(channel),
      fail: (error) => void this.#failWith(error),
    });
    this.peer.runsFromMs = Infinity;
    router.attach(this.peer);
    channel.onDrain(() => router.drained(this.peer));
    this.ready = new Promise((resolve) => (this.#settleReady = resolve));
    this.ended = this.#watch();
    this.#give({ type: "control", control: "welcome", payload: JSON.stringify(welcome) });
    channel.onMessage((message) => this.#receive(message));
  }

  get state(): ModuleState {
    return this.#state;
  }

  /** The letter of its state: `F` from the request to end on. */
  get shownState(): ModuleState["letter"] {
    return this.#isShutdownSent && this.#state.letter !== "E" ? "F" : this.#state.letter;
  }

  /** The methods that it has reported. */
  get methods(): readonly string[] {
    return this.#methods;
  }

  /** How long it has sent nothing, in whole seconds. */
  get idleSeconds(): number {
    return Math.floor(this.silentSeconds);
  }

  /** How long it has sent nothing. */
  get silentSeconds(): number {
    return Math.max(0, this.#clock.now() - this.#lastActiveMs) / 1000;
  }

  /** Messages on their way to it that it has not taken. */
  get sendQueue(): number {
    return this.peer.queue?.backlog().messages ?? 0;
  }

  /** Messages that it has sent and the broker has not taken: they wait for a receiver, or for their turn. */
  get receiveQueue(): number {
    const parked = this.peer.wait?.parked === undefined ? 0 : 1;
    return this.#running.channel.unread() + parked;
  }

  /** Its counts since its start. */
  get usage(): InstanceUsage {
    return {
      pid: this.#running.pid,
      ageSeconds: (this.#clock.now() - this.#startedAtMs) / 1000,
      tx: this.#sentMessages,
      rx: this.#receivedMessages,
    };
  }

  /** Holds back the messages for the module, or delivers them again; for tests of other modules. */
  defer(on: boolean): void {
    if (on) {
      this.#deferred ??= new DeferredMessages();
      return;
    }
    const deferred = this.#deferred;
    this.#deferred = undefined;
    for (const message of deferred?.messages ?? []) this.peer.deliver(message);
  }

  /** Takes a report of the module with `module.status`. */
  report({ status, errnum = 0, error = "", stack, methods = [] }: StatusReport): void {
    switch (status) {
      case MODULE_STATUS.running:
        this.#methods = methods;
        if (this.#state.letter === "I") {
          this.#state = { letter: "R" };
          this.peer.runsFromMs = performance.now();
        }
        this.#settleReady(undefined);
        return;
      case MODULE_STATUS.finalizing:
        this.#state = { letter: "F" };
        this.peer.refusing = true;
        return;
      case MODULE_STATUS.exited:
        this.#reported = errnum === 0 ? null : failed(error, isErrnum(errnum) ? errnum : undefined, stack);
        this.#exitTimer ??= this.#clock.after(EXIT_MS, () => void this.#running.terminate());
        return;
      default:
        throw requestError("EINVAL", `no such status ${status}`);
    }
  }

  /**
   * From now on, fails the module if it does not answer a ping within this time; undefined: turns the watchdog off.
   * @param waiting describes what waits for the module at that time, in words
   */
  watch(timeMs: number | undefined, waiting: () => string | undefined): void {
    this.#watchdog?.stop();
    this.#watchdog = undefined;
    if (timeMs === undefined) return;
    this.#watchdog = new Watchdog(this.#clock, timeMs, {
      ping: () => this.#running.channel.send(this.#request("ping", PING_MATCHTAG, 0)),
      answers: () => this.#answers,
      isDeferred: () => this.#deferred !== undefined,
      expired: () => void this.#expired(timeMs, waiting()),
    });
  }

  /** The thread that it shares with others; undefined if it has a thread or process of its own. */
  get sharedThread(): SharedThread | undefined {
    return this.#running.sharedThread;
  }

  /** How long it has not answered a ping of its watchdog; 0 if no answer is due. */
  get owedSeconds(): number {
    return this.#watchdog?.owedSeconds ?? 0;
  }

  /** Whether a watchdog pings it. */
  get isPinged(): boolean {
    return this.#watchdog !== undefined;
  }

  /** The state of the probe with which its loader checks that it is alive; undefined while there are no checks. */
  get probe(): ProbeState | undefined {
    return this.#running.probe;
  }

  /** Requests its end. Cancels a module that no longer receives messages. */
  shutdown(): void {
    this.#watchdog?.stop();
    if (!this.#isConnected) {
      void this.cancel();
      return;
    }
    this.#isShutdownSent = true;
    this.peer.deliver(this.#request("shutdown", 0, FLAG.noresponse));
  }

  /** Changes its options that need no new start. */
  amend(options: ModuleOptions): void {
    this.#running.amend?.(options);
  }

  /** Ends the wait until it runs, if its loader can. */
  giveUp(): void {
    this.#running.giveUp?.();
  }

  /** Whether it keeps this process alive. */
  setRef(isRef: boolean): void {
    setRefOf(this.#running.channel, isRef);
    this.#running.setRef?.(isRef);
  }

  /** Ends it at once. */
  async cancel(): Promise<void> {
    this.#isCancelled = true;
    await this.#running.terminate();
  }

  /** In a shared thread, another module's handler may block this one. */
  async #expired(timeMs: number, waiting: string | undefined): Promise<void> {
    const chain = waiting === undefined ? "" : `: ${waiting}`;
    const text = `it has not answered a ping for ${timeMs / 1000} s (watchdog)${chain}`;
    const shared = this.sharedThread;
    const { name, stack = [] } = (await shared?.blame()) ?? {};
    const message =
      name === undefined ? text : `${text}; a handler of ${name} holds thread group '${shared?.name}'`;
    const detail = [message, ...stack.map((line) => `    ${line}`)].join("\n");
    await this.#failWith(requestError("ETIMEDOUT", message), detail);
  }

  /** Ends a module that cannot receive its messages, as a failure of the module. */
  async #failWith(error: unknown, detail?: string): Promise<void> {
    this.#fault ??= failed(messageOf(error), errnumOf(error), detail);
    await this.#running.terminate();
  }

  /** A request of the broker itself, which no peer has sent. */
  #request(method: string, matchtag: number, flags: number): RequestMessage {
    const topic = `${this.peer.name}.${method}`;
    const credentials = { userid: 0, rolemask: ROLE.owner };
    return { type: "request", topic, matchtag, flags, nodeid: "any", route: [], ...credentials };
  }

  #give(message: Message): void {
    this.#running.channel.send(message);
    this.#receivedMessages++;
    this.#trace.tap?.(this.peer.name, "rx", message);
  }

  #receive(message: Message): void {
    if (message.type === "response") {
      this.#answers++;
      if (message.route.length === 0 && message.matchtag === PING_MATCHTAG) {
        // The answer to a ping does not count as activity.
        this.#watchdog?.answered();
        return;
      }
    }
    this.#lastActiveMs = this.#clock.now();
    this.#sentMessages++;
    this.#trace.tap?.(this.peer.name, "tx", message);
    // After `shutdown`, a module answers the requests that it had not read with ENOSYS.
    const isUnread =
      message.type === "response" && message.errnum === ERRNO.ENOSYS && this.#state.letter === "F";
    if (isUnread && this.hold?.takeBack(message, this.peer) === true) return;
    this.#router.receive(message, this.peer);
  }

  async #watch(): Promise<ModuleEnd> {
    const closed = new Promise<void>((resolve) => {
      this.#running.channel.onClose(() => {
        this.#isConnected = false;
        this.#router.detach(this.peer);
        resolve();
      });
    });
    const exit = await this.#running.exited;
    // When the thread or process is gone, its answers may still be in the channel.
    await closed;
    this.#watchdog?.stop();
    this.#exitTimer?.cancel();
    const end = this.#judge(exit);
    this.#state = { letter: "E", end };
    this.#settleReady(end);
    return end;
  }

  #judge(exit: ModuleExit): ModuleEnd {
    if (exit.kind === "stuck") return failed(exit.message, ERRNO.EBUSY);
    if (this.#isCancelled) return { kind: "cancelled" };
    if (this.#fault !== undefined) return this.#fault;
    const reported = this.#reported;
    switch (exit.kind) {
      case "ok":
        if (reported !== undefined) return reported ?? { kind: "ok" };
        // An end without a request is a failure even with status 0.
        return this.#state.letter === "R" && !this.#isShutdownSent
          ? failed(moduleEndText({ kind: "exited", status: 0 }))
          : { kind: "ok" };
      case "error":
        return failed(exit.message, exit.errnum ?? reported?.errnum, exit.stack ?? reported?.detail);
      case "died":
        // A failed program reports the cause on its channel, and again by its exit status.
        return reported ?? failed(exit.message);
      case "terminated":
        // It had reported its end, but did not exit in time.
        return reported === undefined ? failed("terminated") : (reported ?? { kind: "ok" });
    }
  }
}

function failed(message: string, errnum: number = ERRNO.ECONNRESET, stack?: string): ModuleFailure {
  return { kind: "failed", errnum, message, detail: stack ?? message };
}

/** The error that the requester gets for a failure. */
export function failureError(end: ModuleFailure): SluiceError {
  return new SluiceError("BROKER_REQUEST", end.message, { errnum: end.errnum });
}

function sumOf(backlog: Backlog, deferred: Backlog | undefined): Backlog {
  if (deferred === undefined) return backlog;
  return { messages: backlog.messages + deferred.messages, bytes: backlog.bytes + deferred.bytes };
}
