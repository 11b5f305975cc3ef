import { messageOf } from "../errors/index.js";
import type { Handle } from "../messages/index.js";
import { startInterval } from "../processes/index.js";
import { countAttribute, delayAttribute } from "./arguments/attributes.js";
import { contentOf } from "./kvs/content.js";
import { forwardRestores } from "./kvs/forward-restores.js";
import { serveKeys, serveVersions } from "./kvs/serve.js";
import { type Commit, KvsStore } from "./kvs/store.js";
import { BegunRequests } from "./life/begun-requests.js";

const METHODS = [
  "get",
  "commit",
  "dir",
  "version",
  "collect",
  "checkpoint-make",
  "checkpoint-list",
  "checkpoint-restore",
  "restore-lines",
  "restore-abandon",
] as const;

/**
 * Maps keys to JSON values, stored in `content`: atomic commits, one version number, and answers only for durable
 * commits. It publishes a commit as the event `NAME.commit`: `{version, keys}`. Requests and errors:
 * docs/services.md.
 *
 * Rank 0 has the store. Other ranks pass requests on to it, so that all ranks see one order of commits.
 */
export async function modMain(h: Handle): Promise<void> {
  if (h.rank === 0) await serve(h);
  else await forward(h);
}

async function forward(h: Handle): Promise<void> {
  for (const method of METHODS) {
    // An answer without a payload is an answer too, which a returned `undefined` is not.
    h.handle(method, async (request) => {
      h.respond(request, await h.rpc(`${h.name}.${method}`, request.payload, { rank: "upstream" }));
    });
  }
  forwardRestores(h);
  h.handle("dump", (request) => {
    return h.rpcStream(`${h.name}.dump`, request.payload, { rank: "upstream", signal: request.signal });
  });
  await h.run();
}

async function serve(h: Handle): Promise<void> {
  const warn = (text: string): void => h.log("warning", text);
  const content = contentOf(h, await delayAttribute(h, "content.wait", "30s"));
  const store = new KvsStore({
    content,
    name: h.name,
    warn,
    onCommit: (commit) => publish(h, commit),
    history: await countAttribute(h, "kvs.history", 1),
    checkpoints: await countAttribute(h, "kvs.checkpoints", 5),
  });
  await store.recover();
  const begun = new BegunRequests(h);
  serveKeys(h, begun, store);
  serveVersions(h, begun, { store, content });
  const periodMs = await delayAttribute(h, "kvs.checkpoint-period", "10m");
  const timer = startInterval(Math.max(periodMs, 1), () => keep(store.checkpoint("period"), warn));
  const collectMs = await delayAttribute(h, "content.collect-period", "infinity");
  const collecting = startInterval(Math.max(collectMs, 1), () => store.collectIfWritten());
  await h.run();
  timer.cancel();
  collecting.cancel();
  await begun.idle();
  await store.idle();
  await finish(store, warn);
}

/** An orderly end keeps a checkpoint, and collects garbage if there is enough of it. */
async function finish(store: KvsStore, warn: (text: string) => void): Promise<void> {
  try {
    await store.checkpoint("end", true);
    await store.garbage.finish();
  } catch (error) {
    warn(`the last checkpoint failed: ${messageOf(error)}`);
  }
}

function keep(checkpoint: Promise<unknown>, warn: (text: string) => void): void {
  checkpoint.catch((error: unknown) => warn(`a checkpoint failed: ${messageOf(error)}`));
}

function publish(h: Handle, commit: Commit): void {
  h.publish(`${h.name}.commit`, { ...commit }).catch((error: unknown) => {
    h.log("err", `cannot publish commit ${commit.version}: ${messageOf(error)}`);
  });
}
