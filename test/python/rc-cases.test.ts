import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RcBox, type RcCase } from "./support/rc-case.js";

let box: RcBox;
beforeEach(() => {
  box = new RcBox();
});
afterEach(() => {
  box.remove();
});

function say(name: string, options = ""): string {
  return `@task("${name}"${options === "" ? "" : `, ${options}`})\ndef _(context): print("${name}")\n`;
}

const ORDER: readonly RcCase[] = [
  { title: "one task", source: say("a"), stdout: "a\n" },
  { title: "after", source: say("a", 'after=["b"]') + say("b"), stdout: "b\na\n" },
  { title: "before", source: say("a") + say("b", 'before=["a"]'), stdout: "b\na\n" },
  {
    title: "a task before all others",
    source: say("a") + say("b", 'after=["a"]') + say("first", 'before=["*"]'),
    stdout: "first\na\nb\n",
  },
  {
    title: "a task after all others",
    source: say("last", 'after=["*"]') + say("a") + say("b", 'before=["a"]'),
    stdout: "b\na\nlast\n",
  },
  {
    title: "after a service means after who provides it",
    source: say("a", 'after=["s"]') + say("b", 'provides=["s"]'),
    stdout: "b\na\n",
  },
  {
    title: "after what is not there is no order",
    source: say("a", 'after=["nobody"]') + say("b"),
    stdout: "a\nb\n",
  },
  {
    title: "needs that are met and needs that are not",
    source: say("a", 'needs=["b"]') + say("b") + say("c", 'needs=["nobody"]'),
    stdout: "a\nb\n",
  },
  { title: "a disabled task", source: say("a", "disabled=True") + say("b"), stdout: "b\n" },
  {
    title: "a task that is disabled for one run",
    source: say("a") + say("b"),
    env: { FLUX_MODPROBE_DISABLE: "a" },
    stdout: "b\n",
  },
  {
    title: "ranks",
    source:
      say("a", 'ranks="0"') + say("b", 'ranks=">0"') + say("c", 'ranks="0-3"') + say("d", 'ranks="all"'),
    options: ["--rank", "2", "--size", "4"],
    stdout: "b\nc\nd\n",
  },
  {
    title: "environment that is set, and that is not",
    source:
      say("a", 'needs_env=["HERE"]') + say("b", 'needs_env=["!HERE"]') + say("c", 'needs_env=["!NOT_SET"]'),
    stdout: "a\nc\n",
  },
  {
    title: "attributes that are set, and that are not",
    source:
      say("a", 'needs_attrs=["content.dump"]') +
      say("b", 'needs_attrs=["!content.dump"]') +
      say("c", 'needs_attrs=["content.restore"]'),
    options: ["--attr", "content.dump=yes"],
    stdout: "a\n",
  },
  {
    title: "configuration that is set, whatever the value",
    source: say("a", 'needs_config=["systemd.enable"]') + say("b", 'needs_config=["!systemd.enable"]'),
    options: ["--config", "conf.toml"],
    files: { "conf.toml": "[systemd]\nenable = false\n" },
    stdout: "a\n",
  },
  {
    title: "tuples and sets are lists",
    source: say("a", 'after=("b",)') + say("b", "needs=set()"),
    stdout: "b\na\n",
  },
];

