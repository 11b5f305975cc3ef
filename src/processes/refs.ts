import type { ChildProcess } from "node:child_process";
import { Socket } from "node:net";

/** Makes an object keep this process alive, or releases it. */
type SetRef = (isRef: boolean) => void;

/** The objects of one owner that keep this process alive. All of them do so until `set` releases them. */
export class Refs {
  readonly #setters = new Set<SetRef>();
  #isRef = true;

  /**
   * Adds something that keeps the process alive by itself, and puts it into the present state at once.
   * @returns a function that removes it
   */
  add(setRef: SetRef): () => void {
    this.#setters.add(setRef);
    if (!this.#isRef) setRef(false);
    return () => this.#setters.delete(setRef);
  }

  set(isRef: boolean): void {
    this.#isRef = isRef;
    for (const setRef of this.#setters) setRef(isRef);
  }
}

/** Makes a handle of Node keep this process alive, or releases it. */
export function setRefOf(handle: { ref(): unknown; unref(): unknown }, isRef: boolean): void {
  if (isRef) handle.ref();
  else handle.unref();
}

/** The same for a child process, with the pipes to it. */
export function setChildRef(child: ChildProcess, isRef: boolean): void {
  setRefOf(child, isRef);
  for (const stream of child.stdio) if (stream instanceof Socket) setRefOf(stream, isRef);
}
