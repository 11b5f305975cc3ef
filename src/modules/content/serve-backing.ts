import { requestError } from "../../errors/index.js";
import { fields, type Handle, type JsonValue, type Payload, type Request } from "../../messages/index.js";
import { blobref, isBlobref } from "./blob.js";

/** A durable store of blobs: what a provider of `content-backing` is made of. */
export interface Backing {
  /** Resolves when neither the end of this process nor that of the machine can lose it. */
  store(ref: string, bytes: Uint8Array): Promise<void>;
  load(ref: string): Promise<Uint8Array | undefined>;
  /** As durable as `store`; puts of one key take effect in the order of the calls. */
  putCheckpoint(key: string, value: JsonValue): Promise<void>;
  getCheckpoint(key: string): Promise<JsonValue | undefined>;
}

/** The service that the cache looks for. */
export const BACKING_SERVICE = "content-backing";

/** Answers the requests of `content-backing` (docs/services.md) out of a store, and registers the service. */
export async function serveBacking(h: Handle, backing: Backing): Promise<void> {
  h.handle("store", async (request) => {
    const bytes = blobOf(request);
    const ref = blobref(bytes);
    await backing.store(ref, bytes);
    return { ref };
  });
  h.handle("load", async (request) => {
    const ref = refOf(request.payload);
    const bytes = await backing.load(ref);
    if (bytes === undefined) throw requestError("ENOENT", `no blob ${ref}`);
    return bytes;
  });
  h.handle("checkpoint-put", async (request) => {
    const { key, value } = fields(request.payload, { key: "string", value: "json" });
    await backing.putCheckpoint(key, value);
    h.respond(request);
  });
  h.handle("checkpoint-get", async (request) => {
    const { key } = fields(request.payload, { key: "string" });
    const value = await backing.getCheckpoint(key);
    if (value === undefined) throw requestError("ENOENT", `no checkpoint '${key}'`);
    return { value };
  });
  // What was answered is durable already.
  h.handle("flush", (request) => {
    h.respond(request);
  });
  await h.registerService(BACKING_SERVICE);
}

/**
 * The blob that a `store` carries; no payload is the empty one.
 * @throws `EPROTO` for JSON
 */
export function blobOf(request: Request): Uint8Array {
  const { payload = new Uint8Array() } = request;
  if (payload instanceof Uint8Array) return payload;
  throw requestError("EPROTO", `${request.topic} takes raw bytes`);
}

/** @throws `EINVAL` for what is no reference */
export function refOf(payload: Payload): string {
  const { ref } = fields(payload, { ref: "string" });
  if (!isBlobref(ref)) throw requestError("EINVAL", `'${ref.slice(0, 80)}' is no reference of a blob`);
  return ref;
}