const SETUP: readonly RcCase[] = [
  {
    title: "loads modules with what they require",
    source: 'def setup(context):\n  context.load_modules(["kvs-watch"])\n',
    options: ["--dry-run"],
    stdout: "load heartbeat\nload content\nload content-sqlite\nload kvs\nload kvs-watch\n",
  },
  {
    title: "leaves out what is not for this rank",
    source: 'def setup(context):\n  context.load_modules(["job-list", "heartbeat"])\n',
    options: ["--dry-run", "--rank", "1", "--size", "2"],
    stdout: "load heartbeat\n",
  },
  {
    title: "loads modules, with arguments from the environment",
    source: `def setup(context):
  context.load_modules(["cron"])
  context.setopt("cron", context.getenv("CRON_OPTIONS", ""))
`,
    env: { CRON_OPTIONS: " quiet\tx=1 " },
    options: ["--dry-run"],
    stdout: "load heartbeat\nload cron sync=heartbeat.pulse quiet x=1\n",
  },
  {
    title: "replaces arguments",
    source: `def setup(context):
  context.load_modules(["cron"])
  context.setopt("cron", "sync=none", overwrite=True)
`,
    options: ["--dry-run"],
    stdout: "load heartbeat\nload cron sync=none\n",
  },
  {
    title: "sets options of a service, which reach its provider",
    source: `def setup(context):
  context.load_modules(["content-backing"])
  context.setopt("content-backing", "journal=wal")
`,
    options: ["--dry-run"],
    stdout: "load content-sqlite journal=wal\n",
  },
  {
    title: "chooses an alternative by an attribute",
    source: `def setup(context):
  backing = context.attr_get("content.backing-module")
  if backing is not None:
    context.set_alternative("content-backing", backing)
  context.load_modules(["content-backing"])
`,
    options: ["--dry-run", "--attr", "content.backing-module=content-files"],
    stdout: "load content-files\n",
  },
  {
    title: "enables what is disabled",
    source: 'def setup(context):\n  context.enable("a")\n' + say("a", "disabled=True"),
    stdout: "a\n",
  },
  {
    title: "runs before any task, its output first",
    source: 'def setup(context):\n  print("setup of", context.rank)\n' + say("a"),
    options: ["--rank", "3", "--size", "4"],
    stdout: "setup of 3\na\n",
  },
  {
    title: "says something in verbose mode only",
    source: 'def setup(context):\n  context.print("quiet", 1)\n' + say("a"),
    stdout: "a\n",
  },
  {
    title: "reads configuration by dotted keys",
    source: `def setup(context):
  print(context.conf_get("a.b"), context.conf_get("a.b.c", "none"), context.conf_get("x", default=5))
`,
    options: ["--config", "conf.toml"],
    files: { "conf.toml": "[a]\nb = [1, 2]\n" },
    stdout: "[1, 2] none 5\n",
  },
  {
    title: "cannot be asked for what only setup can do",
    source: '@task("a")\ndef a(context):\n  context.load_modules(["kvs"])\n',
    status: 1,
    stdout: "",
    stderr: ["sluice-modprobe: a: load_modules: only setup() can change the plan"],
  },
  {
    title: "that fails ends the run",
    source: 'def setup(context):\n  raise RuntimeError("not today")\n' + say("a"),
    status: 1,
    stdout: "",
    stderr: ["FILE:3:1: not today [RC_FAILED]"],
  },
];

