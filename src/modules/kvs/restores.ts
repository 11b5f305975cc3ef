import { randomUUID } from "node:crypto";
import { requestError } from "../../errors/index.js";
import type { Request } from "../../messages/index.js";
import type { Content } from "./content.js";
import { replaced, Restore, type Restored } from "./restore.js";
import type { KvsStore } from "./store.js";

/** A restore that a client has begun. */
interface Begun {
  readonly restore: Restore;
  readonly id: string;
  readonly sender: string;
  /** From now on it runs to its end, even if its client disconnects: its version may be written already. */
  isFinishing: boolean;
}

/** The restore in progress: one at a time, and only while its client is connected. */
export class Restores {
  readonly #store: KvsStore;
  readonly #content: Content;
  #current: Begun | undefined;

  constructor(store: KvsStore, content: Content) {
    this.#store = store;
    this.#content = content;
  }

  /** @throws `EBUSY` while another one is under way */
  begin({ sender }: Pick<Request, "sender">): string {
    if (this.#current !== undefined) throw requestError("EBUSY", "another restore is under way");
    const id = randomUUID();
    this.#current = { restore: new Restore(this.#store, this.#content), id, sender, isFinishing: false };
    return id;
  }

  /** @param bytes the id, a line end, and whole lines of the dump. @throws `EINVAL` */
  async take(bytes: Uint8Array): Promise<void> {
    const end = bytes.indexOf(0x0a);
    const id = Buffer.from(bytes.subarray(0, Math.max(0, end))).toString();
    const begun = this.#of(id);
    try {
      await begun.restore.take(bytes.subarray(end + 1));
    } catch (error) {
      this.#end(begun);
      throw error;
    }
  }

  /** @throws `EINVAL` */
  async finish(id: string): Promise<Restored> {
    const begun = this.#of(id);
    begun.isFinishing = true;
    try {
      return await begun.restore.finish();
    } finally {
      this.#end(begun);
    }
  }

  /** A client has disconnected. */
  disconnect(sender: string): void {
    if (this.#current?.sender === sender) this.abandon(this.#current.id);
  }

  /** Ends a restore whose client has disconnected. One that is finishing, or has ended, stays as it is. */
  abandon(id: string): void {
    const begun = this.#current;
    if (begun?.id === id && !begun.isFinishing) this.#end(begun);
  }

  #of(id: string): Begun {
    const begun = this.#current;
    if (begun?.id !== id || begun.isFinishing) throw requestError("EINVAL", `restore ${id} is not under way`);
    return begun;
  }

  #end(begun: Begun): void {
    begun.restore.abandon();
    if (this.#current === begun) this.#current = undefined;
  }
}

/**
 * Puts the keys of a checkpoint in the place of all keys.
 * @returns the new version
 * @throws `ENOENT`
 */
export async function restoreCheckpoint(store: KvsStore, number: number): Promise<number> {
  const found = store.checkpoints.find((checkpoint) => checkpoint.number === number);
  if (found === undefined)
    throw requestError("ENOENT", `no checkpoint ${number} (see: sluice kvs checkpoint list)`);
  // A newer checkpoint may end this one before the new version refers to its root.
  const release = store.protect(found.root);
  try {
    return await store.replace((before) => replaced(before, store.treeOf(found.root)));
  } finally {
    release();
  }
}
