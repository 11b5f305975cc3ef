/**
 * Starts in many orders: the shipped units, and those of examples/batch on top, have to pass with each seed; and in random
 * catalogs of modules that ask each other in order, `modprobe learn` must find no missing order.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { eventToJson } from "../../dist/run/index.js";
import { learn, recordPlan } from "../../dist/analysis/index.js";
import { Broker, composeUnits } from "../../dist/index.js";

const SLUICE = fileURLToPath(new URL("../../dist/cli/main.cjs", import.meta.url));
const BATCH = fileURLToPath(new URL("../../examples/batch/modprobe", import.meta.url));
const UNITS = 8;

/** Asks the modules that its arguments name before it runs. */
const ASKER = `export async function modMain(handle, ...asked) {
  handle.handle("get", () => ({ from: handle.name }));
  for (const name of asked) await handle.rpc(name + ".get");
  return handle.run();
}
`;

/**
 * @param count seeds of each, and random catalogs
 * @returns sentences, each about a failed start
 */
export async function soakStarts(count, show, signal) {
  const broken = [];
  for (const [what, env] of [
    ["the shipped units", {}],
    ["examples/batch", { FLUX_MODPROBE_PATH_APPEND: BATCH }],
  ]) {
    const failed = await shuffled(count, env, signal);
    if (signal.aborted) return broken;
    if (failed === undefined) show(`${what}: ${count} seeds passed`);
    else broken.push(`${what}: ${failed}`);
  }
  let sound = 0;
  for (let seed = 1; seed <= count && !signal.aborted; seed++) {
    const missing = await learned(seed);
    if (missing.length === 0) sound++;
    else broken.push(`random catalog ${seed}: learn would add ${JSON.stringify(missing)}`);
  }
  show(`random catalogs: nothing to add in ${sound} of ${count}`);
  return broken;
}

/** The failure; undefined without one. */
async function shuffled(count, env, signal) {
  const argv = [SLUICE, "shuffle", "-n", String(count), "--timeout", "120s", "--json"];
  const child = spawn(process.execPath, argv, {
    env: { ...process.env, SLUICE_URI: "", SLUICE_CONFDIR: "/nonexistent", ...env },
    stdio: ["ignore", "pipe", "ignore"],
  });
  const stop = () => child.kill("SIGTERM");
  signal.addEventListener("abort", stop, { once: true });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk) => (text += chunk));
  const [status] = await once(child, "close");
  signal.removeEventListener("abort", stop);
  return status === 0 ? undefined : `status ${status}: ${text.trim()}`;
}

/** What `modprobe learn` would add to a random catalog whose modules ask in order. */
async function learned(seed) {
  const dir = mkdtempSync(join(tmpdir(), "sluice-soak-"));
  const below = numbers(seed);
  const asks = Array.from({ length: UNITS }, (_, unit) =>
    Array.from({ length: unit }, (_other, other) => `u${other}`).filter(() => below(3) === 0),
  );
  const units = asks.map((asked, unit) => {
    const list = JSON.stringify(asked);
    return `[[modules]]\nname = "u${unit}"\nmodule = "asker"\nthread = "shared"\nargs = ${list}\nafter = ${list}\n`;
  });
  try {
    mkdirSync(join(dir, "modprobe.d"));
    writeFileSync(join(dir, "modprobe.d/units.toml"), units.join("\n"));
    writeFileSync(join(dir, "asker.mjs"), ASKER);
    const env = { PATH: process.env.PATH, FLUX_MODULE_PATH: dir, SLUICE_CONFDIR: "/nonexistent" };
    const events = [];
    const broker = await Broker.start({
      ...{ units: await composeUnits({ searchPath: [dir], env }), env, searchPath: [dir] },
      roots: asks.map((_, unit) => `u${unit}`),
      onEvent: (event) => events.push(event),
    });
    try {
      const messages = await (await broker.connect()).rpc("module.messages");
      const record = { plan: recordPlan(broker.plan), events: events.map(eventToJson), messages };
      return learn(record).missing;
    } finally {
      await broker.close();
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Numbers below a limit, the same for the same start. */
function numbers(start) {
  let state = start;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}
