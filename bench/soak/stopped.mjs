/**
 * A broker is stopped by SIGSTOP for some time and goes on (trap-A10). Programs that it asks whether they are alive, and modules
 * that it watches, have nothing to do with that: none may be started again.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { connectTo, startBroker } from "./brokers.mjs";

const MODULE = fileURLToPath(new URL("./module.mjs", import.meta.url));

/** Each timer of the broker has run so often before, and after, as a second allows. */
const AWAKE_MS = 3000;

const ALIVE = { command: "true", intervalMs: 500, timeoutMs: 500, failures: 1 };
const WATCHED = { watchdogMs: 800, onFailure: "restart" };

const LOADS = [
  { name: "program", path: "command", command: "exec sleep 100000", alive: ALIVE, onFailure: "restart" },
  { name: "process", path: MODULE, exec: true, ...WATCHED },
  { name: "thread", path: MODULE, ...WATCHED },
  { name: "group", path: MODULE, thread: "soak", ...WATCHED },
];

/**
 * @param seconds how long it is stopped
 * @param say called with lines for the user
 * @param signal ends it
 * @returns a sentence for each thing that is wrong
 */
export async function soakStopped(seconds, say, signal) {
  const dir = mkdtempSync(join(tmpdir(), "sluice-stopped-"));
  const broker = startBroker(dir, 0);
  try {
    const handle = await connectTo(dir, 0, signal);
    for (const load of LOADS) await handle.rpc("module.load", load);
    await sleep(AWAKE_MS, undefined, { signal });
    const before = await lives(handle);
    broker.kill("SIGSTOP");
    await sleep(seconds * 1000, undefined, { signal });
    broker.kill("SIGCONT");
    await sleep(AWAKE_MS, undefined, { signal });
    const after = await lives(handle);
    const restarted = [...before.keys()].filter((name) => after.get(name) !== before.get(name));
    say(`stopped for ${seconds} s: ${LOADS.length - restarted.length} of ${LOADS.length} modules run on`);
    return restarted.map((name) => `${name} was started again, or is gone`);
  } catch (error) {
    if (signal.aborted) return [];
    throw error;
  } finally {
    broker.kill("SIGCONT");
    broker.kill("SIGTERM");
    await new Promise((resolve) => broker.once("close", resolve));
    rmSync(dir, { recursive: true, force: true });
  }
}

/** What would be another one if a module were started again, by its name. */
async function lives(handle) {
  const { modules } = await handle.rpc("module.usage");
  return new Map(modules.map(({ name, uuid, restarts }) => [name, `${uuid} ${restarts}`]));
}
