import { isErrno, messageOf, SluiceError } from "../errors/index.js";
import type { Step } from "../graph/types.js";
import type { Handle, JsonValue } from "../messages/index.js";
import { startTimer, type Timer } from "../processes/index.js";
import type { StepExecutor } from "../run/step-executor.js";
import { type ModuleUnit, optionsOf, type TaskUnit } from "../units/index.js";
import { runCommand } from "./command-task.js";
import type { OutputLine } from "./host-port.js";
import type { RcSession } from "./session.js";

/** The dependencies of the executor. */
export interface InstanceStepExecutorOptions {
  /** The instance that loads the modules; needed by plans that load or remove. */
  readonly handle?: Handle | undefined;
  /** Holds the code of tasks and the arguments that they set; plans with tasks of rc files need it. */
  readonly session?: RcSession | undefined;
  /** Gets every output line of commands. */
  readonly onOutput: (line: OutputLine) => void;
  /** Environment of commands, without a session. Default: that of this process. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  /**
   * This time after the beginning of a removal, the broker cancels a module other than a program
   * (docs/design/planning.md §7). Default: never.
   */
  readonly cancelRemovalAfterMs?: number | undefined;
  /** Load modules even if others may write to their files (docs/design/instance.md §2). */
  readonly insecure?: boolean | undefined;
  /** The plan is the plan of a start: its loads come from no request of a user. */
  readonly isStart?: boolean | undefined;
  /** The broker's id of the plan whose modules are loaded (`module.plan`). */
  readonly plan?: number | undefined;
  /** Digests of libraries that were verified for the plan, by unit. The loaded file must still have them. */
  readonly digests?: Readonly<Record<string, string>> | undefined;
}

/**
 * Carries out the steps of a plan: modules through the broker, tasks of rc files in their host, declarative tasks as
 * processes. A failed method throws an error, whose message appears after `NAME: `.
 */
export class InstanceStepExecutor implements StepExecutor {
  readonly #options: InstanceStepExecutorOptions;
  readonly #removals = new Set<Limited>();
  #cancelRemovalAfterMs: number | undefined;

  constructor(options: InstanceStepExecutorOptions) {
    this.#options = options;
    this.#cancelRemovalAfterMs = options.cancelRemovalAfterMs;
  }

  /**
   * Cancels a module if its removal takes longer than this time. The time starts now, or at a later start of
   * the removal.
   */
  hurry(cancelAfterMs: number): void {
    this.#cancelRemovalAfterMs = cancelAfterMs;
    for (const removal of this.#removals) removal.limit(cancelAfterMs);
  }

  /**
   * @throws SluiceError `BROKER_REQUEST` with the module's own error, `BROKER_UNREACHABLE` without an instance,
   *   `RC_FAILED`, `RUN_FAILED`; after an abort the reason of the signal
   */
  async execute(step: Step, signal: AbortSignal): Promise<void> {
    try {
      await this.#execute(step, signal);
    } catch (error) {
      const { name, optional } = step.unit;
      if (optional)
        this.#options.handle?.log("warning", `${name} is optional and failed: ${messageOf(error)}`);
      throw error;
    }
  }

  #execute(step: Step, signal: AbortSignal): Promise<void> {
    switch (step.action) {
      case "load":
        return this.#load(step.unit, step.explicit, signal);
      case "remove":
        return this.#remove(step.unit, signal);
      case "run":
        return this.#run(step.unit, signal);
    }
  }

  async #load(unit: ModuleUnit, explicit: boolean, signal: AbortSignal): Promise<void> {
    const handle = this.#handle(unit.name);
    try {
      await handle.rpc("module.load", this.#loadRequest(unit, explicit), { signal });
    } catch (error) {
      if (!signal.aborted) throw error;
      // The broker continues with a load even if no request waits for it any more.
      await removeModule(handle, unit.name, true);
      throw signal.reason;
    }
  }

