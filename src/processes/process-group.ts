import type { ChildProcess } from "node:child_process";

/** Kills a process that leads a group of its own, with all that it started and that did not leave the group. */
export function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch (error) {
    // All of them have ended already.
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return;
    throw error;
  }
}
