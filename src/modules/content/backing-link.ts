import { isErrno, requestError } from "../../errors/index.js";
import { fields, type Handle, type JsonValue, type Payload } from "../../messages/index.js";
import { RemoteService, type ServicePlace } from "../life/remote-service.js";
import { type Batch, decodeBatch } from "./batch.js";
import type { StoredBlob } from "./blob.js";
import type { Collected } from "./collection.js";

/** The number of blobs that may be under way to a provider that takes them one by one. */
const BLOBS_AT_ONCE = 64;

/** The data that waits for the provider. */
export interface Unsaved {
  readonly writes: number;
  readonly bytes: number;
}

/** The way to the durable store: the provider of `content-backing`, or from another rank the `content` towards 0. */
export class BackingLink {
  readonly #remote: RemoteService;
  /** Writes that are not answered yet, with their bytes. */
  readonly #unsaved = new Map<Promise<unknown>, number>();
  /** Whether the provider takes no batches, because it was written for an earlier version. */
  #isSimple = false;

  constructor(h: Handle, place: ServicePlace) {
    this.#remote = new RemoteService(h, place);
  }

  get unsaved(): Unsaved {
    let bytes = 0;
    for (const size of this.#unsaved.values()) bytes += size;
    return { writes: this.#unsaved.size, bytes };
  }

  /** @throws `EAGAIN` without a provider within the time; the provider's own error */
  async store({ ref, bytes }: StoredBlob): Promise<void> {
    checkAnswer(ref, await this.#write(bytes.length, () => this.#remote.call("store", bytes)));
  }

  /** @param payload a batch in the form of `content.commit` */
  async commit(payload: Uint8Array): Promise<void> {
    await this.#write(payload.length, () => this.#remote.patiently(() => this.#tryCommit(payload)));
  }

  async putRecord(key: string, value: JsonValue): Promise<void> {
    await this.#write(0, () => this.#remote.call("checkpoint-put", { key, value }));
  }

  /** Undefined where the provider has no such blob. */
  async load(ref: string): Promise<Uint8Array | undefined> {
    const bytes = await unlessMissing(this.#remote.call("load", { ref }));
    if (bytes === undefined) return undefined;
    return bytes instanceof Uint8Array ? bytes : new Uint8Array();
  }

  async record(key: string): Promise<JsonValue | undefined> {
    const answer = await unlessMissing(this.#remote.call("checkpoint-get", { key }));
    return answer === undefined ? undefined : fields(answer, { value: "json" }).value;
  }

  /** @throws `ENOSYS` without a provider, or with one that does not collect */
  async collect(pins: readonly string[]): Promise<Collected> {
    const answer = await this.#remote.once("collect", { pins });
    return fields(answer, { bytes: "integer", liveBytes: "integer" });
  }

  /** The status of the provider. @throws `ENOSYS` without a provider */
  async status(): Promise<Readonly<Record<string, JsonValue>>> {
    const { provider, bytes, walBytes } = fields(await this.#remote.once("status"), {
      provider: "string?",
      bytes: "integer?",
      walBytes: "integer?",
    });
    return { provider: provider ?? "", bytes: bytes ?? 0, walBytes: walBytes ?? 0 };
  }

  /** Resolves when a provider runs. */
  appears(): Promise<void> {
    return this.#remote.appears();
  }

  /** From now on no write waits for a provider. */
  waitNoMore(): void {
    this.#remote.waitNoMore();
  }

  /**
   * Resolves when all waiting data has been saved.
   * @throws the error of the first write that failed
   */
  async flush(): Promise<void> {
    await Promise.all(this.#unsaved.keys());
  }

  async #write(bytes: number, run: () => Promise<Payload>): Promise<Payload> {
    const writing = run();
    this.#unsaved.set(writing, bytes);
    try {
      return await writing;
    } finally {
      this.#unsaved.delete(writing);
    }
  }

  /** `ENOSYS` of a batch means that no provider exists, or that it accepts only single blobs. */
  async #tryCommit(payload: Uint8Array): Promise<Payload> {
    if (!this.#isSimple) {
      try {
        return await this.#remote.once("commit", payload);
      } catch (error) {
        if (!isErrno(error, "ENOSYS")) throw error;
      }
    }
    // The next provider may be a different one.
    this.#isSimple = false;
    await this.#storeOneByOne(decodeBatch(payload));
    this.#isSimple = true;
    return undefined;
  }

  async #storeOne({ ref, bytes }: StoredBlob): Promise<void> {
    checkAnswer(ref, await this.#remote.once("store", bytes));
  }

  /** The link sends a record after the answers to all blobs, because a record must not refer to a missing blob. */
  async #storeOneByOne({ blobs, records }: Batch): Promise<void> {
    for (let at = 0; at < blobs.length; at += BLOBS_AT_ONCE) {
      const some = blobs.slice(at, at + BLOBS_AT_ONCE);
      await Promise.all(some.map((blob) => this.#storeOne(blob)));
    }
    for (const [key, value] of Object.entries(records)) {
      await this.#remote.once("checkpoint-put", { key, value });
    }
  }
}

function checkAnswer(ref: string, answer: Payload): void {
  if (fields(answer, { ref: "string" }).ref !== ref) {
    throw requestError("EIO", "the backing store made another digest of a blob");
  }
}

async function unlessMissing(answer: Promise<Payload>): Promise<Payload> {
  try {
    return await answer;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}