  #loadRequest(unit: ModuleUnit, explicit: boolean): Record<string, JsonValue> {
    const { plan, digests = {}, isStart, insecure, session } = this.#options;
    const digest = Object.hasOwn(digests, unit.name) ? digests[unit.name] : undefined;
    const args = session?.arguments.of(unit) ?? unit.args;
    return {
      ...loadRequest(unit, { explicit, insecure, ofStart: isStart }),
      args,
      ...(args === unit.args ? {} : { unitArgs: unit.args }),
      ...(plan === undefined ? {} : { plan }),
      ...(digest === undefined ? {} : { digest }),
    };
  }

  async #remove({ name, command }: ModuleUnit, signal: AbortSignal): Promise<void> {
    const handle = this.#handle(name);
    // A program gets the time of its `stop`. The broker itself kills it afterwards.
    const isHurried = command === undefined;
    const removal = withLimit(signal, isHurried ? this.#cancelRemovalAfterMs : undefined);
    if (isHurried) this.#removals.add(removal);
    try {
      await removeModule(handle, name, false, removal.signal);
    } catch (error) {
      if (!removal.signal.aborted) throw error;
      await removeModule(handle, name, true);
      signal.throwIfAborted();
    } finally {
      this.#removals.delete(removal);
      removal.stop();
    }
  }

  async #run(unit: TaskUnit, signal: AbortSignal): Promise<void> {
    const { session, onOutput, env } = this.#options;
    const { name, command } = unit;
    if (command !== undefined) {
      await runCommand({ name, command, env: session?.env ?? env ?? process.env }, onOutput, signal);
      return;
    }
    // A task with neither command nor code is a milestone for the order of other units.
    if (session?.hasTask(name) === true) await session.runTask(name, signal);
  }

  #handle(unit: string): Handle {
    const { handle } = this.#options;
    if (handle !== undefined) return handle;
    throw new SluiceError("BROKER_UNREACHABLE", "no instance to load modules into: SLUICE_URI is not set", {
      unit,
    });
  }
}

/** The options of a load besides the keys of the unit. */
interface LoadMode {
  readonly explicit: boolean;
  /** Whether a start requested it, rather than a user. */
  readonly ofStart?: boolean | undefined;
  readonly insecure?: boolean | undefined;
}

/** The request `module.load` for a unit of the files. */
export function loadRequest(
  unit: ModuleUnit,
  { explicit, ofStart, insecure }: LoadMode,
): Record<string, JsonValue> {
  const { name, module: path, args, timeoutMs } = unit;
  const { thread, ...options } = optionsOf(unit);
  return {
    ...{ path, name, args, explicit },
    ...(ofStart === true ? { ofStart } : {}),
    ...options,
    // Without the key in its unit, the broker decides.
    ...(thread === undefined || (thread === "own" && unit.hasOwnThread !== true) ? {} : { thread }),
    ...(unit.requires.length === 0 ? {} : { requires: unit.requires }),
    // JSON has no Infinity, which means no limit.
    ...(timeoutMs === undefined || !Number.isFinite(timeoutMs) ? {} : { timeoutMs }),
    ...(insecure === true ? { insecure } : {}),
  };
}

/** Removes a module. If the module is gone already, that is a success. */
async function removeModule(
  handle: Handle,
  name: string,
  cancel: boolean,
  signal?: AbortSignal,
): Promise<void> {
  const payload = cancel ? { name, cancel } : { name };
  try {
    await handle.rpc("module.remove", payload, signal === undefined ? {} : { signal });
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}

/** A signal that aborts with another signal, or after a time. */
interface Limited {
  readonly signal: AbortSignal;
  /** Sets the time-out, counted from now on. */
  limit(limitMs: number): void;
  stop(): void;
}

function withLimit(signal: AbortSignal, limitMs: number | undefined): Limited {
  const limit = new AbortController();
  let timer: Timer | undefined;
  const result: Limited = {
    signal: AbortSignal.any([signal, limit.signal]),
    limit: (fromNowMs) => (timer ??= startTimer(fromNowMs, () => limit.abort())),
    stop: () => timer?.cancel(),
  };
  if (limitMs !== undefined) result.limit(limitMs);
  return result;
}
