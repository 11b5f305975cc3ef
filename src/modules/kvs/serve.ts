import { requestError } from "../../errors/index.js";
import { type Handle, requestFields } from "../../messages/index.js";
import type { BegunRequests } from "../life/begun-requests.js";
import { parseOps } from "./apply-ops.js";
import type { Content } from "./content.js";
import { dump } from "./dump.js";
import { restoreCheckpoint, Restores } from "./restores.js";
import type { KvsStore } from "./store.js";

/** Answers the requests for keys (docs/services.md). */
export function serveKeys(h: Handle, begun: BegunRequests, store: KvsStore): void {
  begun.handle("get", async (request) => {
    const { key, optional, version } = requestFields(request.payload, {
      key: "string",
      optional: "boolean?",
      version: "integer?",
    });
    return optional === true ? { ...(await store.getOptional(key, version)) } : await store.get(key, version);
  });
  begun.handle("dir", async (request) => {
    const { key, version } = requestFields(request.payload, { key: "string?", version: "integer?" });
    const entries = await store.dir(key, version);
    return { entries: entries.map(({ name, dir }) => ({ name, dir })) };
  });
  begun.handle("commit", async (request) => {
    const { version, values } = await store.commit(parseOps(request.payload));
    return Object.keys(values).length === 0 ? { version } : { version, values };
  });
  begun.handle("collect", async (request) => {
    await store.collect();
    h.respond(request);
  });
  h.handle("version", () => ({ version: store.version }));
}

/** Answers the requests for whole versions. */
export function serveVersions(
  h: Handle,
  begun: BegunRequests,
  options: { store: KvsStore; content: Content },
): void {
  const { store, content } = options;
  const restores = new Restores(store, content);
  begun.handle("checkpoint-make", async () => {
    const { number, version } = await store.checkpoint("command");
    return { number, version };
  });
  h.handle("checkpoint-list", () => ({
    checkpoints: store.checkpoints.map(({ number, version, time, reason }) => ({
      number,
      version,
      time,
      reason,
    })),
  }));
  begun.handle("checkpoint-restore", async (request) => {
    const { number } = requestFields(request.payload, { number: "integer" });
    return { version: await restoreCheckpoint(store, number) };
  });
  h.handle("dump", () => dump(store, content));
  h.handle("restore-begin", (request) => ({ id: restores.begin(request) }));
  begun.handle("restore-lines", async (request) => {
    if (!(request.payload instanceof Uint8Array))
      throw requestError("EPROTO", `${request.topic} accepts only raw bytes`);
    await restores.take(request.payload);
    h.respond(request);
  });
  begun.handle("restore-end", async (request) => {
    const { id } = requestFields(request.payload, { id: "string" });
    return { ...(await restores.finish(id)) };
  });
  h.handle("restore-abandon", (request) => {
    restores.abandon(requestFields(request.payload, { id: "string" }).id);
    h.respond(request);
  });
  h.handle("disconnect", (request) => {
    restores.disconnect(request.sender);
    h.respond(request);
  });
}
