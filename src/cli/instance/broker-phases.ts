import {
  type Broker,
  type BrokerReport,
  delayOf,
  PHASE_MARK,
  type PhaseProcess,
  spawnPhase,
  STOPPING_GRACE_MS,
  type SupervisorOrder,
} from "../../broker/index.js";
import {
  killTree,
  processesWith,
  type ProgramProcess,
  signalProgram,
  startTimer,
} from "../../processes/index.js";
import type { BrokerCommandOptions } from "./broker-place.js";
import { say } from "../terminal/output.js";
import { eachLine, PhaseHost } from "./phase-host.js";

/** The attribute that bounds rc1; without it, rc1 waits without limit for a module that never runs. */
const RC1_TIMEOUT = "broker.rc1-timeout";

/** The attribute for the time that the host of rc1 stays, so that a short instance does not start another one. */
const HOST_LINGER = "broker.host-linger";

/** The outcome of rc1 and rc3, for the last line of a broker. */
export interface PhaseFailure {
  readonly phase: "rc1" | "rc3";
  readonly unit?: string | undefined;
  readonly message: string;
}

/**
 * rc1 and rc3. They are our own unless an attribute has a command for them. An empty command skips the phase
 * (docs/design/instance.md §3). Their host starts ahead: the host of rc1 beside the broker, the host of rc3
 * as soon as the shutdown begins. If the shutdown begins soon after rc1, the host of rc1 runs rc3 too. Their
 * standard output goes to the log.
 */
export class Phases {
  readonly #options: BrokerCommandOptions;
  readonly #hosts = new Map<"rc1" | "rc3", PhaseHost>();
  /** The first failure that a phase has reported. */
  failure: PhaseFailure | undefined;
  /** Problems of files that a phase has printed, so that the next phase need not print them. */
  readonly #said: string[] = [];
  /** Called with the units that a phase is waiting for. */
  onWaiting: (text: string) => void = () => undefined;
  /** Called when a unit of a phase is done. */
  onProgress: () => void = () => undefined;

  /** Whether rc1 is our own, so that it will load modules. */
  readonly hasOwnStart: boolean;

  constructor(options: BrokerCommandOptions) {
    this.#options = options;
    this.hasOwnStart = !new Map(options.setattr).has("broker.rc1_path");
    if (this.hasOwnStart) this.#prepare("rc1");
  }

  /** Starts the host of rc3, if rc3 is our own. */
  prepareShutdown(broker: Broker): void {
    if (broker.attributes.get("broker.rc3_path") === undefined) this.#prepare("rc3");
  }

