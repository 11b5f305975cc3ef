import { syncDirectory } from "./state-directory.js";

/**
 * Makes names in directories durable, with one wait for the disk for all that ask while another wait is going on. A wait
 * that had begun before a rename says nothing about it, so those who come meanwhile share the next one.
 */
export class DirectorySync {
  readonly #running = new Map<string, Promise<void>>();
  readonly #next = new Map<string, Promise<void>>();

  /** Resolves when all names that are in the directory now are durable. */
  sync(directory: string): Promise<void> {
    const running = this.#running.get(directory);
    if (running === undefined) return this.#begin(directory);
    const waiting = this.#next.get(directory);
    if (waiting !== undefined) return waiting;
    const begin = (): Promise<void> => {
      this.#next.delete(directory);
      return this.#begin(directory);
    };
    const next = running.then(begin, begin);
    this.#next.set(directory, next);
    return next;
  }

  #begin(directory: string): Promise<void> {
    const run = syncDirectory(directory).finally(() => {
      if (this.#running.get(directory) === run) this.#running.delete(directory);
    });
    this.#running.set(directory, run);
    return run;
  }
}
