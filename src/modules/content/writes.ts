import type { Batch } from "./batch.js";

/** A batch that waits to be written. */
export interface Write {
  readonly batch: Batch;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** The most batches, and the most bytes of blobs, of one write. With more, the first of them would wait for long. */
const GROUP_MAX = { batches: 1000, bytes: 32 * 1024 * 1024 } as const;

/** Batches that wait. All that arrive during a write share the next one, and its wait for the disk. */
export class Writes {
  #waiting: Write[] = [];

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** @returns resolves when the batch is written */
  add(batch: Batch): Promise<void> {
    return new Promise((resolve, reject) => this.#waiting.push({ batch, resolve, reject }));
  }

  /** Takes the oldest batches, as many as fit into one write. */
  take(): readonly Write[] {
    let bytes = 0;
    let count = 0;
    for (const { batch } of this.#waiting) {
      if (count > 0 && (count === GROUP_MAX.batches || bytes > GROUP_MAX.bytes)) break;
      for (const blob of batch.blobs) bytes += blob.bytes.length;
      count++;
    }
    const group = this.#waiting.slice(0, count);
    this.#waiting = this.#waiting.slice(count);
    return group;
  }
}
