import { messageOf, requestError } from "../../errors/index.js";
import type { Content } from "./content.js";

/** Less than this does not justify a collection while commits continue, or at the end. */
const WORTH_BYTES = 256 * 1024;
const WORTH_AT_END_BYTES = 32 * 1024;

interface GarbageOptions {
  readonly content: Content;
  /** Roots that stay besides the roots of the records. */
  readonly pins: () => readonly string[];
  readonly warn: (text: string) => void;
}

/**
 * Decides when a collection is due. A collection is due once writes have made as much as the store had
 * after the last one: all of that may be garbage. So collections cost a share of the writing, for any size of the
 * store.
 */
export class Garbage {
  readonly #options: GarbageOptions;
  #writtenBytes = 0;
  #liveBytes = 0;
  #holds = 0;
  #running: Promise<void> | undefined;

  constructor(options: GarbageOptions) {
    this.#options = options;
  }

  /** Data from before the start counts as live until the first collection. */
  async begin(): Promise<void> {
    this.#liveBytes = (await this.#options.content.size()) ?? 0;
  }

  wrote(bytes: number): void {
    this.#writtenBytes += bytes;
  }

  /** No collection begins until the returned function is called, because there are new blobs without a reference. */
  hold(): () => void {
    this.#holds++;
    let isHeld = true;
    return () => {
      if (isHeld) this.#holds--;
      isHeld = false;
    };
  }

  /** Call this between two writes. Does not wait. */
  collectIfWorth(): void {
    if (this.#writtenBytes >= Math.max(WORTH_BYTES, this.#liveBytes)) this.#startIfFree();
  }

  /** Call this between two writes. Does not wait. */
  collectIfWritten(): void {
    if (this.#writtenBytes > 0) this.#startIfFree();
  }

  /**
   * Call this between two writes: it collects even a small amount of garbage.
   * @returns `started` false if another collection has to end first
   * @throws `EBUSY` while something is stored that nothing refers to yet, as by a restore
   */
  start(): { readonly started: boolean; readonly ended: Promise<void> } {
    if (this.#holds > 0) throw requestError("EBUSY", "a restore is under way");
    const before = this.#running;
    if (before !== undefined) return { started: false, ended: before };
    return { started: true, ended: this.#start() };
  }

  /** Collects at the end of an instance, because garbage may be a large part of a small store. */
  async finish(): Promise<void> {
    await this.#running;
    if (this.#writtenBytes >= Math.max(WORTH_AT_END_BYTES, this.#liveBytes / 4)) await this.#collect();
  }

  #startIfFree(): void {
    if (this.#running === undefined && this.#holds === 0) void this.#start();
  }

  #start(): Promise<void> {
    this.#running = this.#collect().finally(() => (this.#running = undefined));
    return this.#running;
  }

  async #collect(): Promise<void> {
    this.#writtenBytes = 0;
    try {
      const liveBytes = await this.#options.content.collect(this.#options.pins());
      if (liveBytes !== undefined) this.#liveBytes = liveBytes;
    } catch (error) {
      this.#options.warn(`collection: ${messageOf(error)}`);
    }
  }
}
