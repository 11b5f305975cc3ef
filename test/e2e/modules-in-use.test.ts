/** What is asked before a module goes that others use. */
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
  for (const name of ["base", "spare", "user", "last"]) {
    box.write(`m/${name}.mjs`, "export async function modMain(h) { await h.run(); }\n");
  }
});
afterEach(() => {
  expect(box.survivors()).toEqual([]);
  box.remove();
});

/** Loads these units in an instance of nothing else, then runs the script. */
function inInstance(units: string, load: string, script: string) {
  box.write("site/modprobe.d/units.toml", units);
  const env = { FLUX_MODPROBE_PATH_APPEND: join(box.dir, "site"), FLUX_MODULE_PATH: join(box.dir, "m") };
  const bare = ["-S", "broker.rc1_path=", "-S", "broker.rc3_path="];
  return box.run(["start", ...bare, `sluice modprobe load ${load}; ${script}; sluice modprobe remove all`], {
    env,
  });
}

const CHAIN = `
[[modules]]
name = "base"

[[modules]]
name = "user"
requires = ["base"]
after = ["base"]

[[modules]]
name = "last"
requires = ["user", "base"]
`;

test("fault-G18: a module that others require is not removed, and they are named; --force removes it", async () => {
  const { stdout, stderr } = await inInstance(
    CHAIN,
    "last",
    `sluice module remove base; echo "status $?"; sluice module remove --cancel base; echo "status $?"
     sluice module list | grep -c base
     sluice module remove --force base; echo "status $?"; sluice module remove last; echo "status $?"
     sluice module remove user; echo "status $?"`,
  );
  expect(stdout.split("\n").slice(0, 6)).toEqual([
    ...["status 1", "status 1", "1"],
    ...["status 0", "status 0", "status 0"],
  ]);
  const refusals = stderr.split("\n").filter((line) => line.includes("in use"));
  expect(refusals).toEqual(
    Array(2).fill("sluice-module: base still in use by last, user; --force removes it"),
  );
});

const SERVICE = `
[[modules]]
name = "base"
provides = ["store"]

[[modules]]
name = "spare"
provides = ["store"]

[[modules]]
name = "user"
requires = ["store"]
before = ["store"]


[[modules]]
name = "last"
requires = ["store"]
after = ["store"]
`;

test("fault-G18: what another provider serves, or was up before it, is no reason to keep a module", async () => {
  const { stdout, stderr } = await inInstance(
    SERVICE,
    "user last base",
    `sluice module remove base; echo "status $?"
     sluice module load spare; sluice rpc module.load '{"path":"spare","name":"spare2","provides":["store"]}' >/dev/null
     sluice module remove base; echo "status $?"; sluice module remove spare spare2`,
  );
  expect(stdout).toContain("status 1\nstatus 0\n");
  expect(stderr).toContain("sluice-module: base still in use by last; --force removes it\n");
});
