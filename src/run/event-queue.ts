import type { RunEvent } from "./events.js";

/** A queue between a run and its one reader: a writer never waits. The order stays. */
export class EventQueue {
  #events: RunEvent[] = [];
  #wake: (() => void) | undefined;

  push(event: RunEvent): void {
    this.#events.push(event);
    this.#wake?.();
    this.#wake = undefined;
  }

  /** The events since the last call. */
  take(): RunEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  /** Resolves when there is an event to take. */
  eventful(): Promise<void> {
    if (this.#events.length > 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
