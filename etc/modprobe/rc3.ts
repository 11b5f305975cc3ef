/** Shutdown: what is noted before the modules go, and their removal. Sites add files of their own in rc3.d. */
import { type Context, task } from "sluice/rc";
import { postEvent } from "./event-log.js";

export function setup(c: Context): void {
  c.removeModules(null);
}

task(
  "post-finish-event",
  {
    description: "marks the instance as shut down in order in the KVS",
    ranks: "0",
    before: ["kvs"],
    needs: ["kvs"],
  },
  async (c) => {
    await postEvent(c, "finish");
  },
);

task(
  "content-flush",
  {
    description: "hands what content has only in memory to the backing store",
    ranks: "0",
    after: ["kvs"],
    before: ["content-backing"],
    needs: ["content-backing"],
  },
  async (c) => {
    await c.rpc("content.flush");
  },
);
