/** The commands of docs/flux.md, as they are written there. */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Finished, Sandbox } from "../helpers/sluice.js";

const FIXTURES = join(import.meta.dirname, "../fixtures");
const GUIDE = readFileSync(join(import.meta.dirname, "../../docs/flux.md"), "utf8");

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  expect(box.survivors()).toEqual([]);
  box.remove();
});

/** The blocks of a language in a section, with the directories of Flux in the sandbox. */
function blocks(section: string, language: string): string {
  const text = GUIDE.split(/^(?=##? [A-Z])/m).find((part) => part.split("\n")[0]?.endsWith(section)) ?? "";
  const found = [...text.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, "gm"))];
  if (found.length === 0) throw new Error(`docs/flux.md has no ${language} in '${section}'`);
  return found
    .map(([, block = ""]) => block)
    .join("\n")
    .replaceAll("/usr/libexec/flux", join(box.dir, "libexec"))
    .replaceAll("/etc/flux", join(box.dir, "etc"));
}

/** Every file of the site, with its content. */
function siteFiles(): Record<string, string> {
  const names = readdirSync(join(box.dir, "libexec"), { recursive: true, encoding: "utf8" });
  const files = names.filter((name) => /\.(py|toml)$/.test(name)).sort();
  return Object.fromEntries(
    files.map((name) => [name, readFileSync(join(box.dir, "libexec", name), "utf8")]),
  );
}

function putSite(units: string): void {
  const modprobe = join(box.dir, "libexec/modprobe");
  mkdirSync(modprobe, { recursive: true });
  for (const name of ["rc1.py", "rc3.py"]) cpSync(join(FIXTURES, "flux-site", name), join(modprobe, name));
  writeFileSync(join(modprobe, "modprobe.toml"), units);
}

const UNITS = readFileSync(join(FIXTURES, "flux-units/modprobe.toml"), "utf8");
const HERE = "On a site with Flux";

describe("docs/flux.md", () => {
  test("lints, explains and compares with the commands as they are written, and changes no file of the site", async () => {
    putSite(UNITS);
    const before = siteFiles();
    const commands = [
      blocks(HERE, "sh"),
      blocks("Lint in CI", "sh"),
      blocks("Explain and compare before a change", "sh"),
    ].join("\n");
    const { status, stdout, stderr } = await box.shell(`set -e\n${commands}`);
    expect({ status, errors: stderr.match(/error|Traceback/i) }).toEqual({ status: 0, errors: null });
    expect(stdout).toContain("sched-simple");
    const log = JSON.parse(readFileSync(join(box.dir, "modprobe.sarif"), "utf8")) as { version: string };
    expect(log.version).toBe("2.1.0");
    expect(siteFiles()).toEqual(before);
    // What the page says of a change: the plan is held to the lock.
    const changed = await box.shell(
      `${blocks(HERE, "sh")}\nsluice modprobe plan --size 1024 --check-lock before.lock -D kvs-watch`,
    );
    expect(changed.status).not.toBe(0);
    expect(changed.stdout + changed.stderr).toContain("kvs-watch");
  });

  test("drives a live instance with the commands as they are written, over a stand-in of Flux", async () => {
    const modprobe = join(box.dir, "libexec/modprobe");
    mkdirSync(modprobe, { recursive: true });
    writeFileSync(
      join(modprobe, "modprobe.toml"),
      `[[modules]]\nname = "heartbeat"\n[[modules]]\nname = "sched-simple"\n`,
    );
    writeFileSync(join(modprobe, "rc1.toml"), `load = ["heartbeat"]\n`);
    writeFileSync(join(modprobe, "rc3.toml"), `remove = ["all"]\n`);
    const before = siteFiles();
    const [, rc1 = ""] = /^rc1_path = "(.*)"$/m.exec(blocks("Drive the live instance", "toml")) ?? [];
    const [, rc3 = ""] = /^rc3_path = "(.*)"$/m.exec(blocks("Drive the live instance", "toml")) ?? [];
    const commands = [blocks(HERE, "sh"), rc1, blocks("Drive the live instance", "sh"), rc3].join("\n");
    const { status, stdout, stderr } = await onFlux(`set -e\n${commands}`);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toContain("load heartbeat  # loaded");
    expect(stdout).toContain("1 module stays as it is");
    expect(calls()).toEqual([
      "load heartbeat",
      "load sched-simple",
      "remove sched-simple",
      "remove heartbeat",
    ]);
    expect(siteFiles()).toEqual(before);
  });

  test("FLUX_RC_USE_MODPROBE is no switch: whatever it is set to, the same is planned and done", async () => {
    putSite(UNITS);
    const site = blocks(HERE, "sh");
    const plans = await Promise.all(
      ["unset FLUX_RC_USE_MODPROBE", "export FLUX_RC_USE_MODPROBE=", "export FLUX_RC_USE_MODPROBE=0"].map(
        (set) => box.shell(`${site}\n${set}\nsluice modprobe rc1 --dry-run 2>/dev/null`),
      ),
    );
    const [first] = plans;
    expect(first?.stdout).toContain("load kvs\n");
    for (const plan of plans) expect(plan).toEqual(first);
    writeFileSync(join(box.dir, "libexec/modprobe/modprobe.toml"), `[[modules]]\nname = "heartbeat"\n`);
    for (const name of ["rc1.py", "rc3.py"]) writeFileSync(join(box.dir, "libexec/modprobe", name), "");
    writeFileSync(join(box.dir, "libexec/modprobe/rc1.toml"), `load = ["heartbeat"]\n`);
    for (const value of ["", "0", "t"]) {
      const { status } = await onFlux(`${site}\nsluice modprobe rc1 --on=flux`, {
        FLUX_RC_USE_MODPROBE: value,
      });
      expect({ value, status, calls: calls() }).toEqual({ value, status: 0, calls: ["load heartbeat"] });
    }
  });
});

/** Runs a script where the stand-in of Flux answers, with nothing loaded. */
function onFlux(script: string, more: Readonly<Record<string, string>> = {}): Promise<Finished> {
  mkdirSync(join(box.dir, "flux"), { recursive: true });
  const state = { loaded: [], calls: [], log: [], env: {} };
  writeFileSync(join(box.dir, "flux/state.json"), JSON.stringify(state));
  const path = [join(FIXTURES, "flux-stand-in"), box.environment()["PATH"]].join(delimiter);
  const instance = { FLUX_URI: "local:///stand-in", FLUX_STAND_IN: join(box.dir, "flux") };
  return box.shell(script, { PATH: path, ...instance, PYTHONDONTWRITEBYTECODE: "1", ...more });
}

function calls(): string[] {
  const state = JSON.parse(readFileSync(join(box.dir, "flux/state.json"), "utf8")) as { calls: string[][] };
  return state.calls.map((call) => call.join(" "));
}
