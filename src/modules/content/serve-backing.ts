import { requestError } from "../../errors/index.js";
import {
  type Handle,
  type JsonValue,
  type Payload,
  type Request,
  requestFields,
} from "../../messages/index.js";
import { BegunRequests } from "../life/begun-requests.js";
import type { Backing } from "./backing.js";
import { batchOf } from "./batch.js";
import { blobref, checkBlobref } from "./blob.js";

/** The service that the cache uses. */
export const BACKING_SERVICE = "content-backing";

/**
 * Answers the requests of `content-backing` (docs/services.md) out of a store, and registers the service.
 * @param about further fields of `status`
 * @returns the requests in progress
 */
export async function serveBacking(
  h: Handle,
  backing: Backing,
  about: Readonly<Record<string, JsonValue>> = {},
): Promise<BegunRequests> {
  const begun = new BegunRequests(h);
  begun.handle("store", async (request) => {
    const bytes = blobOf(request);
    const ref = blobref(bytes);
    await backing.commit({ blobs: [{ ref, bytes }], records: {}, kept: true });
    return { ref };
  });
  begun.handle("commit", async (request) => {
    await backing.commit(batchOf(request.payload));
    h.respond(request);
  });
  begun.handle("load", async (request) => {
    const ref = refOf(request.payload);
    const bytes = await backing.load(ref);
    if (bytes === undefined) throw requestError("ENOENT", `no blob ${ref}`);
    return bytes;
  });
  begun.handle("checkpoint-put", async (request) => {
    const { key, value } = requestFields(request.payload, { key: "string", value: "json" });
    await backing.commit({ blobs: [], records: { [key]: value } });
    h.respond(request);
  });
  begun.handle("checkpoint-get", async (request) => {
    const { key } = requestFields(request.payload, { key: "string" });
    const value = await backing.record(key);
    if (value === undefined) throw requestError("ENOENT", `no checkpoint '${key}'`);
    return { value };
  });
  begun.handle("collect", async (request) => {
    const { pins } = requestFields(request.payload, { pins: "string[]" });
    return { ...(await backing.collect(pins.map(checkBlobref))) };
  });
  h.handle("status", () => ({ provider: h.name, ...backing.size(), ...about }));
  // All answered writes are already durable.
  h.handle("flush", (request) => {
    h.respond(request);
  });
  await h.registerService(BACKING_SERVICE);
  return begun;
}

/**
 * The blob of a `store` request. A missing payload is the empty blob.
 * @throws `EPROTO` for JSON
 */
export function blobOf(request: Request): Uint8Array {
  const { payload = new Uint8Array() } = request;
  if (payload instanceof Uint8Array) return payload;
  throw requestError("EPROTO", `${request.topic} accepts only raw bytes`);
}

/** @throws `EINVAL` for an invalid reference */
export function refOf(payload: Payload): string {
  return checkBlobref(requestFields(payload, { ref: "string" }).ref);
}
