import type { ChildProcess } from "node:child_process";
import type { Mark } from "./mark.js";
import { spawnSafely } from "./spawn-safely.js";

/**
 * Keeps the process groups that it receives, and kills them once its standard input has ended. That ends however this
 * process ends. After the grace time it also kills all processes with the mark. It needs only a shell, grep and
 * sleep.
 */
const SCRIPT = `
groups=
while read -r change group; do
  case $change in
    +) groups="$groups $group" ;;
    -) kept=
       for one in $groups; do [ "$one" = "$group" ] || kept="$kept $one"; done
       groups=$kept ;;
  esac
done
for one in $groups; do kill -KILL "-$one"; done 2>/dev/null
[ -n "$1" ] || exit 0
sleep "$2"
for round in 1 2 3 4 5 6 7 8; do
  found=$(grep -lsF -e "$1" /proc/[0-9]*/environ)
  [ -n "$found" ] || exit 0
  for file in $found; do pid=\${file#/proc/}; kill -KILL "\${pid%/environ}"; done 2>/dev/null
  [ "$round" -lt 4 ] || sleep 1
done
`;

export interface GuardOptions {
  /** The mark of further processes to kill. */
  readonly mark?: Mark | undefined;
  /** How long that may take to end by itself, in whole seconds. Default: 0. */
  readonly graceSeconds?: number | undefined;
  /** Called with the reason if the guard does not run. */
  readonly onError?: ((error: Error) => void) | undefined;
}

/**
 * Ensures that the processes that this process has started end with it, even after a SIGKILL. The kernel does that
 * for a child (`parentDeathPrefix`), but not for processes that the child has started. One small process does it for
 * all groups, from the first one on.
 */
export class Guard {
  readonly #options: GuardOptions;
  readonly #groups = new Set<number>();
  #guard: ChildProcess | undefined;

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  /** Starts the guard, if it has not started or was killed. */
  stand(): void {
    this.#guard ??= this.#start();
  }

  add(pgid: number): void {
    this.#groups.add(pgid);
    if (this.#guard === undefined) this.stand();
    else this.#guard.stdin?.write(`+ ${pgid}\n`);
  }

  /** The group has ended. Another process may get its number. */
  delete(pgid: number): void {
    if (this.#groups.delete(pgid)) this.#guard?.stdin?.write(`- ${pgid}\n`);
  }

  /** Ends the guard, and kills the remaining processes. Resolves when it has ended. */
  async close(): Promise<void> {
    const guard = this.#guard;
    this.#guard = undefined;
    if (guard?.pid === undefined) return;
    const gone = new Promise<void>((resolve) => guard.once("close", () => resolve()));
    guard.ref();
    guard.stdin?.end();
    await gone;
  }

  /** Ends the guard at once, without killing any process. */
  release(): void {
    const guard = this.#guard;
    this.#guard = undefined;
    guard?.kill("SIGKILL");
  }

  /** Called with all groups, because an earlier guard may have been killed. */
  #start(): ChildProcess {
    const { mark, graceSeconds = 0, onError } = this.#options;
    // The guard has a session of its own, so that a signal to this process does not end it too early. The guard
    // itself has no mark.
    const guard = spawnSafely(
      "/bin/sh",
      ["-c", SCRIPT, "sluice-guard", mark?.text ?? "", String(graceSeconds)],
      {
        detached: true,
        env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin" },
        cwd: "/",
        stdio: ["pipe", "ignore", "ignore"],
      },
    );
    const lost = (error?: Error): void => {
      if (this.#guard === guard) this.#guard = undefined;
      if (error !== undefined) onError?.(error);
    };
    guard.once("error", lost);
    guard.once("exit", () => lost());
    // Its exit shows that it no longer reads.
    guard.stdin?.on("error", () => guard.stdin?.destroy());
    guard.stdin?.write([...this.#groups].map((pgid) => `+ ${pgid}\n`).join(""));
    guard.unref();
    return guard;
  }
}
