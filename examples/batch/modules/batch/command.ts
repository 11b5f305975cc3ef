import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { open } from "node:fs/promises";
import { constants } from "node:os";
import { isErrno, requestError } from "sluice";
import type { CommandEnd } from "./job.js";

/** Between SIGTERM and SIGKILL. */
const GRACE_MS = 2000;
/** Node counts milliseconds in 31 bits, and fires at once beyond that. */
const TIMER_MAX_MS = 2 ** 31 - 1;
/** Of output, how much one answer has at most. */
const CHUNK_BYTES = 256 * 1024;

/**
 * Runs "$@" as the leader of the group, and beside it one that waits for the end of descriptor 3 and then kills the group:
 * if the broker is killed, the kernel closes that, and no process is left behind. It has no parent of ours, so that
 * the command has none that it did not start.
 */
const WATCHED = `({ trap '' HUP INT TERM; read -r _ <&3; kill -KILL 0; } >/dev/null 2>&1 &); exec "$@" 3<&-`;

interface CommandOrder {
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, unknown>>;
  /** Infinity for no limit. */
  readonly durationMs: number;
  /** Path of the output files without their suffix. */
  readonly output: string;
}

type End = Omit<CommandEnd, "id">;

/** A command in a process group of its own. */
export class RunningCommand {
  /** Resolves when the command and all that it left in its group are gone. */
  readonly ended: Promise<End>;
  readonly #child: ChildProcess;
  #isTimeout = false;
  #note = "";
  #limit: NodeJS.Timeout | undefined;
  #grace: NodeJS.Timeout | undefined;

  private constructor(child: ChildProcess, durationMs: number) {
    this.#child = child;
    this.#limitTo(Date.now() + durationMs);
    this.ended = once(child, "exit").then(([code, signal]: unknown[]) => {
      clearTimeout(this.#limit);
      clearTimeout(this.#grace);
      this.#signal("SIGKILL");
      return { status: statusOf(code, signal), isTimeout: this.#isTimeout, note: this.#note };
    });
  }

  /** @throws a system error if its directory or its output files are missing */
  static async start({ command, cwd, env, durationMs, output }: CommandOrder): Promise<RunningCommand> {
    const files = [await open(`${output}.out`, "w", 0o600)];
    try {
      files.push(await open(`${output}.err`, "w", 0o600));
      const child = spawn("bash", ["-c", WATCHED, "job", ...command], {
        detached: true,
        cwd,
        env: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, String(value)])),
        stdio: ["ignore", ...files.map(({ fd }) => fd), "pipe"],
      });
      await started(child, cwd);
      return new RunningCommand(child, durationMs);
    } finally {
      await Promise.all(files.map((file) => file.close()));
    }
  }

  /** Asks the whole group to end, and makes it end a little later. */
  kill(note = ""): void {
    if (this.#grace !== undefined) return;
    this.#note = note;
    this.#signal("SIGTERM");
    this.#grace = setTimeout(() => this.#signal("SIGKILL"), GRACE_MS);
  }

  #limitTo(endsAtMs: number): void {
    if (endsAtMs === Infinity) return;
    this.#limit = setTimeout(
      () => {
        if (Date.now() < endsAtMs) {
          this.#limitTo(endsAtMs);
          return;
        }
        this.#isTimeout = true;
        this.kill("its duration was over");
      },
      Math.min(TIMER_MAX_MS, Math.max(0, endsAtMs - Date.now())),
    );
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, signal);
    } catch (error) {
      // All of them have ended already.
      if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
    }
  }
}

/** Node blames the program where it is the directory that is missing. */
async function started(child: ChildProcess, cwd: string): Promise<void> {
  try {
    await once(child, "spawn");
  } catch (error) {
    if (isErrno(error, "ENOENT")) throw requestError("ENOENT", `${cwd}: No such directory`, error);
    throw error;
  }
}

/** As a shell has it. */
function statusOf(code: unknown, signal: unknown): number {
  if (typeof code === "number") return code;
  const numbers: Readonly<Record<string, number>> = constants.signals;
  return 128 + (numbers[String(signal)] ?? 0);
}

/**
 * The bytes of a file from an offset on, up to a limit; empty at its end.
 * @throws `ENOENT`
 */
export async function readOutput(path: string, offset: number): Promise<Uint8Array> {
  const file = await open(path, "r");
  try {
    const { bytesRead, buffer } = await file.read(
      Buffer.alloc(CHUNK_BYTES),
      0,
      CHUNK_BYTES,
      Math.max(0, offset),
    );
    return new Uint8Array(buffer.subarray(0, bytesRead));
  } finally {
    await file.close();
  }
}
