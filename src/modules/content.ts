import { requestError } from "../errors/index.js";
import { type Handle, requestFields } from "../messages/index.js";
import { delayAttribute } from "./arguments/attributes.js";
import { keyValues, numberWithin } from "./arguments/key-values.js";
import { BackingLink } from "./content/backing-link.js";
import { checkBlobref } from "./content/blob.js";
import { ContentStore } from "./content/content-store.js";
import { durabilityOf } from "./content/durability.js";
import { BACKING_SERVICE, blobOf, refOf } from "./content/serve-backing.js";
import { BegunRequests } from "./life/begun-requests.js";

const DEFAULT_LIMIT_BYTES = String(64 * 1024 * 1024);

/**
 * The content-addressed store: blobs under the digest of their bytes, through a cache of bounded size. On rank 0 it
 * writes through to `content-backing`, on other ranks to the same service of a rank towards 0. An answer to a write
 * means that the write is durable, unless the instance has no durable store. This module reports that when it starts
 * (docs/store.md).
 *
 * Arguments: `limit=BYTES`, the size of the cache, 67108864 if absent. Requests: docs/services.md.
 */
export async function modMain(h: Handle, ...args: string[]): Promise<void> {
  const { limit = DEFAULT_LIMIT_BYTES } = keyValues(args, ["limit"]);
  const cacheBytes = numberWithin("limit", limit, [0, Number.MAX_SAFE_INTEGER]);
  const { isDurable, why } = await durabilityOf(h);
  if (isDurable) h.log("info", `durable: ${why}`);
  else h.log("notice", `not durable, with all data only in memory: ${why}`);
  const link = new BackingLink(h, {
    ...(h.rank === 0
      ? { service: BACKING_SERVICE, rank: 0 }
      : { service: h.name, rank: "upstream" as const }),
    waitMs: await delayAttribute(h, "content.wait", "30s"),
    waitAttribute: "content.wait",
  });
  const begun = new BegunRequests(h);
  serve(begun, h, new ContentStore(h, link, { cacheBytes, isDurable }));
  await h.run();
  await begun.idle();
}

function serve(begun: BegunRequests, h: Handle, store: ContentStore): void {
  begun.handle("store", async (request) => ({ ref: await store.store(blobOf(request)) }));
  begun.handle("commit", async (request) => {
    const { payload } = request;
    if (!(payload instanceof Uint8Array))
      throw requestError("EPROTO", `${request.topic} accepts only raw bytes`);
    await store.commit(payload);
    h.respond(request);
  });
  begun.handle("load", (request) => store.load(refOf(request.payload)));
  begun.handle("checkpoint-put", async (request) => {
    const { key, value } = requestFields(request.payload, { key: "string", value: "json" });
    await store.putRecord(key, value);
    h.respond(request);
  });
  begun.handle("checkpoint-get", async (request) => {
    const { key } = requestFields(request.payload, { key: "string" });
    return { value: await store.record(key) };
  });
  begun.handle("collect", async (request) => {
    const { pins } = requestFields(request.payload, { pins: "string[]" });
    return { ...(await store.collect(pins.map(checkBlobref))) };
  });
  begun.handle("flush", async (request) => {
    const { final } = requestFields(request.payload, { final: "boolean?" });
    await store.flush(final === true);
    h.respond(request);
  });
  begun.handle("status", () => store.status());
}
