/** Start-up: the modules that an instance loads, and the tasks after the loads. Sites add files of their own in rc1.d. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Context, task } from "sluice/rc";
import { postEvent, unlessFull } from "./event-log.js";

/** How the instance went down the last time; set once, when it has come up. */
const LAST_SHUTDOWN = "broker.last-shutdown";

export function setup(c: Context): void {
  c.loadModules(["content", "heartbeat", "cron", "content-backing", "kvs", "kvs-watch", "resource"]);
  const backing = c.attrGet("content.backing-module");
  if (backing !== undefined && backing !== "") c.setAlternative("content-backing", backing);
}

task(
  "post-start-event",
  {
    description: "marks the instance as running in the KVS",
    ranks: "0",
    after: ["content-backing", "kvs"],
    requires: ["kvs"],
    needs: ["content-backing", "kvs"],
  },
  async (c) => {
    // Run again in an instance that is up, it has nothing to mark.
    if (c.attrGet(LAST_SHUTDOWN) !== undefined) return;
    const before = await unlessFull(c, () => postEvent(c, "start"));
    c.set("last-event", before?.name ?? null);
  },
);

task(
  "check-clean-shutdown",
  {
    description: "warns if the last shutdown of the instance was not clean",
    ranks: "0",
    after: ["post-start-event"],
    requires: ["post-start-event"],
    needs: ["content-backing", "post-start-event"],
  },
  async (c) => {
    if (c.attrGet(LAST_SHUTDOWN) !== undefined) return;
    const last = c.get("last-event");
    const state = last === "start" ? "unclean" : last === "finish" ? "clean" : "none";
    await c.rpc("attr.set", { name: LAST_SHUTDOWN, value: state });
    if (state === "unclean") {
      await c.rpc("log.append", { level: "warning", text: "the last shutdown was not clean" });
    }
  },
);

task(
  "cron-load",
  {
    description:
      "creates an entry of cron for each line of the crontabs in the directory that cron.directory names",
    ranks: "0",
    after: ["cron"],
    needs: ["cron"],
    needsAttrs: ["cron.directory"],
  },
  async (c) => {
    const directory = c.attrGet("cron.directory", "");
    const files = await readdir(directory, { withFileTypes: true });
    for (const file of files.filter((entry) => entry.isFile()).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      await loadCrontab(c, join(directory, file.name), file.name);
    }
  },
);

/** Entries are named after their file and line. */
async function loadCrontab(c: Context, path: string, name: string): Promise<void> {
  const lines = (await readFile(path, "utf8")).split("\n");
  for (const [index, line] of lines.entries()) {
    const text = line.trim();
    if (text === "" || text.startsWith("#")) continue;
    const match = /^(@\S+|(?:\S+\s+){4}\S+)\s+(.+)$/.exec(text);
    if (match === null) throw new Error(`${path}:${index + 1}: expected five fields and a command`);
    const [, crontab = "", command = ""] = match;
    await c.rpc("cron.create", { name: `${name}:${index + 1}`, crontab, command });
  }
}