  /** The function that starts a phase; undefined if there is no such phase. */
  starter(broker: Broker, phase: "rc1" | "rc3"): ((stopping?: boolean) => PhaseProcess) | undefined {
    const configured = broker.attributes.get(`broker.${phase}_path`);
    if (configured === "") return undefined;
    return (stopping = false) => {
      // Commands of tasks connect to it.
      void broker.ensureSocket();
      if (configured !== undefined) return commandPhase(broker, phase, configured, this.#options);
      const host = this.#prepare(phase);
      this.#hosts.delete(phase);
      const delay = (name: string): number => delayOf(broker.attributes, name);
      const running = host.begin(broker, {
        phase,
        env: broker.programEnvironment(),
        cancelAfterMs: stopping ? STOPPING_GRACE_MS : undefined,
        said: this.#said,
        waitingAfterMs: delay("broker.waiting-after"),
        waitingEveryMs: delay("broker.waiting-every"),
        timeoutMs: phase === "rc1" ? delay(RC1_TIMEOUT) : Infinity,
        timeoutText: `not done within the ${RC1_TIMEOUT} of ${broker.attributes.get(RC1_TIMEOUT) ?? ""}`,
        onNews: (news) => {
          if (news.type === "waiting") this.onWaiting(news.text);
          else if (news.type === "progress") this.onProgress();
          else if (news.type === "said") this.#said.push(news.text);
          else if (news.type === "failed") this.failure ??= { phase, unit: news.unit, message: news.message };
        },
      });
      void running.exited.then(() => this.#keep(host, delay(HOST_LINGER)));
      return running;
    };
  }

  /** A phase has failed; used if the phase has not reported the reason itself. */
  failed(phase: "rc1" | "rc3", message: string): void {
    this.failure ??= { phase, message };
  }

  /** Ends the hosts that were not needed. */
  async close(): Promise<void> {
    await Promise.all([...this.#hosts.values()].map((host) => host.discard()));
  }

  /** The host of rc1 also runs rc3 if the instance ends soon. Otherwise rc3 gets a new host. */
  #keep(host: PhaseHost, lingerMs: number): void {
    if (!host.isResting) return;
    this.#hosts.set("rc3", host);
    const drop = (): void => {
      if (this.#hosts.get("rc3") === host) this.#hosts.delete("rc3");
    };
    void host.ended.then(drop);
    startTimer(
      lingerMs,
      () => {
        if (!host.isResting) return;
        drop();
        void host.discard();
      },
      { keepsAlive: false },
    );
  }

  #prepare(phase: "rc1" | "rc3"): PhaseHost {
    const prepared = this.#hosts.get(phase);
    if (prepared !== undefined) return prepared;
    const { rank, size = 1 } = this.#options;
    const host = new PhaseHost(phase, this.#options, brokerPrefix({ rank, size }));
    this.#hosts.set(phase, host);
    return host;
  }
}

/** A phase by the command of a site. */
function commandPhase(
  broker: Broker,
  phase: "rc1" | "rc3",
  command: string,
  { eventsFd }: BrokerCommandOptions,
): PhaseProcess {
  const running = spawnPhase({
    argv: ["bash", "-c", command],
    env: { ...broker.programEnvironment(), [PHASE_MARK]: String(process.pid) },
    stdio: ["ignore", "pipe", broker.size === 1 ? "inherit" : "pipe", eventsFd ?? "ignore"],
    ownGroup: true,
    onStartError: (error) => say(`${brokerPrefix(broker)}: ${phase}: ${error.message}`),
  });
  eachLine(running.child?.stdout, (line) => broker.log.append(phase, "info", line));
  eachLine(running.child?.stderr, (line) => say(`${phase}[${broker.rank}]: ${line}`));
  return running;
}

/**
 * Starts the broker's own take-down after rc3, from the broker's records. A site that replaced rc3 by a command of
 * its own, or by nothing, is responsible for this itself.
 */
export function takeDownStarter(broker: Broker): ((stopping: boolean) => PhaseProcess) | undefined {
  if (broker.attributes.get("broker.rc3_path") !== undefined) return undefined;
  return (stopping) => {
    const killed = new AbortController();
    const cancelAfterMs = stopping ? STOPPING_GRACE_MS : undefined;
    const gone = broker.takeDown({ cancelAfterMs, signal: killed.signal });
    return {
      exited: gone.then((failed) => (failed.length === 0 ? 0 : 1)),
      signal: () => undefined,
      kill: () => killed.abort(),
    };
  };
}

/** The prefix of a broker's messages. */
export function brokerPrefix({
  rank,
  size,
}: {
  readonly rank: number | "auto";
  readonly size: number;
}): string {
  return size === 1 ? "sluice-broker" : `sluice-broker[${rank}]`;
}

/** Sends a report to the supervisor, if there is one. */
export function report(message: BrokerReport): void {
  // Without a callback, a supervisor that ends meanwhile would count as an error of ours. The event `disconnect`
  // reports its end.
  if (process.connected) process.send?.(message, undefined, {}, () => undefined);
}

/**
 * The initial program runs on the supervisor's standard input and output. The broker only requests its start, and
 * receives its status.
 */
export function supervisedProgram(broker: Broker): PhaseProcess {
  let program: ProgramProcess | undefined;
  const exited = new Promise<number>((resolve) => {
    process.on("message", (order: SupervisorOrder) => {
      if (order.type === "program-started") program = order;
      if (order.type === "program-exit") resolve(order.status);
    });
    process.on("disconnect", () => {
      // No other process would end the initial program now. A killed supervisor may not have reported its process id.
      if (program !== undefined) signalProgram(program, "SIGKILL");
      else processesWith(PHASE_MARK, String(process.pid)).forEach(killTree);
      resolve(1);
    });
  });
  report({
    type: "program-start",
    env: { ...broker.programEnvironment(), [PHASE_MARK]: String(process.pid) },
  });
  return {
    exited,
    signal: (signal) => report({ type: "program-signal", signal }),
    kill: () => report({ type: "program-kill" }),
  };
}
