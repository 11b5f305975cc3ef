import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Finished, Sandbox } from "../helpers/sluice.js";

/**
 * There is no Flux here: a stand-in of its command and of its Python package gives the answers that
 * test/fixtures/flux-stand-in/answers.json has. They follow docs/design/flux.md §2, and are no recording of an instance. All
 * else is real: the driver, the hosts of rc files, and the processes that they are.
 */
const STAND_IN = join(import.meta.dirname, "../fixtures/flux-stand-in");

const UNITS = `
[[modules]]
name = "heartbeat"
[[modules]]
name = "content"
requires = ["heartbeat", "content-backing"]
[[modules]]
name = "content-sqlite"
after = ["content"]
provides = ["content-backing"]
ranks = "0"
[[modules]]
name = "kvs"
args = ["size=1"]
requires = ["content"]
after = ["content", "content-backing"]
[[modules]]
name = "sdbus"
needs-config = ["systemd.enable"]
[[modules]]
name = "kvs-watch"
needs-env = ["NOT_SET"]
`;

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
  box.write("data/modprobe/modprobe.toml", UNITS);
  box.write("libexec/modprobe/rc1.toml", 'load = ["kvs", "sdbus", "kvs-watch"]\n');
  box.write("libexec/modprobe/rc3.toml", 'remove = ["all"]\n');
  setState({});
});
afterEach(() => {
  expect(box.survivors()).toEqual([]);
  box.remove();
});

interface State {
  readonly loaded: readonly string[];
  readonly calls: readonly (readonly string[])[];
  readonly log: readonly (readonly [level: number, text: string])[];
  readonly env: Readonly<Record<string, string>>;
}

function setState(state: Partial<State>): void {
  mkdirSync(join(box.dir, "flux"), { recursive: true });
  const whole: State = { loaded: [], calls: [], log: [], env: {}, ...state };
  writeFileSync(join(box.dir, "flux/state.json"), JSON.stringify(whole));
}

function state(): State {
  return JSON.parse(readFileSync(join(box.dir, "flux/state.json"), "utf8")) as State;
}

function environment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    PATH: [STAND_IN, box.environment()["PATH"]].join(delimiter),
    FLUX_URI: "local:///stand-in",
    FLUX_STAND_IN: join(box.dir, "flux"),
    SLUICE_DATADIR: join(box.dir, "data"),
    SLUICE_LIBEXECDIR: join(box.dir, "libexec"),
    TMPDIR: box.runtimeDir,
    PYTHONDONTWRITEBYTECODE: "1",
    ...more,
  };
}

async function modprobe(
  args: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  const finished = await box.run(["modprobe", ...args], { env: environment(more) });
  expect(readdirSync(box.runtimeDir), "what the driver leaves behind").toEqual([]);
  return finished;
}

