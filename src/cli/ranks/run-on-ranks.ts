import { constants } from "node:os";
import type { Readable } from "node:stream";
import { ERRNO, errnumOf, messageOf } from "../../errors/index.js";
import { signalText } from "../../processes/index.js";
import {
  type Handle,
  RemoteCommand,
  type RemoteCommandOptions,
  type RemoteEnd,
} from "../../messages/index.js";
import { ExitError } from "../terminal/output.js";
import { RankInput } from "./rank-input.js";
import type { RankOutput } from "./rank-output.js";
import { bracketed } from "./ranks.js";

/** A command to be run on several ranks at the same time. */
export interface RanksRun extends Pick<RemoteCommandOptions, "command" | "cwd" | "env"> {
  readonly ranks: readonly number[];
  /** Passed on to all commands; undefined: their input is empty. */
  readonly input?: Readable | undefined;
  readonly outputOf: (rank: number) => RankOutput;
  /** Reports failures to the user, and with `verbose` progress. */
  readonly say: (text: string) => void;
  readonly verbose?: boolean;
}

/** How a command ended on one rank; a `reason` if it could not be run, or its rank was lost. */
interface RankEnd {
  readonly rank: number;
  readonly status: number;
  readonly signal?: string | undefined;
  readonly reason?: string;
}

/** No such host (sysexits.h): a rank that cannot be reached. */
export const EX_NOHOST = 68;

/** The exit statuses of a shell for a command that it cannot execute, and for one that it cannot find. */
const NOT_EXECUTABLE = 126;
const NOT_FOUND = 127;

/** Signals that are passed on, and that end a program without a handler for them. */
const ENDING = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const satisfies NodeJS.Signals[];

/**
 * Signals that programs use for themselves, each as often as it comes. Node's own action for SIGUSR1 would be a wait
 * for a debugger.
 */
const PLAIN = ["SIGUSR1", "SIGUSR2"] as const satisfies NodeJS.Signals[];

/**
 * Runs a command on ranks to its end everywhere. Signals that come during the run go to all of its process groups.
 * If a terminating signal comes again, it kills them. At a third one, it abandons them.
 * @returns the highest status: the status of the command, or 128 + N if signal N killed it. Else 127 not found, 126
 *   not executable, 68 for a rank out of reach
 * @throws ExitError if it abandoned the commands
 */
export async function runOnRanks(handle: Handle, run: RanksRun): Promise<readonly RankEnd[]> {
  const outputs = new Map(run.ranks.map((rank) => [rank, run.outputOf(rank)]));
  const commands = run.ranks.map((rank) => {
    const output = outputs.get(rank);
    return new RemoteCommand(handle, rank, {
      command: run.command,
      ...(run.cwd !== undefined && { cwd: run.cwd }),
      ...(run.env !== undefined && { env: run.env }),
      stdin: run.input !== undefined,
      onOutput: (stream, bytes) => output?.write(stream, bytes),
      onStarted: (pid) => {
        if (run.verbose) run.say(`rank ${rank}: started as process ${pid}`);
      },
    });
  });
  const ends = Promise.all(
    commands.map(async (command) => {
      const end = await endOf(command);
      await outputs.get(command.rank)?.end();
      if (end.reason !== undefined) run.say(`rank ${end.rank}: ${end.reason}`);
      else if (run.verbose) run.say(`rank ${end.rank}: ${statusText(end)}`);
      return end;
    }),
  );
  const signals = new SignalForwarder(commands, run.say);
  const input = run.input && new RankInput(run.input, commands, run.say);
  try {
    return await Promise.race([ends, signals.givenUp]);
  } finally {
    signals.close();
    input?.close();
  }
}

/** The exit status for all ranks: the highest of theirs. */
export function highestStatus(ends: readonly RankEnd[]): number {
  return ends.reduce((highest, { status }) => Math.max(highest, status), 0);
}

/** Prints how failed commands ended. Ranks with the same end share a line: `[0-3]: Exit 2`. */
export function failureLines(ends: readonly RankEnd[]): string[] {
  const ranksByText = new Map<string, number[]>();
  for (const end of ends) {
    if (end.status === 0 || end.reason !== undefined) continue;
    const text = statusText(end);
    const ranks = ranksByText.get(text);
    if (ranks === undefined) ranksByText.set(text, [end.rank]);
    else ranks.push(end.rank);
  }
  return [...ranksByText].map(([text, ranks]) => `${bracketed(ranks)}: ${text}`);
}

function statusText({ status, signal }: RankEnd): string {
  return signal === undefined ? `Exit ${status}` : signalText(signal);
}

async function endOf(command: RemoteCommand): Promise<RankEnd> {
  const { rank } = command;
  try {
    const { status, signal }: RemoteEnd = await command.ended;
    return { rank, status, signal };
  } catch (error) {
    return { rank, status: failureStatus(errnumOf(error)), reason: messageOf(error) };
  }
}

function failureStatus(errnum: number | undefined): number {
  switch (errnum) {
    case ERRNO.ENOENT:
      return NOT_FOUND;
    case ERRNO.EHOSTUNREACH:
    case ERRNO.ECONNRESET:
      return EX_NOHOST;
    case ERRNO.EPERM:
    case ERRNO.ENOSYS:
    case ERRNO.ECANCELED:
      // The rank refused or cancelled the command.
      return 1;
    default:
      return NOT_EXECUTABLE;
  }
}

/** Passes the signals of this process on to commands. */
class SignalForwarder {
  /** Rejects once the command is interrupted. */
  readonly givenUp: Promise<never>;
  readonly #commands: readonly RemoteCommand[];
  readonly #say: (text: string) => void;
  readonly #counts = new Map<NodeJS.Signals, number>();
  readonly #onSignal = (signal: NodeJS.Signals): void => this.#take(signal);
  readonly #onPlain = (signal: NodeJS.Signals): void => this.#send(signal);
  #giveUp: (error: ExitError) => void = () => undefined;

  constructor(commands: readonly RemoteCommand[], say: (text: string) => void) {
    this.#commands = commands;
    this.#say = say;
    this.givenUp = new Promise((_, reject) => (this.#giveUp = reject));
    for (const signal of ENDING) process.on(signal, this.#onSignal);
    for (const signal of PLAIN) process.on(signal, this.#onPlain);
  }

  close(): void {
    for (const signal of ENDING) process.off(signal, this.#onSignal);
    for (const signal of PLAIN) process.off(signal, this.#onPlain);
  }

  #take(signal: NodeJS.Signals): void {
    const count = (this.#counts.get(signal) ?? 0) + 1;
    this.#counts.set(signal, count);
    if (count === 1) this.#send(signal);
    else if (count === 2) this.#send("SIGKILL");
    else this.#giveUp(new ExitError(128 + constants.signals[signal]));
  }

  #send(signal: NodeJS.Signals): void {
    for (const command of this.#commands) {
      command.signal(signal).catch((error: unknown) => {
        this.#say(`rank ${command.rank}: ${signal} cannot be sent: ${messageOf(error)}`);
      });
    }
  }
}
