/** How soon requests to a module fail when its process is killed, against how soon its parent learns of a bare one. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Broker } from "../../dist/index.js";
import { median } from "../measure.mjs";

const MODULE = fileURLToPath(new URL("../../test/broker/fixtures/mortal.mjs", import.meta.url));
const ROUNDS = 7;
const WAITING = 100;

async function measure() {
  const broker = await Broker.start();
  const handle = await broker.connect();
  const [ours, bare] = [[], []];
  try {
    for (let i = 0; i < ROUNDS; i++) {
      ours.push(await ofModule(handle));
      bare.push(await ofBareProcess());
    }
  } finally {
    await broker.close();
  }
  const detail = `${median(ours).toFixed(1)} ms for ${WAITING} requests, bare ${median(bare).toFixed(1)} ms`;
  const measured = median(ours) / median(bare);
  return [{ what: "from SIGKILL to the last failure", measured, goal: 5, unit: "× bare exit", detail }];
}

async function ofModule(handle) {
  await handle.rpc("module.load", { path: MODULE, name: "mortal", exec: true, onFailure: "log" });
  const { pid } = await handle.rpc("mortal.who");
  const failures = Array.from({ length: WAITING }, () => handle.rpc("mortal.never").catch(() => undefined));
  await handle.rpc("mortal.who");
  const startedAt = performance.now();
  process.kill(pid, "SIGKILL");
  await Promise.all(failures);
  return performance.now() - startedAt;
}

async function ofBareProcess() {
  const child = spawn(process.execPath, ["-e", "console.log(1); setInterval(() => {}, 1000)"]);
  await once(child.stdout, "data");
  const startedAt = performance.now();
  child.kill("SIGKILL");
  await once(child, "exit");
  return performance.now() - startedAt;
}

export const DEATH = [
  { name: "death", title: "requests that wait for a module whose process is killed", measure },
];
