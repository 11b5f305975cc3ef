/** The units of systemd that the package has. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Sandbox, SLUICE } from "../helpers/sluice.js";

const UNITS = resolve(import.meta.dirname, "../../etc/systemd");

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  expect(box.survivors()).toEqual([]);
  box.remove();
});

function unit(name: string): string {
  return readFileSync(join(UNITS, name), "utf8");
}

test.each(["sluice.service", "sluice@.service"])("systemd finds nothing wrong with %s", (name) => {
  // The program and the user of this machine in place of those of a package.
  const file = box.write(
    name,
    unit(name)
      .replace("/usr/bin/sluice", SLUICE)
      .replace(/^(User|Group)=sluice$/gm, "$1=root"),
  );
  const said = execFileSync("systemd-analyze", ["verify", "--man=no", file], {
    encoding: "utf8",
    stdio: "pipe",
  });
  expect(said).toBe("");
});

test.each([
  ["sluice.service", ""],
  ["sluice@.service", "blue"],
])("the command of %s runs an instance until SIGTERM", async (name, instance) => {
  const [, command = ""] = /^ExecStart=\/usr\/bin\/sluice (.*)$/m.exec(unit(name)) ?? [];
  const words = command
    .replaceAll("%t", join(box.dir, "run"))
    .replaceAll("%S", join(box.dir, "lib"))
    .replaceAll("%i", instance)
    .replaceAll("/etc/", `${box.dir}/etc/`)
    .split(" ");
  // What RuntimeDirectory=, StateDirectory= and ConfigurationDirectory= make.
  const suffix = instance === "" ? "" : `-${instance}`;
  for (const base of ["run", "lib"]) {
    mkdirSync(join(box.dir, base, `sluice${suffix}`), { recursive: true, mode: 0o700 });
  }
  mkdirSync(join(box.dir, "etc/sluice", instance, "conf.d"), { recursive: true });
  const broker = box.start([...words, "-S", "log-stderr-level=debug"], {
    env: { INVOCATION_ID: "0123456789abcdef0123456789abcdef" },
  });
  await broker.waitFor("broker.debug: state run\n");
  const { stdout } = await box.run(["kvs", "put", "a=1"], { env: { SLUICE_URI: String(broker.pid) } });
  expect(stdout).toBe("");
  broker.kill("SIGTERM");
  expect(await broker.finished).toMatchObject({ status: 0, stdout: "" });
});
