/** What C's `strsignal` calls the signals that end processes, as shells print them. */
const SIGNAL_TEXT: Readonly<Record<string, string>> = {
  SIGHUP: "Hangup",
  SIGINT: "Interrupt",
  SIGQUIT: "Quit",
  SIGILL: "Illegal instruction",
  SIGTRAP: "Trace/breakpoint trap",
  SIGABRT: "Aborted",
  SIGBUS: "Bus error",
  SIGFPE: "Floating point exception",
  SIGKILL: "Killed",
  SIGUSR1: "User defined signal 1",
  SIGSEGV: "Segmentation fault",
  SIGUSR2: "User defined signal 2",
  SIGPIPE: "Broken pipe",
  SIGALRM: "Alarm clock",
  SIGTERM: "Terminated",
  SIGXCPU: "CPU time limit exceeded",
  SIGXFSZ: "File size limit exceeded",
  SIGSYS: "Bad system call",
};

/** What a shell prints for a signal that ended a process, such as `Segmentation fault`; its name where it has no text. */
export function signalText(signal: string): string {
  return SIGNAL_TEXT[signal] ?? signal;
}

/** `killed by Segmentation fault`, or `exit status N` (modules.md §3). */
export function endText(status: number | null, signal: NodeJS.Signals | null): string {
  if (signal !== null) return `killed by ${signalText(signal)}`;
  return `exit status ${status ?? 0}`;
}

/** Kills a process that leads a group of its own, with all that it started and that did not leave the group. */
export function killGroup(leaderPid: number): void {
  try {
    process.kill(-leaderPid, "SIGKILL");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    // All of them have ended already, or have become another user's, which is out of our hands.
    if (code === "ESRCH" || code === "EPERM") return;
    throw error;
  }
}