const TASKS: readonly RcCase[] = [
  {
    title: "share data",
    source:
      '@task("a")\ndef a(context): context.set("x", {"n": (1, 2)})\n' +
      '@task("b", after=["a"])\ndef b(context): print(context.get("x"), context.get("y", "none"))\n',
    stdout: "{'n': [1, 2]} none\n",
  },
  {
    title: "change the environment of what follows",
    source: `@task("a")
def a(context):
  context.setenv("ONE", "1")
  context.setenv({"TWO": "2", "HERE": None})
@task("b", after=["a"])
def b(context):
  context.bash("echo $ONE $TWO \${HERE-unset}")
  print(context.getenv("ONE"), context.getenv("HERE", "gone"))
`,
    stdout: "1 2 unset\n1 gone\n",
  },
  {
    title: "set nothing but strings",
    source: '@task("a")\ndef a(context): context.setenv({"OK": "1", "BAD": 1})\n',
    status: 1,
    stdout: "",
    stderr: ["sluice-modprobe: a: setenv: the value of BAD must be a string or None, not 1"],
  },
  {
    title: "catch a ValueError",
    source: `@task("a")
def a(context):
  try:
    context.setenv("BAD", 3.5)
  except ValueError:
    print("caught", context.getenv("BAD"))
`,
    stdout: "caught None\n",
  },
  {
    title: "run shell lines, whose output is theirs",
    source:
      '@task("a")\ndef a(context):\n  print("1")\n  context.bash("echo 2; printf 3")\n  print(" and 4")\n',
    stdout: "1\n2\n3 and 4\n",
  },
  {
    title: "run commands on inherited descriptors, in order",
    source: `@task("a")
def a(context):
  import subprocess, sys
  print("1")
  subprocess.run(["echo", "2"], check=True)
  sys.stdout.buffer.write(b"3\\n")
  subprocess.run(["echo", "4"], check=True)
`,
    stdout: "1\n2\n3\n4\n",
  },
  {
    title: "hear of the status of a shell line",
    source: '@task("a")\ndef a(context): context.bash("exit 3")\n' + say("b", 'after=["a"]'),
    status: 1,
    stdout: "",
    stderr: [
      "sluice-modprobe: a: bash: exited with exit status 3",
      "sluice-modprobe: b: not started, because a failed",
    ],
  },
  {
    title: "hear of the signal of a shell line",
    source: '@task("a")\ndef a(context): context.bash("kill -15 $$")\n',
    status: 1,
    stdout: "",
    stderr: ["sluice-modprobe: a: bash: died by signal 15"],
  },
  {
    title: "fail with what they raise, and nothing after starts",
    source:
      '@task("a")\ndef a(context): raise RuntimeError("no luck")\n' +
      say("b", 'after=["a"]') +
      say("c", 'after=["b"]'),
    status: 1,
    stdout: "",
    stderr: ["sluice-modprobe: a: no luck", "sluice-modprobe: b, c: not started, because a failed"],
  },
  {
    title: "fail with a message even where there is none",
    source: '@task("a")\ndef a(context): assert False\n',
    status: 1,
    stdout: "",
    stderr: ["sluice-modprobe: a: AssertionError"],
  },
  {
    title: "may be coroutines",
    source:
      '@task("a")\nasync def a(context):\n  import asyncio\n  await asyncio.sleep(0)\n  print("awaited")\n',
    stdout: "awaited\n",
  },
  {
    title: "find the scripts of a run level",
    source:
      `from flux.modprobe import run_all_rc_scripts
@task("run-all", after=["*"])
def run_all(context): run_all_rc_scripts(1)
` + say("a"),
    files: {
      "conf/rc1.d/20": "#!/bin/sh\necho twenty\n",
      "conf/rc1.d/10": "#!/bin/sh\necho ten; exit 2\n",
      "more/rc1.d/x": "#!/bin/sh\necho more\n",
    },
    env: { FLUX_RC_EXTRA: "more", SLUICE_CONFDIR: "conf" },
    status: 1,
    stdout: "a\nten\ntwenty\nmore\n",
    stderr: ["sluice-modprobe: run-all: conf/rc1.d/10: exited with exit status 2"],
  },
];

const MISTAKES: readonly RcCase[] = [
  {
    title: "an unknown argument",
    source: say("a", "frequency=3"),
    status: 1,
    stdout: "",
    stderr: ["FILE:2:1: a: unknown task argument frequency [RC_INVALID]"],
  },
  {
    title: "an unknown argument that is like a known one",
    source: say("a", "needs_atrs=[]"),
    status: 1,
    stdout: "",
    stderr: [
      "FILE:2:1: a: unknown task argument needs_atrs [RC_INVALID]",
      "  hint: did you mean 'needs_attrs'?",
    ],
  },
  {
    title: "no name",
    source: '@task(after=["b"])\ndef a(context): pass\n',
    status: 1,
    stdout: "",
    stderr: ["FILE:2:1: task missing required name argument [RC_INVALID]"],
  },
  {
    title: "no name and no brackets",
    source: "@task\ndef a(context): pass\n",
    status: 1,
    stdout: "",
    stderr: ["FILE:2:1: task missing required name argument [RC_INVALID]"],
  },
  {
    title: "a file that is not Python",
    source: "def a(:\n",
    status: 1,
    stdout: "",
    stderr: ["FILE:2:7: SyntaxError: invalid syntax [RC_INVALID]"],
  },
  {
    title: "an import that Sluice does not have",
    source: "import flux.job\n",
    status: 1,
    stdout: "",
    stderr: ["FILE:2:1: No module named 'flux.job': Sluice does not provide it [RC_INVALID]"],
  },
];

describe.each([
  ["the order and choice of Python tasks", ORDER],
  ["setup of a Python rc file", SETUP],
  ["Python tasks", TASKS],
  ["mistakes in a Python rc file", MISTAKES],
] as const)("%s", (_, cases) => {
  test.each(cases)("$title", async (each) => {
    const { status, stdout, stderr } = await box.runCase(each);
    const lines = stderr.split("\n").filter((line) => line !== "");
    expect({ stdout, lines, status }).toEqual({
      stdout: each.stdout,
      lines: each.stderr ?? [],
      status: each.status ?? 0,
    });
  });
});
