import { ERRNO, messageOf, SluiceError } from "../../errors/index.js";
import {
  type Identity,
  isSuccess,
  moduleEndText,
  startTimer,
  type SupervisedProgram,
} from "../../processes/index.js";
import { runOnce } from "./run-once.js";
import type { CommandLine, StopRule } from "../program-options.js";

/** The default rules for the stop of a program (docs/design/programs.md §1). */
const SIGNAL = "SIGTERM";
const TIMEOUT_MS = 10_000;

/** How long killed processes may take to end. */
const GONE_WITHIN_MS = 5000;

/** The parameters of a stop. */
export interface StopOptions {
  readonly program: SupervisedProgram;
  readonly rule: StopRule;
  /** Command of the unit: for a shell line the signal goes to the whole group. */
  readonly command: CommandLine;
  readonly directory: string;
  readonly env: NodeJS.ProcessEnv;
  readonly identity: Identity | undefined;
  readonly log: (level: "info" | "warning", text: string) => void;
}

/**
 * Stops a program and all processes that it has started. First it uses the command or signal of its unit, then
 * SIGTERM for processes that the main process left. After the time-out all remaining processes get SIGKILL.
 * @throws SluiceError `LOAD_FAILED` with `EBUSY` if something of it outlives even that
 */
export async function stopProgram(options: StopOptions): Promise<void> {
  const { program, rule, log } = options;
  const timeoutMs = rule.timeoutMs ?? TIMEOUT_MS;
  const over = new AbortController();
  const timer = startTimer(timeoutMs, () => over.abort());
  try {
    await askToEnd(options, over.signal);
    await happensOrAborts(program.ended, over.signal);
    if (!over.signal.aborted) program.signal("SIGTERM", "all");
    await happensOrAborts(program.gone, over.signal);
  } finally {
    timer.cancel();
  }
  if (over.signal.aborted) log("warning", `did not end within ${timeoutMs / 1000} s of its stop, killed`);
  await killProgram(program);
}

/**
 * Stops the processes that the main process has left, in the time that a stop may take.
 * @throws SluiceError as {@link stopProgram}
 */
export async function stopRest(
  program: SupervisedProgram,
  { timeoutMs = TIMEOUT_MS }: StopRule,
): Promise<void> {
  const over = new AbortController();
  const timer = startTimer(timeoutMs, () => over.abort());
  program.signal("SIGTERM", "all");
  await happensOrAborts(program.gone, over.signal);
  timer.cancel();
  await killProgram(program);
}

/**
 * Kills all remaining processes of a program.
 * @throws SluiceError `LOAD_FAILED` with `EBUSY`, with the processes that the system does not end
 */
export async function killProgram(program: SupervisedProgram): Promise<void> {
  program.kill();
  const over = new AbortController();
  const timer = startTimer(GONE_WITHIN_MS, () => over.abort());
  await happensOrAborts(program.gone, over.signal);
  timer.cancel();
  if (!over.signal.aborted) return;
  const left = await program.members();
  const names = left.map(({ pid, state, name }) => `${pid} (${name}, state ${state})`);
  throw new SluiceError(
    "LOAD_FAILED",
    `SIGKILL has not ended ${names.join(", ")} within ${GONE_WITHIN_MS / 1000} s; the name becomes free when the processes have ended`,
    { errnum: ERRNO.EBUSY },
  );
}

async function askToEnd(options: StopOptions, signal: AbortSignal): Promise<void> {
  const { program, rule, command, directory, env, identity, log } = options;
  if (rule.command !== undefined) {
    const once = {
      command: rule.command,
      directory,
      identity,
      env: { ...env, MAINPID: String(program.pid) },
    };
    try {
      const { end, isAborted, lines } = await runOnce(once, signal);
      if (isAborted) log("warning", "the stop command has not ended in time");
      if (isAborted || isSuccess(end)) return;
      const said = lines.at(-1);
      log(
        "warning",
        `the stop command failed: ${moduleEndText(end)}${said === undefined ? "" : `: ${said}`}`,
      );
    } catch (error) {
      log("warning", `cannot run the stop command: ${messageOf(error)}`);
    }
  }
  const isLine = typeof command === "string";
  program.signal((rule.signal ?? SIGNAL) as NodeJS.Signals, rule.to ?? (isLine ? "group" : "main"));
}

async function happensOrAborts(event: Promise<unknown>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  let abort = (): void => undefined;
  const aborted = new Promise<void>((resolve) => {
    abort = resolve;
    signal.addEventListener("abort", abort);
  });
  await Promise.race([event, aborted]);
  signal.removeEventListener("abort", abort);
}
