/** Processes that this run has started, directly or not. They are found by a mark in their environment; needs /proc. */
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const POLL_MS = 20;
const MARK = "SLUICE_TORTURE_MARK";

export class MarkedProcesses {
  #mark = randomUUID();

  get environment() {
    return { [MARK]: this.#mark };
  }

  /** Process ids; those that only wait to be reaped have no environment any more. */
  list() {
    const mark = `${MARK}=${this.#mark}`;
    return readdirSync("/proc")
      .filter((pid) => /^\d+$/.test(pid) && readProc(pid, "environ").includes(mark))
      .map(Number);
  }

  /** The process whose command line has all of these words. */
  find(...words) {
    return this.list().find((pid) => {
      const commandLine = readProc(pid, "cmdline").split("\0");
      return words.every((word) => commandLine.includes(word));
    });
  }

  /** Their command lines, for users. */
  describe(pids) {
    return pids.map((pid) => `${pid} (${readProc(pid, "cmdline").replaceAll("\0", " ").trim()})`).join(", ");
  }

  /** @returns those that still run after the time */
  async gone(timeoutMs) {
    const deadlineMs = performance.now() + timeoutMs;
    let left = this.list();
    while (left.length > 0 && performance.now() < deadlineMs) {
      await sleep(POLL_MS);
      left = this.list();
    }
    return left;
  }

  kill() {
    for (const pid of this.list()) signalProcess(pid, "SIGKILL");
  }
}

/** Sends a signal to a process that may just have ended by itself; returns whether it still ran. */
export function signalProcess(pid, signal) {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
    return false;
  }
}

/** A file of a process, empty if the process has ended meanwhile. */
function readProc(pid, file) {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch (error) {
    if (["ENOENT", "ESRCH", "EACCES"].includes(error.code)) return "";
    throw error;
  }
}