describe("modprobe --on=flux", () => {
  test("loads by the facts of the instance, in order, and leaves what is loaded alone", async () => {
    setState({ loaded: ["heartbeat"] });
    const { status, stdout, stderr } = await modprobe(["rc1", "--on=flux"]);
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "", stderr: "" });
    const { loaded, calls } = state();
    // systemd.enable is in its configuration; NOT_SET nowhere.
    expect([...loaded].sort()).toEqual(["content", "content-sqlite", "heartbeat", "kvs", "sdbus"]);
    const order = calls.map(([, name = ""]) => name);
    expect(calls).toContainEqual(["load", "kvs", "size=1"]);
    expect(order.indexOf("content")).toBeLessThan(order.indexOf("content-sqlite"));
    expect(order.at(-1) === "kvs" || order.indexOf("content-sqlite") < order.indexOf("kvs")).toBe(true);
  });

  test("removes in the reverse order", async () => {
    setState({ loaded: ["heartbeat", "content", "content-sqlite", "kvs", "sdbus"] });
    const { status, stderr } = await modprobe(["rc3", "--on=flux", "--jobs", "1"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(state().loaded).toEqual([]);
    const order = state().calls.map(([, name = ""]) => name);
    for (const [first, second] of [
      ["kvs", "content"],
      ["kvs", "content-sqlite"],
      ["content-sqlite", "content"],
    ] as const) {
      expect(order.indexOf(first), `${first} before ${second}`).toBeLessThan(order.indexOf(second));
    }
  });

  test("removes by name what it is told, and nothing else", async () => {
    setState({ loaded: ["heartbeat", "content", "sdbus"] });
    const inUse = await modprobe(["remove", "--on=flux", "heartbeat"]);
    expect(inUse.status).toBe(1);
    expect(inUse.stderr).toContain("heartbeat still in use by content");
    expect((await modprobe(["remove", "--on=flux", "sdbus"])).status).toBe(0);
    expect(state().loaded).toEqual(["heartbeat", "content"]);
  });

  test("says why a load failed, in the words of Flux", async () => {
    box.write(
      "data/modprobe/modprobe.d/more.toml",
      '[[modules]]\nname = "broken"\n[[modules]]\nname = "absent"\n',
    );
    const broken = await modprobe(["load", "--on=flux", "broken"]);
    expect({ status: broken.status, stderr: broken.stderr }).toEqual({
      status: 1,
      stderr: "sluice-modprobe: broken: mod_main returned failure\n",
    });
    const absent = await modprobe(["load", "--on=flux", "absent"]);
    expect({ status: absent.status, stderr: absent.stderr }).toEqual({
      status: 1,
      stderr: "sluice-modprobe: absent: module not found in search path\n",
    });
    setState({ loaded: ["sdbus"] });
    const twice = await modprobe(["load", "--on=flux", "sdbus"]);
    expect({ status: twice.status, stderr: twice.stderr }).toEqual({
      status: 0,
      stderr: "All modules and their dependencies are already loaded\n",
    });
  });

  test("refuses keys that Flux's modules do not have", async () => {
    box.write("data/modprobe/modprobe.d/more.toml", '[sdbus]\non-failure = "log"\n');
    const { status, stderr } = await modprobe(["load", "--on=flux", "sdbus"]);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr:
        "sluice-modprobe: sdbus: Flux does not support onFailure for modules: remove it from the unit\n",
    });
  });

  test("runs rc files in Python with Flux's own package and handle", async () => {
    box.write(
      "libexec/modprobe/rc1.py",
      `import flux, sluice
from flux.modprobe import ONLY_IN_FLUX, task

def setup(context):
    context.load_modules(["heartbeat"])
    if context.attr_get("content.restore") == "/dump":
        context.setopt("kvs", "restored")

@task("site", after=["kvs"])
def site(context):
    print(flux.__file__.split("/")[-4], ONLY_IN_FLUX, type(context.handle) is flux.Flux, context.handle.get_rank())
    print(context.rpc("site.echo", {"a": 1}).get(), context.conf_get("systemd.enable"), context.getenv("SITE_FLAG"))
    context.setenv("MADE_BY", "rc1")
`,
    );
    const { status, stdout, stderr } = await modprobe(["rc1", "--on=flux"]);
    expect({ status, stdout, stderr }).toEqual({
      status: 0,
      stdout: "flux-stand-in a name of Flux alone True 0\n{'a': 1} True 1\n",
      stderr: "",
    });
    expect(state().calls).toContainEqual(["load", "kvs", "size=1", "restored"]);
    expect(state().env).toEqual({ MADE_BY: "rc1" });
  });

  test("runs rc files in TypeScript, whose requests go through the driver", async () => {
    box.write(
      "libexec/modprobe/rc1.ts",
      `import { type Context, task } from "sluice/rc";
export const setup = (c: Context) => c.loadModules(["heartbeat"]);
task("ts", { after: ["kvs"], needsAttrs: ["content.restore"] }, async (c: Context) => {
  console.log(JSON.stringify(await c.rpc("site.echo", { rank: c.rank })), c.attrGet("content.restore"));
  try { await c.rpc("nowhere.at-all"); } catch (error) { console.log(String((error as Error).message)); }
});
`,
    );
    const { status, stdout, stderr } = await modprobe(["rc1", "--on=flux"]);
    expect({ status, stdout, stderr }).toEqual({
      status: 0,
      stdout: '{"rank":0} /dump\nFunction not implemented\n',
      stderr: "",
    });
  });

  test("fails a task in Python that imports what Flux does not have", async () => {
    box.write("site.py", "from flux.of_tomorrow import x\n");
    const { status, stderr } = await modprobe(["run", "--on=flux", "site.py"]);
    expect(status).toBe(1);
    expect(stderr).toContain("site.py:1:1: No module named 'flux.of_tomorrow'");
  });

  test.each([
    ["rc1 --dry-run", "load content\n"],
    ["plan", "load heartbeat  # loaded"],
    ["explain kvs-watch", "NOT_SET"],
    ["list-dependencies kvs", "content"],
    ["show kvs", '"kvs"'],
    ["cat", "heartbeat"],
    ["graph --format=mermaid", "kvs"],
  ])("%s asks it for its facts", async (command, expected) => {
    setState({ loaded: ["heartbeat"] });
    const { status, stdout, stderr } = await modprobe([...command.split(" "), "--on=flux"]);
    expect({ command, status, stderr }).toEqual({ command, status: 0, stderr: "" });
    expect(stdout).toContain(expected);
    expect(state().calls).toEqual([]);
  });

  test("verifies, and shows a run that was recorded", async () => {
    expect((await modprobe(["verify", "--on=flux"])).status).toBe(0);
    expect((await modprobe(["rc1", "--on=flux"])).status).toBe(0);
    const { status, stdout, stderr } = await modprobe(["analyze", "--on=flux"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toContain("kvs");
  });
});

