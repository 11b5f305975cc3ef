import type { Readable } from "node:stream";
import {
  type Broker,
  type BrokerReport,
  PHASE_MARK,
  type PhaseProcess,
  spawnPhase,
  type SupervisorOrder,
} from "../../broker/index.js";
import { type ProgramProcess, signalProgram } from "../../processes/index.js";
import type { BrokerCommandOptions } from "./broker-place.js";
import { LineSplitter } from "../../rc/index.js";
import { say } from "../terminal/output.js";
import { PACKAGE_ROOT } from "../version.js";

/**
 * rc1 and rc3 are commands of ours unless an attribute says otherwise; an empty one skips the phase
 * (docs/design/instance.md §3). What they say to standard output is for the log. Of several ranks, each says on
 * standard error which one it is.
 */
export function phaseStarter(
  broker: Broker,
  phase: "rc1" | "rc3",
  options: BrokerCommandOptions,
): ((stopping?: boolean) => PhaseProcess) | undefined {
  const configured = broker.attributes.get(`broker.${phase}_path`);
  if (configured === "") return undefined;
  return (stopping = false) => {
    const own = [process.execPath, `${PACKAGE_ROOT}dist/cli/main.cjs`, "modprobe", phase];
    if (options.verbose) own.push("--verbose");
    else if (options.quiet) own.push("--quiet");
    if (options.eventsFd !== undefined) own.push("--events-fd=3");
    if (options.insecure) own.push("--insecure");
    if (phase === "rc3" && stopping) own.push("--cancel-after=1");
    const running = spawnPhase({
      argv: configured === undefined ? own : ["bash", "-c", configured],
      env: { ...broker.programEnvironment(), [PHASE_MARK]: String(process.pid) },
      stdio: ["ignore", "pipe", broker.size === 1 ? "inherit" : "pipe", options.eventsFd ?? "ignore"],
      ownGroup: true,
      onStartError: (error) => say(`${brokerPrefix(broker)}: ${phase}: ${error.message}`),
    });
    eachLine(running.child?.stdout, (line) => broker.log.append(phase, "info", line));
    eachLine(running.child?.stderr, (line) => say(`${phase}[${broker.rank}]: ${line}`));
    return running;
  };
}

/** What talk of a broker begins with. */
export function brokerPrefix({ rank, size }: { readonly rank: number; readonly size: number }): string {
  return size === 1 ? "sluice-broker" : `sluice-broker[${rank}]`;
}

function eachLine(stream: Readable | null | undefined, onLine: (line: string) => void): void {
  if (!stream) return;
  const lines = new LineSplitter(onLine);
  stream.on("data", (chunk: Buffer) => lines.push(chunk)).on("end", () => lines.end());
}

/** Tells the supervisor, if there is one. */
export function report(message: BrokerReport): void {
  // Without a callback, a supervisor that dies meanwhile would be an error of ours; that it is gone is told otherwise.
  if (process.connected) process.send?.(message, undefined, {}, () => undefined);
}

/** The initial program runs on the supervisor's standard input and output; we only say when, and hear how it ended. */
export function supervisedProgram(broker: Broker): PhaseProcess {
  let program: ProgramProcess | undefined;
  const exited = new Promise<number>((resolve) => {
    process.on("message", (order: SupervisorOrder) => {
      if (order.type === "program-started") program = order;
      if (order.type === "program-exit") resolve(order.status);
    });
    process.on("disconnect", () => {
      // Nobody else would end it now.
      if (program !== undefined) signalProgram(program, "SIGKILL");
      resolve(1);
    });
  });
  report({ type: "program-start", env: broker.programEnvironment() });
  return {
    exited,
    signal: (signal) => report({ type: "program-signal", signal }),
    kill: () => report({ type: "program-kill" }),
  };
}
