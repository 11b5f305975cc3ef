/** What start says of what it waits for, and why it failed. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
let env: Record<string, string>;
beforeEach(() => {
  box = new Sandbox();
  env = { SLUICE_CONFDIR: join(box.dir, "conf") };
});
afterEach(() => {
  expect(box.leftovers()).toEqual([]);
  expect(box.survivors()).toEqual([]);
  box.remove();
});

function site(path: string, text: string): string {
  return box.write(`conf/modprobe/${path}`, text);
}

/** A module that never reports that it runs. */
function stuck(more = ""): void {
  const idle = "await new Promise(() => setInterval(() => {}, 1000));";
  site("modprobe.d/stuck.toml", `[[modules]]\nname = "stuck"\nmodule = "./stuck.mjs"\n${more}`);
  site("modprobe.d/stuck.mjs", `export async function modMain() { ${idle} }\n`);
  site("rc1.d/stuck.toml", 'load = ["stuck"]\n');
}

const SOON = ["-S", "broker.waiting-after=100ms", "-S", "broker.waiting-every=100ms"];

function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1) ?? "";
}

describe("fault-C6: a start that waits for a module that never runs", () => {
  test("says so again and again, and goes on", async () => {
    stuck();
    const command = box.start(["start", ...SOON, "true"], { env });
    const line = "sluice-modprobe: waiting for stuck (";
    await command.waitFor(line);
    command.kill("SIGTERM");
    const { stderr, status } = await command.finished;
    expect(stderr.split("\n").filter((text) => text.startsWith(line)).length).toBeGreaterThan(1);
    expect(status).toBe(143);
  });

  test("says nothing where nothing takes long", async () => {
    expect(await box.run(["start", "true"], { env })).toMatchObject({ status: 0, stderr: "" });
  });

  test("ends with broker.rc1-timeout, and names the module", async () => {
    stuck();
    // Nothing else, and time for the plan: on a busy machine other parts may take long, too.
    const alone = { ...env, SLUICE_LIBEXECDIR: box.dir };
    const args = ["start", "-S", "broker.rc1-timeout=5s", "true"];
    const { status, stderr } = await box.run(args, { env: alone });
    expect(status).toBe(1);
    expect(lastLine(stderr)).toBe(
      "sluice-broker: rc1 failed: stuck: not done within the broker.rc1-timeout of 5s",
    );
    expect(stderr).not.toContain("was not properly shut down");
  });

  test("ends with the timeout of the unit, and names it", async () => {
    stuck('timeout = "300ms"\n');
    const { status, stderr } = await box.run(["start", "true"], { env });
    expect(status).toBe(1);
    expect(lastLine(stderr)).toMatch(/^sluice-broker: rc1 failed: stuck: .*300 ?ms/);
  });
});

describe("fault-C7: the last line of a failed start", () => {
  test("names the unit and the cause, ten units deep", async () => {
    const units = Array.from({ length: 10 }, (_, i) => {
      const rest = i === 0 ? "" : `requires = ["u${i - 1}"]\nafter = ["u${i - 1}"]\n`;
      return `[[modules]]\nname = "u${i}"\nmodule = "./u.mjs"\nargs = ["${i}"]\n${rest}`;
    });
    site("modprobe.d/deep.toml", units.join(""));
    site(
      "modprobe.d/u.mjs",
      'export async function modMain(h, i) { if (i === "3") throw new Error("no licence"); await h.run(); }\n',
    );
    site("rc1.d/deep.toml", 'load = ["u9"]\n');
    const { status, stderr } = await box.run(["start", "true"], { env });
    expect(status).toBe(1);
    expect(lastLine(stderr)).toBe("sluice-broker: rc1 failed: u3: u.mjs:1:60: no licence");
  });

  test("names the place of what cannot be read", async () => {
    const file = site("modprobe.d/half.toml", "x = [\n");
    const { status, stderr } = await box.run(["start", "true"], { env });
    expect(status).toBe(1);
    expect(lastLine(stderr)).toContain(`sluice-broker: rc1 failed: ${file}:`);
  });

  test("names the place of what is printed above, and does not print its cause again", async () => {
    const file = box.write("bad.toml", '[[modules]]\nname = "a"\nprovidez = ["x"]\nneedz = ["y"]\n');
    const { status, stderr } = await box.run(["start", "-f", file, "true"], { env });
    expect(status).toBe(1);
    expect(stderr.split("providez [UNIT_UNKNOWN_KEY]")).toHaveLength(2);
    expect(stderr.match(/invalid config key providez/g)).toHaveLength(1);
    expect(lastLine(stderr)).toBe(`sluice-broker: rc1 failed: ${file}:3:1 and 1 more, see above`);
  });

  test("names the module that failed while the instance ran", async () => {
    site("modprobe.d/late.toml", '[[modules]]\nname = "late"\nmodule = "./late.mjs"\nexec = true\n');
    site(
      "modprobe.d/late.mjs",
      'export async function modMain(h) { h.handle("end", () => process.kill(process.pid, "SIGKILL")); await h.run(); }\n',
    );
    site("rc1.d/late.toml", 'load = ["late"]\n');
    const { status, stderr } = await box.run(["start", "sluice rpc late.end; sleep 1000"], { env });
    expect(status).toBe(1);
    expect(lastLine(stderr)).toBe("sluice-broker: late module runtime failure: killed by Killed");
  });

  test("names the task of rc3 that failed", async () => {
    site("rc3.d/bad.toml", '[[tasks]]\nname = "bad"\ncommand = "exit 4"\n');
    const { status, stderr } = await box.run(["start", "true"], { env });
    expect(status).toBe(1);
    expect(lastLine(stderr)).toMatch(/^sluice-broker: rc3 failed: bad: .*4/);
  });
});

describe("fault-C12: a phase without an instance", () => {
  test.each(["rc1", "rc3"])("%s is refused before its first step", async (phase) => {
    const ran = join(box.dir, "ran");
    site(`${phase}.d/t.toml`, `[[tasks]]\nname = "t"\ncommand = "echo ran > ${ran}"\nbefore = ["*"]\n`);
    const { status, stderr } = await box.run(["modprobe", phase], { env });
    expect(status).toBe(1);
    expect(stderr).toContain("no instance");
    expect(() => readFileSync(ran)).toThrow("ENOENT");
  });

  test("a file that loads a module is refused as a whole", async () => {
    const file = site("run.toml", 'load = ["heartbeat"]\n[[tasks]]\nname = "t"\ncommand = "echo ran"\n');
    const { status, stdout, stderr } = await box.run(["modprobe", "run", file], { env });
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toContain("no instance");
  });

  test("a file of tasks alone runs", async () => {
    const file = site("run.toml", '[[tasks]]\nname = "t"\ncommand = "echo ran"\n');
    expect(await box.run(["modprobe", "run", file], { env })).toMatchObject({ status: 0, stdout: "ran\n" });
  });
});

test("fault-G16: rc1 again in a live instance does not take it for a crash", async () => {
  const { status, stderr } = await box.run(["start", "sluice modprobe rc1 && sluice dmesg >&2"], { env });
  expect(stderr).not.toContain("the last shutdown was not clean");
  expect(status).toBe(0);
});