describe("modprobe apply --on=flux", () => {
  const written = (load: string, units = ""): void => {
    box.write("libexec/modprobe/rc1.toml", `load = [${load}]\n`);
    box.write("data/modprobe/modprobe.d/more.toml", units);
  };
  const apply = (...args: readonly string[]): Promise<Finished> => modprobe(["apply", "--on=flux", ...args]);
  /** What was asked of Flux since the last time. */
  const news = (): readonly (readonly string[])[] => {
    const { calls } = state();
    setState({ ...state(), calls: [] });
    return calls;
  };

  beforeEach(async () => {
    setState({ loaded: ["heartbeat", "kvs-watch"] });
    written('"kvs", "sdbus"', "[kvs-watch]\nneeds-env = []\n");
    expect((await modprobe(["rc1", "--on=flux"])).status).toBe(0);
    news();
  });

  test("changes nothing where nothing differs, and leaves alone what something else has loaded", async () => {
    expect(await apply()).toMatchObject({ status: 0, stdout: "6 modules stay as they are\n", stderr: "" });
    expect(news()).toEqual([]);
  });

  test("loads, reloads and removes what differs from what Sluice has loaded, by its arguments and its file", async () => {
    box.write("flux/content.so", "one");
    expect((await modprobe(["remove", "--on=flux", "kvs", "content", "content-sqlite"])).status).toBe(0);
    expect((await apply()).status).toBe(0);
    news();
    box.write("flux/content.so", "two");
    written('"kvs"', '[kvs]\nargs = ["size=2"]\n[kvs-watch]\nneeds-env = []\n');
    const shown = await apply("--dry-run");
    expect(news()).toEqual([]);
    const { status, stdout, stderr } = await apply();
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toBe(shown.stdout);
    expect(stdout).toMatch(/^~ reload +content +its file has changed/m);
    expect(stdout).toMatch(/^~ reload +kvs size=2 +args: size=1 → size=2 /m);
    expect(stdout).toMatch(/^- remove +sdbus/m);
    expect(news()).toEqual([
      ["remove", "sdbus"],
      ["remove", "content"],
      ["load", "content"],
      ["remove", "kvs"],
      ["load", "kvs", "size=2"],
    ]);
    expect((await apply()).stdout).toBe("5 modules stay as they are\n");
  });

  test("rolls back after a step that fails: what was removed or replaced is as it was, with its arguments", async () => {
    written(
      '"kvs", "broken"',
      '[kvs]\nargs = ["size=2"]\n[kvs-watch]\nneeds-env = []\n[[modules]]\nname = "broken"\nafter = ["kvs"]\n',
    );
    const { status, stderr } = await apply();
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: "sluice-modprobe: rolled back: broken: mod_main returned failure\n",
    });
    const calls = news();
    expect(calls.slice(0, 3)).toEqual([
      ["remove", "sdbus"],
      ["remove", "kvs"],
      ["load", "kvs", "size=2"],
    ]);
    expect(
      calls
        .slice(3)
        .map((call) => call.join(" "))
        .sort(),
    ).toEqual([...["load kvs size=1", "load sdbus", "remove kvs"]]);
    expect([...state().loaded].sort()).toEqual(
      ["content", "content-sqlite", "heartbeat", "kvs", "kvs-watch", "sdbus"].sort(),
    );
    const { outcome, failures } = JSON.parse((await apply("--json")).stdout) as Record<string, unknown>;
    expect({ outcome, failures }).toMatchObject({ outcome: "rolled-back", failures: [{ unit: "broken" }] });
  });

  test("leaves what was done with --no-rollback", async () => {
    written(
      '"kvs", "sdbus", "broken"',
      '[kvs]\nargs = ["size=2"]\n[[modules]]\nname = "broken"\nafter = ["kvs"]\n',
    );
    const { status, stderr } = await apply("--no-rollback");
    expect({ status, stderr }).toEqual({
      status: 3,
      stderr:
        "sluice-modprobe: broken: mod_main returned failure\n" +
        "sluice-modprobe: incomplete: broken: mod_main returned failure\n",
    });
    expect(news()).toEqual([
      ["remove", "kvs"],
      ["load", "kvs", "size=2"],
    ]);
  });

  test("says which module is neither old nor new, where it cannot be had back", async () => {
    const once = '[[modules]]\nname = "once"\n';
    written('"kvs", "sdbus", "once"', once);
    expect((await apply()).status).toBe(0);
    written('"kvs", "sdbus", "once"', `${once}args = ["again"]\n`);
    const { status, stderr } = await apply();
    expect(status).toBe(3);
    expect(stderr).toBe(
      "sluice-modprobe: once: is not loaded: broken: mod_main returned failure\n" +
        "sluice-modprobe: incomplete: once: broken: mod_main returned failure\n",
    );
    expect(state().loaded).not.toContain("once");
  });

  test("refuses keys that Flux's modules do not have before anything is stopped", async () => {
    written('"kvs", "sdbus"', '[kvs]\nargs = ["size=2"]\nwatchdog = "5s"\n');
    const { status, stderr } = await apply();
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr:
        "sluice-modprobe: apply refused without a change: kvs: Flux does not support watchdogMs for modules: remove it from the unit\n",
    });
    expect(news()).toEqual([]);
  });

  test("takes what needs no new start, and touches only the units that are named", async () => {
    const slower = '[sdbus]\ntimeout = "9s"\n';
    written('"kvs", "sdbus"', `${slower}[kvs]\nargs = ["size=2"]\n`);
    const { status, stdout } = await apply("sdbus");
    expect({ status, stdout: stdout.split("\n")[0] }).toMatchObject({
      ...{ status: 0, stdout: expect.stringMatching(/^~ change +sdbus +timeout: /) as string },
    });
    expect(news()).toEqual([]);
    expect((await apply("sdbus")).stdout).not.toContain("change");
  });

  test("undoes what was done at Ctrl-C, and a second apply waits for its turn", async () => {
    written('"kvs", "slow"', '[[modules]]\nname = "slow"\n');
    // In a process group of its own, which a terminal sends the signal as a whole, the driver too.
    const options = { env: environment(), prefix: ["setsid"] };
    const first = box.start(["modprobe", "apply", "--on=flux"], options);
    await expect.poll(() => existsSync(join(box.dir, "flux/slow-waits")), { timeout: 30_000 }).toBe(true);
    const second = box.start(["modprobe", "apply", "--on=flux"], { env: environment() });
    await second.waitFor("waiting for the apply of process");
    process.kill(-first.pid, "SIGINT");
    await first.waitFor("interrupted: undoing the finished steps");
    box.write("flux/go", "");
    const { status, stderr } = await first.finished;
    expect(status).toBe(1);
    expect(stderr).toContain("sluice-modprobe: rolled back: interrupted\n");
    // The second one does it, from what is loaded then.
    expect(await second.finished).toMatchObject({ status: 0 });
    expect(news().map((call) => call.join(" "))).toEqual([
      ...["remove sdbus", "load slow", "remove slow", "load sdbus", "remove sdbus", "load slow"],
    ]);
  });

  test("a driver that dies ends it with the cause, and the next one does the rest", async () => {
    written('"kvs", "dies"', '[[modules]]\nname = "dies"\nafter = ["kvs"]\n');
    const { status, stderr } = await apply();
    expect(status).not.toBe(0);
    expect(stderr).toContain("the driver of Flux died by signal 9");
    written('"kvs", "sdbus"');
    expect((await apply()).status).toBe(0);
    expect([...state().loaded].sort()).toEqual(
      ["content", "content-sqlite", "heartbeat", "kvs", "kvs-watch", "sdbus"].sort(),
    );
  });

  test("loads and removes where nothing can be noted, and says so in the log of Flux", async () => {
    const nowhere = { FLUX_STAND_IN_RUNDIR: join(box.dir, "flux/state.json/no-directory") };
    setState({});
    expect((await modprobe(["load", "--on=flux", "sdbus"], nowhere)).status).toBe(0);
    expect(state()).toMatchObject({
      loaded: ["sdbus"],
      log: expect.arrayContaining([
        [
          4,
          expect.stringMatching(
            /^sluice: cannot record the loaded module: .*sluice-modules-0.json.lock: Not a directory$/,
          ) as string,
        ],
      ]) as unknown,
    });
    expect((await modprobe(["remove", "--on=flux", "sdbus"], nowhere)).status).toBe(0);
    expect(state().loaded).toEqual([]);
  });

  test("refuses to settle, as Flux does not tell that a module has failed", async () => {
    const { status, stderr } = await apply("--settle", "1s");
    expect(status).toBe(2);
    expect(stderr).toContain("--settle cannot be used with --on");
  });
});

