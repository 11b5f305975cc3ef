import { messageOf, requestError } from "../../errors/index.js";
import type { Handle, JsonValue } from "../../messages/index.js";
import { sleep } from "../../processes/index.js";
import { isAway } from "../life/remote-service.js";
import type { BackingLink } from "./backing-link.js";
import { type Batch, batchOf, decodeBatch, encodeBatch } from "./batch.js";
import { blobref, type StoredBlob } from "./blob.js";
import type { Collected } from "./collection.js";
import { ByteLru } from "./lru.js";
import { MemoryStore } from "./memory-store.js";
import { BACKING_SERVICE } from "./serve-backing.js";

const HANDOVER_PAUSE_MS = 1000;

/**
 * Blobs and records in the durable store, through a cache. Without a durable store, and without the prospect of one,
 * they are in memory. The first provider that answers gets them. From then on every answer means that the write is
 * durable.
 */
export class ContentStore {
  readonly #h: Handle;
  readonly #link: BackingLink;
  /** Blobs that are in the backing too. */
  readonly #cache: ByteLru<Uint8Array>;
  /** Undefined once answers mean that the write is durable. */
  #memory: MemoryStore | undefined;
  #handover: Promise<void> | undefined;

  constructor(
    h: Handle,
    link: BackingLink,
    options: { readonly cacheBytes: number; readonly isDurable: boolean },
  ) {
    this.#h = h;
    this.#link = link;
    this.#cache = new ByteLru(options.cacheBytes);
    if (options.isDurable) return;
    this.#memory = new MemoryStore();
    void this.#awaitProvider(this.#memory);
  }

  async store(bytes: Uint8Array): Promise<string> {
    const blob = { ref: blobref(bytes), bytes };
    await this.#write({ blobs: [blob], records: {}, kept: true }, () => this.#link.store(blob));
    return blob.ref;
  }

  /** @param payload a batch, in the form of docs/services.md */
  async commit(payload: Uint8Array): Promise<void> {
    const batch = this.#memory === undefined ? decodeBatch(payload) : batchOf(payload);
    await this.#write(batch, () => this.#link.commit(payload));
  }

  async putRecord(key: string, value: JsonValue): Promise<void> {
    await this.#write({ blobs: [], records: { [key]: value } }, () => this.#link.putRecord(key, value));
  }

  /** @throws `ENOENT`; `EIO` when the backing gives other bytes than it was given; `EAGAIN` while it is away */
  async load(ref: string): Promise<Uint8Array> {
    const held = this.#cache.get(ref) ?? (await this.#memory?.load(ref));
    if (held !== undefined) return held;
    if (this.#memory !== undefined) throw requestError("ENOENT", `no blob ${ref}, and no ${BACKING_SERVICE}`);
    const bytes = await this.#link.load(ref);
    if (bytes === undefined) throw requestError("ENOENT", `no blob ${ref}`);
    if (blobref(bytes) !== ref) {
      this.#h.log("err", `blob ${ref} is damaged in the backing store`);
      throw requestError("EIO", `blob ${ref} is damaged`);
    }
    this.#remember({ ref, bytes });
    return bytes;
  }

  /** @throws `ENOENT` */
  async record(key: string): Promise<JsonValue> {
    const value = await (this.#memory ?? this.#link).record(key);
    if (value === undefined) throw requestError("ENOENT", `no checkpoint '${key}'`);
    return value;
  }

  /** @throws `ENOSYS` where nothing can be collected */
  async collect(pins: readonly string[]): Promise<Collected> {
    return await (this.#memory ?? this.#link).collect(pins);
  }

  /**
   * Resolves when all waiting data is saved.
   * @param isFinal whether the instance ends, so that no write waits for a provider any more
   * @throws `ENOSYS` if data is in memory and no provider has ever run; `EAGAIN` while the provider is missing
   */
  async flush(isFinal: boolean): Promise<void> {
    if (isFinal) this.#link.waitNoMore();
    await this.#handover;
    await this.#link.flush();
    const left = this.#memory?.blobCount ?? 0;
    if (this.#memory?.isEmpty === false) {
      throw requestError(
        "ENOSYS",
        `cannot flush: ${left} blobs are in memory only, because no ${BACKING_SERVICE} has ever run`,
      );
    }
  }

  async status(): Promise<Readonly<Record<string, JsonValue>>> {
    const { writes, bytes } = this.#link.unsaved;
    const memory = this.#memory;
    const unsaved = { writes, bytes: bytes + (memory?.size().bytes ?? 0) };
    return { durable: memory === undefined, unsaved, backing: memory ? null : await this.#backingStatus() };
  }

  async #backingStatus(): Promise<JsonValue> {
    try {
      return await this.#link.status();
    } catch (error) {
      if (isAway(error)) return null;
      throw error;
    }
  }

  async #write(batch: Batch, send: () => Promise<void>): Promise<void> {
    // Writes during the handover wait behind it. The outcome of the handover does not affect this write.
    await this.#handover?.catch(() => undefined);
    if (this.#memory !== undefined) {
      await this.#memory.commit(batch);
      return;
    }
    await send();
    for (const blob of batch.blobs) this.#remember(blob);
  }

  /** A copy and not a view, which would keep the whole received message in memory. */
  #remember({ ref, bytes }: StoredBlob): void {
    const isView = bytes.byteLength !== bytes.buffer.byteLength;
    this.#cache.set(ref, isView ? Uint8Array.from(bytes) : bytes, bytes.length);
  }

  /** Writes the data in memory to the first provider that accepts it. */
  async #awaitProvider(memory: MemoryStore): Promise<void> {
    while (this.#memory !== undefined && (await this.#appears())) {
      this.#handover = this.#handOver(memory).finally(() => (this.#handover = undefined));
      try {
        await this.#handover;
      } catch (error) {
        this.#h.log("err", `cannot store the data in memory: ${messageOf(error)}`);
        // The provider runs, but did not accept the data. A later attempt may succeed.
        await sleep(HANDOVER_PAUSE_MS);
      }
    }
  }

  /** @returns false when no provider can appear any more, because the handle has closed */
  async #appears(): Promise<boolean> {
    try {
      await this.#link.appears();
      return true;
    } catch (error) {
      this.#h.log("debug", `stopped waiting for ${BACKING_SERVICE}: ${messageOf(error)}`);
      return false;
    }
  }

  async #handOver(memory: MemoryStore): Promise<void> {
    for (const batch of memory.batches()) await this.#link.commit(encodeBatch(batch));
    this.#memory = undefined;
    memory.clear();
    this.#h.log("info", `durable from now on: ${BACKING_SERVICE} has the data that was in memory`);
  }
}
