import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Writable } from "node:stream";

/**
 * Keeps the process groups that it is told of, and kills them once its standard input has ended, which it does however
 * the broker dies. The builtins of a shell are all that it takes.
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
`;

type Guard = ChildProcessByStdio<Writable, null, null>;

/**
 * Sees to it that process groups die with this process, even if it is killed. The kernel does that for a child
 * (`parentDeathPrefix`), but not for what the child has started. One small process does it for all groups, from the
 * first on.
 */
export class GroupGuard {
  readonly #groups = new Set<number>();
  readonly #onError: (error: Error) => void;
  #guard: Guard | undefined;

  /** @param onError groups cannot be guarded, and why */
  constructor(onError: (error: Error) => void) {
    this.#onError = onError;
  }

  add(pgid: number): void {
    this.#groups.add(pgid);
    if (this.#guard === undefined) this.#guard = this.#start();
    else this.#guard.stdin.write(`+ ${pgid}\n`);
  }

  /** The group has ended; its number may be another's soon. */
  delete(pgid: number): void {
    if (this.#groups.delete(pgid)) this.#guard?.stdin.write(`- ${pgid}\n`);
  }

  /** Ends the guard, and kills what is left of the groups; resolves when it is gone. */
  async close(): Promise<void> {
    const guard = this.#guard;
    this.#guard = undefined;
    if (guard === undefined) return;
    const gone = new Promise<void>((resolve) => guard.once("close", () => resolve()));
    guard.ref();
    guard.stdin.end();
    await gone;
  }

  /** Told of all groups that there are: an earlier guard may have been killed. */
  #start(): Guard {
    // In a session of its own: what ends the broker must not end it before its work is done.
    const guard = spawn("/bin/sh", ["-c", SCRIPT], {
      detached: true,
      env: {},
      cwd: "/",
      stdio: ["pipe", "ignore", "ignore"],
    });
    const lost = (error?: Error): void => {
      if (this.#guard === guard) this.#guard = undefined;
      if (error !== undefined) this.#onError(error);
    };
    guard.once("error", lost);
    guard.once("exit", () => lost());
    // A guard that has ended is noticed by its exit.
    guard.stdin.on("error", () => guard.stdin.destroy());
    guard.stdin.write([...this.#groups].map((pgid) => `+ ${pgid}\n`).join(""));
    guard.unref();
    return guard;
  }
}
