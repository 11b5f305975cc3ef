import { requestError } from "../../errors/index.js";
import type { Request } from "../../messages/index.js";
import type { Content } from "./content.js";
import { Restore, type Restored } from "./restore.js";
import type { KvsStore } from "./store.js";

/** The restore in progress: one at a time, and only while its client is connected. */
export class Restores {
  readonly #store: KvsStore;
  readonly #content: Content;
  #current: { readonly restore: Restore; readonly id: string; readonly sender: string } | undefined;
  #count = 0;

  constructor(store: KvsStore, content: Content) {
    this.#store = store;
    this.#content = content;
  }

  /** @throws `EBUSY` while another one is under way */
  begin({ sender }: Request): string {
    if (this.#current !== undefined) throw requestError("EBUSY", "another restore is under way");
    const id = String(++this.#count);
    this.#current = { restore: new Restore(this.#store, this.#content), id, sender };
    return id;
  }

  /** @param bytes the id, a line end, and whole lines of the dump. @throws `EINVAL` */
  async take(bytes: Uint8Array): Promise<void> {
    const end = bytes.indexOf(0x0a);
    const id = Buffer.from(bytes.subarray(0, Math.max(0, end))).toString();
    const restore = this.#of(id);
    try {
      await restore.take(bytes.subarray(end + 1));
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  /** @throws `EINVAL` */
  async finish(id: string): Promise<Restored> {
    const restore = this.#of(id);
    try {
      return await restore.finish();
    } finally {
      this.#end();
    }
  }

  /** A client has disconnected. */
  disconnect(sender: string): void {
    if (this.#current?.sender === sender) this.#end();
  }

  #of(id: string): Restore {
    if (this.#current?.id !== id) throw requestError("EINVAL", `restore ${id} is not under way`);
    return this.#current.restore;
  }

  #end(): void {
    this.#current?.restore.abandon();
    this.#current = undefined;
  }
}
