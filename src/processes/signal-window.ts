/**
 * A further signal within this time counts as the first one, because GNU `timeout` and service managers send it
 * twice.
 */
export const SAME_SIGNAL_MS = 500;

/** Distinguishes a second signal from a repetition of the first one. */
export class SignalWindow {
  readonly #windowMs: () => number;
  #firstMs: number | undefined;

  /** @param windowMs asked at each signal */
  constructor(windowMs: () => number = () => SAME_SIGNAL_MS) {
    this.#windowMs = windowMs;
  }

  /** Takes a signal that has just arrived; returns whether it is a new one. */
  isNew(): boolean {
    const nowMs = performance.now();
    if (this.#firstMs === undefined) {
      this.#firstMs = nowMs;
      return true;
    }
    return nowMs - this.#firstMs > this.#windowMs();
  }
}
