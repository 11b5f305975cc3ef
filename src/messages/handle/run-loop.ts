/**
 * `starting` → `running` → `stopped`. A failed start goes straight to `stopped`.
 */
export type LoopState = "starting" | "running" | "stopped";

/** The event loop of a module: entered once, left at shutdown or with an error. */
export class RunLoop {
  #state: LoopState = "starting";
  #entered = false;
  #failure: Error | undefined;
  #waiters: { resolve: () => void; reject: (error: Error) => void }[] = [];
  #failed: ((error: Error) => void) | undefined;
  #everRan = false;

  get state(): LoopState {
    return this.#state;
  }

  /** Whether it has ever reported that it runs. */
  get ran(): boolean {
    return this.#everRan;
  }

  /** Whether {@link wait} was called, so that a failure reaches the program. */
  get entered(): boolean {
    return this.#entered;
  }

  /** The error with which the module failed, unless it threw the error. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** @returns whether it did not run before */
  markRunning(): boolean {
    if (this.#state !== "starting") return false;
    this.#state = "running";
    this.#everRan = true;
    return true;
  }

  /** Resolves at {@link stop}, rejects with its error. */
  wait(): Promise<void> {
    this.#entered = true;
    return new Promise((resolve, reject) => {
      if (this.#state !== "stopped") this.#waiters.push({ resolve, reject });
      else if (this.#failure === undefined) resolve();
      else reject(this.#failure);
    });
  }

  /** The first error counts: later ones usually follow from it. */
  stop(error?: Error): void {
    this.#state = "stopped";
    this.#failure ??= error;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) {
      if (error === undefined) waiter.resolve();
      else waiter.reject(error);
    }
    if (error !== undefined && !this.#entered) this.#failed?.(error);
  }

  /** @param listener called when it stops with an error while {@link wait} has not been called */
  onFailure(listener: (error: Error) => void): void {
    this.#failed = listener;
    if (this.#failure !== undefined && !this.#entered) listener(this.#failure);
  }
}
