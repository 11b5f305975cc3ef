/** What people get wrong on the command line, and what it says then. */
import { chmodSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  expect(box.leftovers()).toEqual([]);
  expect(box.survivors()).toEqual([]);
  box.remove();
});

describe("modprobe remove", () => {
  test("takes each name as one, and several", async () => {
    const one = await box.run(["modprobe", "remove", "--dry-run", "resource"]);
    expect(one).toMatchObject({ status: 0, stdout: "remove resource\n", stderr: "" });
    const two = await box.run(["modprobe", "remove", "--dry-run", "resource", "cron"]);
    expect(two).toMatchObject({ status: 0, stderr: "" });
    expect(two.stdout.trimEnd().split("\n").sort()).toEqual(["remove cron", "remove resource"]);
  });

  test("resolves a service to its provider, refuses what is in use, and removes users with --recursive", async () => {
    const refused = await box.run(["modprobe", "remove", "--dry-run", "content-backing"]);
    expect(refused).toMatchObject({ status: 1, stdout: "" });
    expect(refused.stderr).toMatch(/^sluice-modprobe: content-sqlite still in use by content/m);
    const all = await box.run(["modprobe", "remove", "--dry-run", "--recursive", "kvs-watch"]);
    expect(all).toMatchObject({ status: 0, stdout: "remove resource\nremove kvs-watch\n", stderr: "" });
  });

  test("is refused where there is no instance, whatever the files say of the module", async () => {
    for (const name of ["kvs", "cron", "ghost"]) {
      const { status, stderr } = await box.run(["modprobe", "remove", name]);
      expect(stderr).toMatch(/^sluice-modprobe: no instance to remove modules from: SLUICE_URI is not set/);
      expect(status).toBe(1);
    }
  });

  test("names what is not loaded", async () => {
    const { status, stderr } = await box.run(["modprobe", "remove", "--dry-run", "ghost"]);
    expect(status).toBe(1);
    expect(stderr).toBe("sluice-modprobe: module ghost is not loaded\n");
  });
});

describe("wrong usage", () => {
  test.each([
    {
      args: ["kvs", "put", "a"],
      says: "sluice-kvs: command-argument value 'a' is invalid for argument 'key=value'. must be NAME=VALUE.",
    },
    {
      args: ["kvs", "put", "=1"],
      says: "sluice-kvs: command-argument value '=1' is invalid for argument 'key=value'. must be NAME=VALUE.",
    },
    {
      args: ["kvs", "put", "a="],
      says: "sluice-kvs: command-argument value 'a=' is invalid for argument 'key=value'. a key needs a value",
    },
    { args: ["rpc", "kvs.get", "{bad"], says: "sluice-rpc: payload is not JSON: " },
    {
      args: ["start", "--size=0", "true"],
      says: "sluice-start: option '-s, --size <n>' argument '0' is invalid",
    },
    { args: ["broker", "--rank=1"], says: "sluice-broker: rank 1 needs --rundir, or SLUICE_URI" },
    { args: ["start", ""], says: "sluice-start: the command is empty" },
    { args: ["modprobe", "load"], says: "sluice-modprobe: missing required argument 'unit'" },
    { args: ["nonsense"], says: "sluice: unknown command 'nonsense'\nUsage: " },
    {
      args: ["explain", "web"],
      says: "sluice: unknown command 'explain'\n(Did you mean modprobe explain?)\nUsage: ",
    },
    {
      args: ["reload", "x"],
      says: "sluice: unknown command 'reload'\n(Did you mean one of module reload, config reload?)\nUsage: ",
    },
    {
      args: ["modprobe", "plan", "--rank=9", "--size=4"],
      says: "sluice-modprobe: invalid rank 9: an instance of size 4 has ranks 0 to 3",
    },
    {
      args: ["modprobe", "diff", "0", "4", "--size=4"],
      says: "sluice-modprobe: invalid rank 4: an instance of size 4 has ranks 0 to 3",
    },
    {
      args: ["modprobe", "analyze", "blam"],
      says: "sluice-modprobe: unknown command 'blam'; did you mean 'blame'?",
    },
    {
      args: ["modprobe", "analyze", "frob"],
      says: "sluice-modprobe: unknown command 'frob'; write one of blame, critical-chain, plot, what-if",
    },
    {
      args: ["modprobe", "analyze", "plot", "-o", "boot.png"],
      says: "sluice-modprobe: no format has the suffix .png; use --format svg|html",
    },
  ])("$args says why and how, with status 2", async ({ args, says }) => {
    const { status, stdout, stderr } = await box.run(args);
    expect(status).toBe(2);
    expect(stdout).toBe("");
    expect(stderr.startsWith(says)).toBe(true);
    expect(stderr).toMatch(/^Usage: sluice /m);
  });
});

