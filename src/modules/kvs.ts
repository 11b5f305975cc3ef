import { messageOf } from "../errors/index.js";
import { fields, type Handle } from "../messages/index.js";
import { parseOps } from "./kvs/apply-ops.js";
import { contentOf } from "./kvs/content.js";
import { KvsStore } from "./kvs/store.js";

const METHODS = ["get", "commit", "dir", "version"] as const;

/**
 * Keys to JSON values, on `content`: atomic commits, one version number, an answer only when it is durable. A commit is
 * published as the event `NAME.commit`: `{version, keys}`. Requests and errors: docs/services.md.
 *
 * Rank 0 has the store; other ranks pass requests on to it, so that all ranks see one order of commits.
 */
export async function modMain(h: Handle): Promise<void> {
  if (h.rank === 0) await serve(h);
  else await forward(h);
}

async function forward(h: Handle): Promise<void> {
  for (const method of METHODS) {
    h.handle(method, (request) => h.rpc(`${h.name}.${method}`, request.payload, { rank: "upstream" }));
  }
  await h.run();
}

async function serve(h: Handle): Promise<void> {
  const store = new KvsStore(contentOf(h), h.name, (version, ops) => {
    const keys = [...new Set(ops.map((op) => op.key))];
    h.publish(`${h.name}.commit`, { version, keys }).catch((error: unknown) => {
      h.log("err", `cannot publish commit ${version}: ${messageOf(error)}`);
    });
  });
  await store.recover();
  h.handle("get", async (request) => {
    const { key, optional } = fields(request.payload, { key: "string", optional: "boolean?" });
    return optional === true ? { ...(await store.getOptional(key)) } : await store.get(key);
  });
  h.handle("dir", async (request) => {
    const { key } = fields(request.payload, { key: "string?" });
    const entries = await store.dir(key);
    return { entries: entries.map(({ name, dir }) => ({ name, dir })) };
  });
  h.handle("commit", async (request) => ({ version: await store.commit(parseOps(request.payload)) }));
  h.handle("version", () => ({ version: store.version }));
  await h.run();
  await store.idle();
}