describe("modprobe --on=flux without what it needs", () => {
  test("names the command that is missing", async () => {
    const bin = join(box.dir, "bin");
    mkdirSync(bin);
    const { status, stderr } = await modprobe(["rc1", "--on=flux"], { PATH: `${bin}:/usr/bin:/bin` });
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: "sluice-modprobe: the driver of Flux could not be started: PATH has no command 'flux'\n",
    });
  });

  test("says that it is not inside an instance", async () => {
    const { status, stderr } = await modprobe(["plan", "--on=flux"], { FLUX_URI: "" });
    expect(status).toBe(1);
    expect(stderr).toContain("no Flux instance: FLUX_URI is not set");
  });

  test("says what a request means that an older Flux lacks", async () => {
    const { status, stderr } = await modprobe(["plan", "--on=flux"], {
      FLUX_STAND_IN_LACKS: "broker.getenv",
    });
    expect(status).toBe(1);
    expect(stderr).toContain(
      "broker.getenv: this Flux does not support the request: it is older than the versions",
    );
  });

  test("takes no other system, nor an instance of Sluice besides", async () => {
    expect((await modprobe(["plan", "--on=slurm"])).status).toBe(2);
    expect((await modprobe(["plan", "--on=flux", "--uri", "local:///x"])).status).toBe(2);
    expect((await modprobe(["load", "--on=flux", "-r", "0-1", "kvs"])).status).toBe(2);
  });

  test("a driver that dies ends the run with its cause, and nothing hangs", async () => {
    box.write("data/modprobe/modprobe.d/more.toml", '[[modules]]\nname = "dies"\nafter = ["heartbeat"]\n');
    const { status, stderr } = await modprobe(["load", "--on=flux", "heartbeat", "dies"]);
    expect(status).toBe(1);
    expect(stderr).toContain("the driver of Flux died by signal 9");
    expect(state().loaded).toEqual(["heartbeat"]);
  });

  test("a command 'flux' that is another one is no driver", async () => {
    const other = box.write("other/flux", "#!/bin/sh\necho no such subcommand >&2\nexit 1\n");
    chmodSync(other, 0o755);
    const { status, stderr } = await modprobe(["plan", "--on=flux"], {
      PATH: `${join(box.dir, "other")}:${process.env["PATH"] ?? ""}`,
    });
    expect(status).toBe(1);
    expect(stderr).toContain("no such subcommand");
    expect(existsSync(join(box.dir, "flux/state.json"))).toBe(true);
  });
});