test("a file of units as the command of start is answered with the option that takes it", async () => {
  box.write("site.toml", "");
  const { status, stderr } = await box.run(["start", "site.toml"]);
  expect(status).toBe(127);
  expect(stderr).toBe(
    "sluice-start: site.toml: command not found; to start the units of a file, use 'sluice start -f site.toml'\n",
  );
});

test("a lock that is not there, or is none, is told as any file is", async () => {
  const missing = await box.run(["modprobe", "plan", "--check-lock", "no.lock"]);
  expect(missing).toMatchObject({
    status: 1,
    stderr: "sluice-modprobe: no.lock: No such file or directory\n",
  });
  box.write("text.lock", "units\n");
  for (const args of [
    ["plan", "--check-lock", "text.lock"],
    ["diff", "text.lock", "0"],
  ]) {
    const { status, stderr } = await box.run(["modprobe", ...args]);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: "sluice-modprobe: text.lock: not a plan locked by this version of sluice\n",
    });
  }
});

test("a file of configuration that is no JSON is told as such, not as a lock", async () => {
  box.write("site.json", '{\n  "a": oops\n}\n');
  const { status, stderr } = await box.run(["modprobe", "diff", "0", "site.json"]);
  expect(status).toBe(1);
  expect(stderr).toMatch(/^site\.json:\d+:\d+: Unexpected token 'o' in JSON \[UNIT_SYNTAX\]\n/);
});

test("a command of others whose interpreter is not there is told as such", async () => {
  const file = box.write("bin/sluice-broken", "#!/no/such/program\n");
  chmodSync(file, 0o755);
  const { status, stderr } = await box.run(["broken"], { env: { SLUICE_EXEC_PATH: join(box.dir, "bin") } });
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: `sluice: ${file}: its interpreter /no/such/program is missing\n`,
  });
});

test("wrong usage names its command once, and has one line of usage", async () => {
  for (const words of [
    ["kvs", "restore"],
    ["modprobe", "diff", "0"],
  ]) {
    const { status, stderr } = await box.run(words);
    const [message, usage, ...rest] = stderr.trimEnd().split("\n");
    expect(message).toMatch(new RegExp(`^sluice-${words[0] ?? ""}: (?!sluice-|Usage:)`));
    expect(usage).toMatch(/^Usage: sluice /);
    expect(rest).toEqual([`see 'sluice ${words.slice(0, 2).join(" ")} --help'`]);
    expect(status).toBe(2);
  }
});

test("kvs put takes a value from standard input for a bare dash alone, and for one key", async () => {
  const script =
    "echo 7 | sluice kvs put a=- 'b=\"-\"'; sluice kvs get a b; sluice kvs put c=- d=- </dev/null";
  const { status, stdout, stderr } = await box.run(["start", script]);
  expect(stdout).toBe('7\n"-"\n');
  expect(stderr).toMatch(/^sluice-kvs: only one key can read standard input\n/);
  expect(status).toBe(2);
});

test("a dump that cannot be read or written is named in one line, and leaves nothing", async () => {
  const dump = join(box.dir, "kvs.dump");
  const { stderr } = await box.run([
    "start",
    `cd ${box.dir}; mkdir d; sluice kvs restore ghost; sluice kvs restore d; sluice kvs dump ghost/x; sluice kvs dump d; ` +
      `sluice kvs dump ${dump}; sluice kvs restore ${dump}`,
  ]);
  expect(stderr.trimEnd().split("\n")).toEqual([
    "sluice-kvs: ghost: No such file or directory",
    "sluice-kvs: d: Is a directory",
    "sluice-kvs: ghost/x: No such file or directory",
    "sluice-kvs: d: Is a directory",
    expect.stringMatching(/^restored as version \d+$/),
  ]);
  expect(readdirSync(box.dir).filter((name) => name.startsWith(".sluice-"))).toEqual([]);
});

test("a dump follows a link, keeps the mode of an old file and writes to a pipe itself", async () => {
  box.write("real", "old");
  const { status, stdout, stderr } = await box.run([
    "start",
    `cd ${box.dir}; chmod 640 real; ln -s real link; mkfifo pipe; sluice kvs put a=1; ` +
      "sluice kvs dump link; sluice kvs dump new; cat pipe >copy & sluice kvs dump pipe; wait; " +
      "stat -c '%F %a' link real new pipe; grep -h ':.a.,' real new copy; ls -A | grep '^[.]sluice-'",
  ]);
  expect({ status, stderr, lines: stdout.trimEnd().split("\n") }).toEqual({
    status: 1,
    stderr: "",
    lines: [
      ...["symbolic link 777", "regular file 640", "regular file 600"],
      expect.stringMatching(/^fifo /),
      ...Array.from({ length: 3 }, () => '{"key":"a","value":1}'),
    ],
  });
});

