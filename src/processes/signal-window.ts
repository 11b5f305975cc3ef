/** Within this time of the first, a further signal is the same one, as GNU `timeout` and service managers send it twice. */
export const SAME_SIGNAL_MS = 500;

/** Tells a second signal from the first one that comes twice. */
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
