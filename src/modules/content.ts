import { isErrno, requestError } from "../errors/index.js";
import { fields, type Handle, type JsonValue, type Payload } from "../messages/index.js";
import { keyValues, numberWithin } from "./arguments/key-values.js";
import { blobref } from "./content/blob.js";
import { ByteLru } from "./content/lru.js";
import { BACKING_SERVICE, blobOf, refOf } from "./content/serve-backing.js";

const DEFAULT_LIMIT_BYTES = String(64 * 1024 * 1024);

/**
 * The content-addressed store: blobs under the digest of their bytes, through a cache of bounded size. On rank 0 it
 * writes through to `content-backing`, on other ranks to the same service of a rank towards 0. Without one it keeps
 * everything in memory, and hands it over when one comes.
 *
 * Arguments: `limit=BYTES`, the size of the cache, 67108864 if absent. Requests: docs/services.md.
 */
export async function modMain(h: Handle, ...args: string[]): Promise<void> {
  const { limit = DEFAULT_LIMIT_BYTES } = keyValues(args, ["limit"]);
  const cache = new ContentCache(h, numberWithin("limit", limit, [0, Number.MAX_SAFE_INTEGER]));
  h.handle("store", async (request) => ({ ref: await cache.store(blobOf(request)) }));
  h.handle("load", (request) => cache.load(refOf(request.payload)));
  h.handle("checkpoint-put", async (request) => {
    const { key, value } = fields(request.payload, { key: "string", value: "json" });
    await cache.putCheckpoint(key, value);
    h.respond(request);
  });
  h.handle("checkpoint-get", async (request) => {
    const { key } = fields(request.payload, { key: "string" });
    return { value: await cache.getCheckpoint(key) };
  });
  h.handle("flush", async (request) => {
    await cache.flush();
    h.respond(request);
  });
  await h.run();
}

class ContentCache {
  readonly #h: Handle;
  /** Blobs that are in the backing too. */
  readonly #clean: ByteLru<Uint8Array>;
  /** Blobs and checkpoints that are nowhere else, because there is no backing. */
  readonly #dirty = new Map<string, Uint8Array>();
  readonly #dirtyCheckpoints = new Map<string, JsonValue>();

  constructor(h: Handle, limitBytes: number) {
    this.#h = h;
    this.#clean = new ByteLru(limitBytes);
  }

  async store(bytes: Uint8Array): Promise<string> {
    const ref = blobref(bytes);
    if (this.#clean.get(ref) === undefined && !(await this.#storeInBacking(ref, bytes))) {
      this.#dirty.set(ref, bytes);
    }
    return ref;
  }

  /** @throws `ENOENT`; `EIO` when the backing gives other bytes than it was given */
  async load(ref: string): Promise<Uint8Array> {
    const held = this.#clean.get(ref) ?? this.#dirty.get(ref);
    if (held !== undefined) return held;
    const answer = await this.#backing("load", { ref });
    if (answer === undefined) throw requestError("ENOENT", `no blob ${ref}, and no ${BACKING_SERVICE}`);
    const bytes = answer.payload instanceof Uint8Array ? answer.payload : new Uint8Array();
    if (blobref(bytes) !== ref) {
      this.#h.log("err", `blob ${ref} is damaged in the backing store`);
      throw requestError("EIO", `blob ${ref} is damaged`);
    }
    this.#clean.set(ref, bytes, bytes.length);
    return bytes;
  }

  async putCheckpoint(key: string, value: JsonValue): Promise<void> {
    // What it refers to must not be less durable than the checkpoint itself.
    await this.#flushBlobs();
    const answer = await this.#backing("checkpoint-put", { key, value });
    if (answer === undefined) this.#dirtyCheckpoints.set(key, value);
    else this.#dirtyCheckpoints.delete(key);
  }

  async getCheckpoint(key: string): Promise<JsonValue> {
    const held = this.#dirtyCheckpoints.get(key);
    if (held !== undefined) return held;
    const answer = await this.#backing("checkpoint-get", { key });
    if (answer === undefined) throw requestError("ENOENT", `no checkpoint '${key}'`);
    return fields(answer.payload, { value: "json" }).value;
  }

  /** @throws `ENOSYS` when something has to go to a backing and there is none */
  async flush(): Promise<void> {
    await this.#flushBlobs();
    for (const [key, value] of this.#dirtyCheckpoints) await this.putCheckpoint(key, value);
    await this.#backing("flush", undefined);
    if (this.#dirty.size > 0 || this.#dirtyCheckpoints.size > 0) {
      throw requestError("ENOSYS", `no ${BACKING_SERVICE} to flush to`);
    }
  }

  async #flushBlobs(): Promise<void> {
    for (const [ref, bytes] of this.#dirty) {
      if (!(await this.#storeInBacking(ref, bytes))) return;
      this.#dirty.delete(ref);
    }
  }

  async #storeInBacking(ref: string, bytes: Uint8Array): Promise<boolean> {
    const answer = await this.#backing("store", bytes);
    if (answer === undefined) return false;
    if (fields(answer.payload, { ref: "string" }).ref !== ref) {
      throw requestError("EIO", "the backing store made another digest of a blob");
    }
    this.#clean.set(ref, bytes, bytes.length);
    return true;
  }

  /** Asks each time, so that a provider may come and go, whoever wrote it. Undefined: there is none. */
  async #backing(method: string, payload: Payload): Promise<{ readonly payload: Payload } | undefined> {
    const [service, rank] = this.#h.rank === 0 ? [BACKING_SERVICE, 0] : [this.#h.name, "upstream" as const];
    try {
      return { payload: await this.#h.rpc(`${service}.${method}`, payload, { rank }) };
    } catch (error) {
      if (isErrno(error, "ENOSYS")) return undefined;
      throw error;
    }
  }
}
