/** What files and habits of Flux sites meet in an instance. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  box.remove();
});

const SITE = `
import json
from flux.modprobe import task

def setup(c):
    c.setopt("not-here", "x=1")
    c.setopt("cron", "sync=no.such.event")
    c.setopt("cron", "sync=none", overwrite=True)

@task("look", needs_attrs=["config.path"], after=["cron"])
def look(c):
    c.setopt("not-here-either", "x=1")
    with open(c.getenv("LOOK"), "w") as file:
        json.dump([c.attr_get("config.path"), c.handle.get_rank(), c.handle.get_size(), c.getopts("cron")], file)
`;

test("fault-F5, fault-F6, fault-F15: an rc file sets options of unknown modules, asks for its rank, and sees config.path", async () => {
  box.write("site/rc1.d/look.py", SITE);
  const conf = box.write("conf/site.toml", "[site]\nname = 'x'\n").replace("/site.toml", "");
  const look = join(box.dir, "look.json");
  const env = { FLUX_MODPROBE_PATH_APPEND: join(box.dir, "site"), LOOK: look };
  const started = await box.run(["start", "-c", conf, "sluice getattr config.path"], { env });
  expect(started).toMatchObject({ status: 0, stdout: `${conf}\n` });
  expect(JSON.parse(readFileSync(look, "utf8"))).toEqual([conf, 0, 1, ["sync=none"]]);
  const planned = await box.run(["modprobe", "rc1", "--dry-run", "--config", conf], { env });
  expect(planned.stdout.split("\n")).toEqual(expect.arrayContaining(["load cron sync=none", "run look"]));
  const unset = await box.run(["modprobe", "rc1", "--dry-run"], { env });
  expect(unset.stdout).not.toContain("run look");
  const verified = await box.run(["modprobe", "verify"], { env });
  expect(verified.status).toBe(0);
  expect(verified.stderr).toMatch(/^\S+look\.py:1:1: warning: setopt: .*'not-here'.*\[UNIT_UNKNOWN_UNIT\]$/m);
});

test("fault-F6: a file that runs commands with flux.subprocess can be planned without Flux, and runs in an instance", async () => {
  box.write(
    "site/rc1.d/helper.py",
    `import flux.subprocess
from flux.subprocess import rexec_bg
from flux.modprobe import task

def setup(c):
    if rexec_bg.__name__ != "rexec_bg":
        raise RuntimeError("not the real one")

@task("helper", after=["kvs"])
def helper(c):
    rexec_bg(c.handle, ["sh", "-c", "echo $1 > $2", "sh", "ran", c.getenv("RAN")], waitable=True, label="h").get()
    flux.subprocess.wait(c.handle, label="h")
`,
  );
  const ran = join(box.dir, "ran");
  const env = { FLUX_MODPROBE_PATH_APPEND: join(box.dir, "site"), RAN: ran };
  const planned = await box.run(["modprobe", "rc1", "--dry-run"], { env });
  expect(planned.status).toBe(0);
  expect(planned.stdout.split("\n")).toContain("run helper");
  expect(planned.stderr).not.toContain("RC_STAND_IN");
  const { status } = await box.run(["start", "true"], { env });
  expect([status, readFileSync(ran, "utf8")]).toEqual([0, "ran\n"]);
});

test("fault-F16, row 31: data that JSON cannot express is refused with the key and what it is", async () => {
  const file = box.write("rc.py", 'def setup(c):\n    c.set("k", {"a": object()})\n');
  const { status, stderr } = await box.run(["modprobe", "run", "--dry-run", file]);
  expect(status).toBe(1);
  expect(stderr).toContain("set: the value of k is not a JSON value: Object of type object");
  const script = box.write("rc.ts", 'export const setup = (c) => c.set("k", () => 1);\n');
  const typescript = await box.run(["modprobe", "run", "--dry-run", script]);
  expect(typescript.status).toBe(1);
  expect(typescript.stderr).toContain("set: the value of k is not a JSON value");
});

test("fault-F6: sluice python hands on the descriptors that it was started with, and no others", async () => {
  box.write("data", "seven\n");
  const look =
    "import os; print(os.read(7, 9).decode().strip(), sorted(map(int, os.listdir('/proc/self/fd'))))";
  const { status, stdout, stderr } = await box.shell(
    `exec 7<data 9<&1; sluice python -c "${look}"; exec 7<data; python3 -c "${look}"`,
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const [ours = "", plain, ...rest] = stdout.split("\n");
  expect(ours).toMatch(/^seven \[0, 1, 2, .*7, 9/);
  expect([plain, rest]).toEqual([ours, [""]]);
});

test("fault-F9: wrong usage of the loader of Python modules is told in one line", async () => {
  const { status, stderr } = await box.run(["python", "-m", "sluice.module_exec"]);
  expect(status).toBe(2);
  expect(stderr).toMatch(/^Usage: .*sluice\.module_exec .*PATH\n$/);
});
