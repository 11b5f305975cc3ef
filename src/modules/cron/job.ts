import { type ChildProcess, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { isErrno } from "../../errors/index.js";

/** A longer line of output is logged in pieces. */
const LINE_MAX = 4096;
/** Between SIGTERM and SIGKILL. */
const GRACE_MS = 500;

/** What a job tells. */
export interface JobListener {
  line(stream: "stdout" | "stderr", text: string): void;
}

/** A shell command in a process group of its own. */
export class Job {
  readonly #child: ChildProcess;
  /** Resolves to what went wrong, in words, or undefined after exit status 0. */
  readonly ended: Promise<string | undefined>;

  constructor(command: string, listener: JobListener) {
    const child = spawn("bash", ["-c", command], { detached: true, stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    readLines(child.stdout, (text) => listener.line("stdout", text));
    readLines(child.stderr, (text) => listener.line("stderr", text));
    this.ended = new Promise((resolve) => {
      child.once("error", (error) => resolve(error.message));
      // Not `close`: a process that the command left behind may hold the pipes for ever.
      child.once("exit", (code, signal) => {
        if (signal !== null) resolve(`died by signal ${signal}`);
        else resolve(code === 0 ? undefined : `exited with exit status ${code ?? "unknown"}`);
      });
    });
  }

  /** Ends the whole process group, resolves when the command is gone. */
  async kill(): Promise<void> {
    this.#signal("SIGTERM");
    const timer = setTimeout(() => this.#signal("SIGKILL"), GRACE_MS);
    await this.ended;
    clearTimeout(timer);
    // The command has ended, but perhaps not what it had started.
    this.#signal("SIGKILL");
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch (error) {
      const gone = error instanceof Error && "code" in error && error.code === "ESRCH";
      if (!gone && !isErrno(error, "EPERM")) throw error;
    }
  }
}

function readLines(stream: Readable, take: (line: string) => void): void {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) take(line);
    while (rest.length > LINE_MAX) {
      take(rest.slice(0, LINE_MAX));
      rest = rest.slice(LINE_MAX);
    }
  });
  stream.once("end", () => {
    if (rest !== "") take(rest);
  });
}
