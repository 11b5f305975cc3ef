/** Starts ranks over NATS, each in a process of its own, and calls them. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const RANK = fileURLToPath(new URL("./rank.mjs", import.meta.url));

/** Resolves when it has joined. `call(name, …args)` runs a function of rank.mjs. */
export async function forkRank(options) {
  const child = fork(RANK, [JSON.stringify(options)], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const waiting = new Map();
  let count = 0;
  const answered = (id) => new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
  child.on("message", ({ id, value, error }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(value);
    else reject(new Error(`rank ${options.rank}: ${error}`));
  });
  const ended = once(child, "exit").then(() => {
    for (const { reject } of waiting.values()) reject(new Error(`rank ${options.rank} has ended`));
  });
  await answered(0);
  return {
    call: (name, ...args) => {
      const id = ++count;
      child.send({ id, call: name, args });
      return answered(id);
    },
    kill: async () => {
      waiting.clear();
      child.kill("SIGKILL");
      await ended;
    },
  };
}
