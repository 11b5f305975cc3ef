import { Guard } from "./guard.js";
import { type Mark, markOf } from "./mark.js";

let own: { readonly mark: Mark; readonly guard: Guard | undefined } | undefined;

/** How to become an owner. */
export interface OwnerOptions {
  /**
   * How many seconds its processes may take to end by themselves after a SIGKILL of this process. Undefined: another
   * process does that.
   */
  readonly graceSeconds: number | undefined;
}

/**
 * Makes this process the owner of all processes that it starts from now on. They have its mark. A SIGKILL of
 * this process ends them too. A process that ends cleanly does not kill them, unless it sweeps them itself.
 * @returns the mark; undefined without `/proc`
 */
export function becomeOwner({ graceSeconds }: OwnerOptions): Mark | undefined {
  const mark = markOf(process.pid);
  if (mark === undefined) return undefined;
  const guard = graceSeconds === undefined ? undefined : new Guard({ mark, graceSeconds });
  own = { mark, guard };
  if (guard !== undefined) process.once("exit", () => guard.release());
  return mark;
}

/** The mark for processes to start. Its guard is ready before the first starts. */
export function owner(): Mark | undefined {
  own?.guard?.stand();
  return own?.mark;
}