test("an interrupted dump leaves the old file and no draft", async () => {
  box.write("out", "old");
  const endless = "h.handle('dump', (request) => h.respond(request, new Uint8Array([10])));";
  box.write("kvs.mjs", `export async function modMain(h) { ${endless} await h.run(); }\n`);
  const { status, stdout } = await box.run([
    ...["start", "-S", "broker.rc1_path=", "-S", "broker.rc3_path="],
    `cd ${box.dir}; sluice module load ./kvs.mjs; sluice kvs dump out & until ls -A | grep -q "^[.]sluice-"; do :; done; ` +
      "kill -TERM $!; wait $!; echo $?; cat out; ls -A | grep '^[.]sluice-'",
  ]);
  expect({ status, stdout }).toEqual({ status: 1, stdout: "143\nold" });
});

test("fsck of what has no store says so, and leaves it as it was", async () => {
  const empty = join(box.dir, "empty");
  box.write("empty/notes.txt", "mine");
  for (const [path, reason] of [
    [empty, `${empty} has no store of a known provider`],
    [join(empty, "ghost"), `${join(empty, "ghost")}: No such file or directory`],
    [join(empty, "notes.txt"), `${join(empty, "notes.txt")}: Not a directory`],
  ] as const) {
    const { status, stderr } = await box.run(["kvs", "fsck", path]);
    expect(stderr).toBe(`sluice-kvs: ${reason}\n`);
    expect(status).toBe(1);
  }
  expect(readdirSync(empty)).toEqual(["notes.txt"]);
});

test("a file that is no rc file is told which are", async () => {
  box.write("rc.sh", "true\n");
  const { status, stderr } = await box.run(["modprobe", "run", "rc.sh"]);
  expect(status).toBe(1);
  expect(stderr).toMatch(/hint: the names of rc files end in .*\.ts, .*\.py, \.toml, \.yaml/);
});

test.each([
  { args: ["help", "modprobe"], as: ["modprobe", "--help"] },
  { args: ["help", "kvs"], as: ["kvs", "--help"] },
  { args: ["modprobe", "help", "load"], as: ["modprobe", "load", "--help"] },
])("$args helps as $as does", async ({ args, as }) => {
  const { status, stdout } = await box.run(args);
  expect(status).toBe(0);
  expect(stdout).toBe((await box.run(as)).stdout);
  expect(stdout).toContain("Example:");
});

describe("a file that is not there", () => {
  test("is named by modprobe run, without a word about how files are loaded", async () => {
    for (const name of ["missing.ts", "missing.toml"]) {
      const { status, stderr } = await box.run(["modprobe", "run", name]);
      expect(status).toBe(1);
      expect(stderr).toContain(join(box.dir, name));
      expect(stderr).toContain("No such file or directory");
      expect(stderr).not.toContain("Require stack");
    }
  });
});

test("an rc file that imports what is not there says what, in one line", async () => {
  const file = box.write("a.mjs", 'import x from "no-such-package";\n');
  const { status, stderr } = await box.run(["modprobe", "run", file]);
  expect(status).toBe(1);
  expect(stderr).toMatch(/^.*\/a\.mjs:1:\d+: Cannot find module 'no-such-package' \[RC_INVALID\]\n$/);
});

describe("an environment", () => {
  test("in which SLUICE_URI is empty has no instance", async () => {
    const env = { SLUICE_URI: "" };
    expect((await box.run(["modprobe", "load", "--dry-run", "heartbeat"], { env })).stdout).toBe(
      "load heartbeat\n",
    );
    const { status, stderr } = await box.run(["module", "list"], { env });
    expect(status).toBe(1);
    expect(stderr).toMatch(/^sluice-module: no instance: SLUICE_URI is not set/);
  });

  test("in which XDG_RUNTIME_DIR is empty has the temporary directory instead", async () => {
    const env = { XDG_RUNTIME_DIR: "", TMPDIR: box.runtimeDir };
    const { status, stdout } = await box.run(["start", "sluice getattr rundir"], { env });
    expect(status).toBe(0);
    expect(stdout.startsWith(`${box.runtimeDir}/sluice-`)).toBe(true);
  });

  test("in which XDG_RUNTIME_DIR is missing is told so", async () => {
    const { status, stderr } = await box.run(["start", "true"], { env: { XDG_RUNTIME_DIR: "/nonexistent" } });
    expect(status).toBe(1);
    expect(stderr).toBe("sluice-start: cannot make a rundir below /nonexistent: No such file or directory\n");
  });
});

