/** One boot of modules that depend on each other, with a fault at a random step, and the expected result. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Instance, Misbehaviour } from "../instance.mjs";
import { KINDS } from "./kinds.mjs";

const MODULE = fileURLToPath(new URL("./module.mjs", import.meta.url));
const MODULES = 6;
const BROKEN = "[[modules]]\nname = \n";

/** @returns `{ kind, victim, units }`: of each unit its name, and the names of those that it requires and comes after */
export function planBoot(kind, random) {
  const units = [];
  for (let number = 1; number <= MODULES; number++) {
    const before = random.shuffled(units.map(({ name }) => name)).slice(0, random.between(0, 2));
    units.push({ name: `boot${number}`, requires: before, exec: random.percent(25) });
  }
  const victim = random.pick(units);
  if (KINDS[kind].isProcess) victim.exec = true;
  return { kind, victim: victim.name, units };
}

/**
 * Boots once.
 * @param dir of its own
 * @returns the violation, `{ kind, text }`, or undefined
 */
export async function boot(plan, dir) {
  const { site, record } = prepareFiles(plan, dir);
  const { attributes = {} } = KINDS[plan.kind];
  const runtimeDir = join(dir, "run");
  mkdirSync(runtimeDir, { mode: 0o700 });
  const instance = new Instance({
    args: Object.entries(attributes).map(([name, value]) => `--setattr=${name}=${value}`),
    ranks: 1,
    environment: { FLUX_MODPROBE_PATH_APPEND: site },
    runtimeDir,
  });
  // A boot that succeeds in spite of the fault then shuts down cleanly.
  instance.finish();
  try {
    const outcome = await instance.end();
    const recorded = existsSync(record) ? readFileSync(record, "utf8").trimEnd().split("\n") : [];
    const wrong = [...wrongOrders(recorded, plan), ...wrongEnd(plan, outcome, instance.lastLines)];
    if (KINDS[plan.kind].fault !== undefined && !recorded.includes(`fault ${plan.victim}`))
      wrong.push("the step with the fault was never reached");
    return wrong.length === 0 ? undefined : { kind: "boot", text: [...wrong, instance.lastLines].join("\n") };
  } catch (error) {
    if (!(error instanceof Misbehaviour)) throw error;
    return { kind: error.kind, text: error.message };
  } finally {
    await instance.destroy();
  }
}

function prepareFiles({ kind, victim, units }, dir) {
  const site = join(dir, "site");
  const record = join(dir, "record");
  const half = join(site, "modprobe.d/half.toml");
  for (const name of ["modprobe.d", "rc1.d"]) mkdirSync(join(site, name), { recursive: true });
  const { fault, unit = "", breaksBefore } = KINDS[kind];
  const text = units.map(({ name, requires, exec }) => {
    const faultArgs = name === victim && fault !== undefined ? [`fault=${fault}`, `file=${half}`] : [];
    const list = JSON.stringify(requires);
    return [
      "[[modules]]",
      `name = "${name}"`,
      `module = ${JSON.stringify(MODULE)}`,
      `args = ${JSON.stringify([`record=${record}`, ...faultArgs])}`,
      `requires = ${list}`,
      `after = ${list}`,
      `exec = ${exec}`,
      name === victim ? unit : "",
    ].join("\n");
  });
  writeFileSync(join(site, "modprobe.d/boot.toml"), `${text.join("\n\n")}\n`);
  writeFileSync(join(site, "rc1.d/boot.toml"), `load = ${JSON.stringify(units.map(({ name }) => name))}\n`);
  if (breaksBefore) writeFileSync(half, BROKEN);
  return { site, record };
}

/** All that ran are shut down, each before what it requires. */
function wrongOrders(recorded, { units }) {
  const downAt = (name) => recorded.indexOf(`shutdown ${name}`);
  const left = units
    .map(({ name }) => name)
    .filter((name) => recorded.includes(`run ${name}`) && downAt(name) < 0);
  const wrong = left.length === 0 ? [] : [`ran and were not shut down: ${left.join(", ")}`];
  for (const { name, requires } of units)
    for (const below of requires)
      if (downAt(below) >= 0 && downAt(below) < downAt(name))
        wrong.push(`${below} was shut down before ${name}, which requires it`);
  return wrong;
}

/**
 * A boot that failed has status 1. Its last line names the cause: the unit or the file, and its outcome.
 */
function wrongEnd({ kind, victim }, { status, signal }, lines) {
  const { cause, namesUnit = true } = KINDS[kind];
  if (cause === undefined) return [];
  const wrong = status === 1 ? [] : [`it ended with ${signal ?? `status ${status}`} instead of status 1`];
  const last = lines.split("\n").at(-1);
  if (!cause.test(last) || (namesUnit && !last.includes(victim)))
    wrong.push("the last line does not name the cause");
  return wrong;
}
