/**
 * The outcome of a signal: it reached at least one process, or all its targets have already ended. Or the processes
 * now belong to another user (a setuid program), and cannot be signalled.
 */
export type SignalOutcome = "sent" | "gone" | "denied";

/** A process that was started, alone in its process group or in a group with others. */
export interface ProgramProcess {
  readonly pid: number;
  readonly ownGroup: boolean;
}

/**
 * Sends a signal to a process. A process that has ended, or that belongs to another user, is not an error: see the
 * outcome.
 * @param signal 0 only checks that the process exists
 * @throws the system's error for an unknown signal
 */
export function signalProcess(pid: number, signal: NodeJS.Signals | number): SignalOutcome {
  return send(pid, signal);
}

/** As {@link signalProcess}, to all processes of a group. */
export function signalGroup(pgid: number, signal: NodeJS.Signals | number): SignalOutcome {
  return send(-pgid, signal);
}

/** As {@link signalProcess}, to a program: to its whole process group if the group is its own. */
export function signalProgram({ pid, ownGroup }: ProgramProcess, signal: NodeJS.Signals): SignalOutcome {
  return send(ownGroup ? -pid : pid, signal);
}

/** Kills a process that leads a group of its own, with all that it started and that did not leave the group. */
export function killGroup(leaderPid: number): SignalOutcome {
  return send(-leaderPid, "SIGKILL");
}

function send(target: number, signal: NodeJS.Signals | number): SignalOutcome {
  // For the system, 0 and -0 are the group of this process itself, and -1 is every process.
  if (target === 0 || target === -1) return "gone";
  try {
    process.kill(target, signal);
    return "sent";
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ESRCH") return "gone";
    if (code === "EPERM") return "denied";
    throw error;
  }
}