describe("a statedir", () => {
  test("is of one instance at a time, so that no answered put is lost", async () => {
    const start = `start -S statedir=${join(box.dir, "state")}`;
    const script = `sluice kvs put a=1 && sluice ${start} sluice kvs put b=2; echo inner $?; sluice kvs put c=3`;
    const { status, stdout, stderr } = await box.shell(`sluice ${start} '${script}'`);
    expect(status).toBe(0);
    expect(stdout).toBe("inner 1\n");
    const [text, holder] = stderr.split(" (pid ");
    expect(text).toBe(`sluice-broker: statedir ${join(box.dir, "state")} is in use by another instance`);
    expect(holder).toMatch(/^\d+: .* broker .*\)\n$/);
    const after = await box.shell(`sluice ${start} sluice kvs dir`);
    expect(after.stdout).toBe("a\nadmin.\nc\n");
  });

  test("of no name is none, and leaves nothing where the command was run", async () => {
    const { status } = await box.run(["start", "-S", "statedir=", "sluice kvs put a=1"]);
    expect(status).toBe(0);
    expect(readdirSync(box.dir).filter((name) => !name.startsWith("run-"))).toEqual([]);
  });
});

describe("an instance that cannot start", () => {
  test("for want of a place for its state says so, and does not try for ever", async () => {
    const { status, stderr } = await box.run(["start", "-S", "statedir=/proc/nope/state", "true"]);
    expect(status).toBe(1);
    expect(stderr).toBe("sluice-broker: cannot make statedir /proc/nope/state: No such file or directory\n");
  });

  test("because its state is to go where a file is says so", async () => {
    const file = box.write("state", "");
    const { status, stderr } = await box.run(["start", "-S", `statedir=${file}`, "true"]);
    expect(status).toBe(1);
    expect(stderr).toBe(`sluice-broker: cannot make statedir ${file}: File exists\n`);
  });

  test("its program, for any reason, says so and goes down in order", async () => {
    const file = box.write("plain", "");
    const { status, stderr } = await box.run(["start", `${file}/program`]);
    expect(status).toBe(126);
    expect(stderr).toMatch(/^sluice-start: .*\/plain\/program: Not a directory$/m);
    expect(stderr).not.toContain("was not properly shut down");
  });
});

test("module load and remove say what Flux users know", async () => {
  box.write("m/idle.mjs", "export async function modMain(h) { await h.run(); }\n");
  const script = [
    "sluice module load ./m/idle.mjs",
    "sluice module load ./m/idle.mjs",
    "sluice module load -n log ./m/idle.mjs",
    "sluice module load ./m/missing.mjs",
    "sluice module load ghost",
    "sluice module remove ghost",
    "sluice module reload ghost",
    "sluice module remove idle",
  ].join("; ");
  const { status, stderr } = await box.run(["start", script]);
  expect(status).toBe(0);
  expect(stderr.trimEnd().split("\n")).toEqual([
    "sluice-module: idle: File exists",
    "sluice-module: log: File exists (it is a service of log)",
    `sluice-module: ${join(box.dir, "m/missing.mjs")}: No such file or directory`,
    "sluice-module: ghost: module not found in search path",
    "sluice-module: ghost: No such file or directory",
    "sluice-module: ghost: No such file or directory",
  ]);
});

describe("a start", () => {
  test("fault-G4: warns of misspelt attributes and tables once, with the place of each", async () => {
    const config = box.write("site.toml", "[ours]\nx = 1\n[moduels.kvs]\npriority = 1\n");
    const bare = ["-S", "broker.rc1_path=", "-S", "broker.rc3_path="];
    const { status, stderr } = await box.run([
      ...["start", "-s", "2", ...bare, "-S", "statedr=/nowhere", "-S", "site.colour=red"],
      ...["-S", "content.dump=x", "-c", config, "true"],
    ]);
    expect(status).toBe(0);
    expect(stderr.split("\n").filter((line) => /warning|hint/.test(line))).toEqual([
      expect.stringMatching(
        /: warning: flag -S statedr=\/nowhere: no attribute statedr is known; did you mean 'statedir'\?$/,
      ),
      `${config}:3:1: warning: table 'moduels' is unknown to Sluice [BROKER_CONFIG]`,
      "  hint: did you mean 'modules'?",
    ]);
  });
});
