/** Shutdown: what is noted before the modules go, and their removal. Sites add files of their own in rc3.d. */
import { type Context, task } from "sluice/rc";
import { postEvent, unlessFull } from "./event-log.js";

export function setup(c: Context): void {
  c.removeModules(null);
}

task(
  "content-settle",
  {
    description: "has content wait for its backing store no more, as the instance ends",
    ranks: "0",
    before: ["post-finish-event", "kvs"],
    needs: ["content"],
  },
  (c) => flush(c),
);

task(
  "post-finish-event",
  {
    description: "marks the instance as cleanly shut down in the KVS",
    ranks: "0",
    before: ["kvs"],
    needs: ["kvs"],
  },
  async (c) => {
    await unlessFull(c, () => postEvent(c, "finish"));
  },
);

task(
  "content-flush",
  {
    description: "sees that nothing is left that the backing store does not have",
    ranks: "0",
    after: ["kvs"],
    before: ["content-backing", "content"],
    needs: ["content"],
  },
  (c) => flush(c),
);

/** Data that a content without durability keeps in memory is not lost data; content has logged this at its start. */
async function flush(c: Context): Promise<void> {
  const status = await c.rpc("content.status");
  const isDurable = typeof status === "object" && status !== null && Reflect.get(status, "durable") === true;
  if (isDurable) await c.rpc("content.flush", { final: true });
}
