import { chmodSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";

let sandbox: Sandbox;

beforeEach(() => {
  sandbox = new Sandbox();
});
afterEach(() => sandbox.remove());

function fragment(text: string): string {
  const path = join(sandbox.dir, "more.toml");
  writeFileSync(path, text);
  return path;
}

test("the shipped units have nothing wrong or doubtful, on any rank", async () => {
  const { status, stderr } = await sandbox.run(["modprobe", "verify", "--strict", "--size", "16"]);
  expect(stderr).toBe("0 errors, 0 warnings\n");
  expect(status).toBe(0);
});

test("fault-G13: counts are in words, and a close name is no hint while its file cannot be read", async () => {
  const wrong = fragment('kvs."requires+" = ["ghost"]\n');
  const one = await sandbox.run(["modprobe", "verify", wrong]);
  expect(one.stderr).toMatch(/\n1 error, 0 warnings\n$/);
  sandbox.write("site/modprobe.d/a.toml", '[[modules]]\nname = "u8"\n');
  sandbox.write("site/modprobe.d/b.toml", '[[modules]]\nname = "u9\n');
  const rc = sandbox.write("rc.toml", '[u9]\nranks = "0"\n[u8]\nranks = "0"\n');
  const env = { FLUX_MODPROBE_PATH_APPEND: join(sandbox.dir, "site") };
  const { stderr } = await sandbox.run(["modprobe", "run", "--dry-run", rc], { env });
  expect(stderr).toContain("no such module or task 'u9'");
  expect(stderr).toContain("site/modprobe.d/b.toml, which may define this unit");
  expect(stderr).not.toContain("did you mean");
});

const TWO_KINDS_OF_MISTAKES =
  '[[modules]]\nname = "a"\nranks = "3-1"\n[[modules]]\nname = "a"\n[ghost]\npriority = 3\n';

test.each([
  ["verify", ["verify"]],
  ["run", ["run", "--dry-run"]],
])("%s reports what a file says wrong beside what its names get wrong, by place", async (_, words) => {
  const wrong = fragment(TWO_KINDS_OF_MISTAKES);
  const { status, stderr } = await sandbox.run(["modprobe", ...words, wrong]);
  const found = [...stderr.matchAll(/^\S+more\.toml:(\d+:\d+): .*\[(\w+)\]$/gm)];
  expect(found.map(([, place, code]) => `${place ?? ""} ${code ?? ""}`)).toEqual([
    "3:9 UNIT_INVALID_RANKS",
    "5:8 UNIT_DUPLICATE_NAME",
    "6:1 UNIT_UNKNOWN_UNIT",
  ]);
  expect(status).toBe(1);
});

test("a mistake in one rc file does not hide those of the others", async () => {
  sandbox.write("site/rc1.d/a.toml", '[[tasks]]\nname = "t"\nranks = "3-1"\ncommand = "true"\n');
  sandbox.write("site/rc1.d/b.ts", "let x = ;\n");
  sandbox.write("site/rc1.d/c.toml", '[ghost]\nranks = "0"\n');
  const env = { FLUX_MODPROBE_PATH_APPEND: join(sandbox.dir, "site") };
  const { status, stderr } = await sandbox.run(["modprobe", "rc1", "--dry-run"], { env });
  expect([...stderr.matchAll(/site\/rc1\.d\/(\S+): .*\[(\w+)\]$/gm)].map((match) => match.slice(1))).toEqual([
    ["a.toml:3:9", "UNIT_INVALID_RANKS"],
    ["b.ts:1:9", "RC_INVALID"],
    ["c.toml:1:1", "UNIT_UNKNOWN_UNIT"],
  ]);
  expect(status).toBe(1);
});

test("the tasks of a file that verify gets are roots, and what they require is planned", async () => {
  const file = fragment(
    '[[modules]]\nname = "used"\nmodule = "heartbeat"\n' +
      '[[tasks]]\nname = "t"\ncommand = "true"\nrequires = ["used"]\n',
  );
  const { status, stderr } = await sandbox.run(["modprobe", "verify", "--strict", file]);
  expect(stderr).toBe("0 errors, 0 warnings\n");
  expect(status).toBe(0);
});

/** What `verify` says, the directory of the test left out. */
async function warningsOf(env: Readonly<Record<string, string>>): Promise<string[]> {
  const { status, stderr } = await sandbox.run(["modprobe", "verify"], { env });
  expect(status).toBe(0);
  return stderr.replaceAll(`${sandbox.dir}/`, "").split("\n").slice(0, -2);
}

test("fault-G1: files that are missing are warned of, with the place that names them", async () => {
  sandbox.write(
    "site/modprobe.d/a.toml",
    '[[modules]]\nname = "ghost"\nmodule = "./ghost.mjs"\n[[tasks]]\nname = "t"\ncommand = ["no-such"]\n' +
      '[[modules]]\nname = "elsewhere"\n[[modules]]\nname = "off"\nmodule = "./off.mjs"\ndisabled = true\n',
  );
  sandbox.write("site/rc1.d/load.yaml", "load: [ghost, elsewhere]\n");
  const found = await warningsOf({ FLUX_MODPROBE_PATH_APPEND: join(sandbox.dir, "site") });
  expect(found.filter((line) => line.includes("LOAD_NOT_FOUND"))).toEqual([
    "site/modprobe.d/a.toml:3:10: warning: ghost: site/modprobe.d/ghost.mjs: No such file or directory [LOAD_NOT_FOUND]",
    "site/modprobe.d/a.toml:6:11: warning: t: no-such: command not found [LOAD_NOT_FOUND]",
  ]);
});

test("fault-G1: parts of programs that this machine lacks are warned of, each with its place and once", async () => {
  sandbox.write(
    "site/modprobe.d/p.toml",
    `[[modules]]
name = "web"
command = ["no-such-program"]
user = "no-such-user"
group = "no-such-group"
output = "${sandbox.dir}/absent/out.log"
ready = { command = ["no-such-probe"] }
stop = { command = "true" }
[[modules]]
name = "db"
command = ["./run"]
directory = "${sandbox.dir}/absent"
alive = { command = ["./check"] }
[[modules]]
name = "fine"
command = ["tool"]
environment = { PATH = "${sandbox.dir}/bin" }
[[modules]]
name = "off"
command = ["no-such-program"]
disabled = true
[[modules]]
name = "plain"
command = ["./plain.txt"]
directory = "${sandbox.dir}"
`,
  );
  chmodSync(sandbox.write("bin/tool", "#!/bin/sh\n"), 0o755);
  sandbox.write("plain.txt", "");
  sandbox.write("site/rc1.d/load.yaml", "load: [web, db, fine, off, plain]\n");
  const found = await warningsOf({ FLUX_MODPROBE_PATH_APPEND: join(sandbox.dir, "site") });
  const file = "site/modprobe.d/p.toml";
  expect(found.filter((line) => line.includes("LOAD_NOT_FOUND"))).toEqual([
    `${file}:3:11: warning: web: no-such-program: command not found [LOAD_NOT_FOUND]`,
    `${file}:4:8: warning: web: no such user 'no-such-user' [LOAD_NOT_FOUND]`,
    `${file}:5:9: warning: web: no such group 'no-such-group' [LOAD_NOT_FOUND]`,
    `${file}:6:10: warning: web: directory absent: No such file or directory [LOAD_NOT_FOUND]`,
    `${file}:7:9: warning: web: no-such-probe: command not found [LOAD_NOT_FOUND]`,
    `${file}:12:13: warning: db: directory absent: No such file or directory [LOAD_NOT_FOUND]`,
    `${file}:24:11: warning: plain: plain.txt: not an executable file; try: chmod +x plain.txt [LOAD_NOT_FOUND]`,
  ]);
});

test("fault-G1: parts that are missing beside a missing directory, or for a rare reason, are warned of", async () => {
  const absent = join(sandbox.dir, "absent");
  symlinkSync("loop", join(sandbox.dir, "loop"));
  sandbox.write(
    "site/modprobe.d/p.toml",
    `[[modules]]
name = "beside"
directory = "${absent}"
command = ["${absent}er/run"]
output = "${absent}-too/out.log"
[[modules]]
name = "inside"
directory = "${absent}"
command = ["${absent}/bin/run"]
output = "out.log"
alive = { command = ["../absent/check"] }
[[modules]]
name = "rare"
command = ["true"]
directory = "${sandbox.dir}/loop"
[[modules]]
name = "long"
command = ["true"]
output = "${"x".repeat(300)}/out.log"
`,
  );
  sandbox.write("site/rc1.d/load.yaml", "load: [beside, inside, rare, long]\n");
  const found = await warningsOf({ FLUX_MODPROBE_PATH_APPEND: join(sandbox.dir, "site") });
  const file = "site/modprobe.d/p.toml";
  expect(found.filter((line) => line.includes("LOAD_NOT_FOUND"))).toEqual([
    `${file}:3:13: warning: beside: directory absent: No such file or directory [LOAD_NOT_FOUND]`,
    `${file}:4:11: warning: beside: absenter/run: No such file or directory [LOAD_NOT_FOUND]`,
    `${file}:5:10: warning: beside: directory absent-too: No such file or directory [LOAD_NOT_FOUND]`,
    `${file}:8:13: warning: inside: directory absent: No such file or directory [LOAD_NOT_FOUND]`,
    `${file}:15:13: warning: rare: directory loop: Too many levels of symbolic links [LOAD_NOT_FOUND]`,
    expect.stringMatching(
      /^site\S+:19:10: warning: long: directory .*x: File name too long \[LOAD_NOT_FOUND\]$/,
    ),
  ]);
});

test("fault-G1: files and directories that are never read are warned of, with where they belong", async () => {
  const unread = [
    ["site/modprobe.d/x.tml", "the names of unit files end in .toml, .yaml or .yml"],
    ["site/rc1.d/x.sh", "the names of rc files end in .ts, .js, .py, .toml or .yaml"],
    ["conf/modprobe/modprobe.toml", "move the file into conf/modprobe/modprobe.d"],
    ["conf/modprobe/rc1.ts", "move the file into conf/modprobe/rc1.d"],
    ["conf/modprobe/rc3.toml", "move the file into conf/modprobe/rc3.d"],
  ] as const;
  for (const [file] of unread) sandbox.write(file, "");
  for (const file of [
    "site/modprobe.d/.a",
    "site/modprobe.d/a.toml~",
    "site/rc1.d/README",
    "conf/modprobe/rc3.d/.keep",
  ])
    sandbox.write(file, "");
  const paths = ["site", "nowhere", "site/modprobe.d", "conf"].map((name) => join(sandbox.dir, name));
  const found = await warningsOf({
    FLUX_MODPROBE_PATH_APPEND: paths.join(":"),
    SLUICE_CONFDIR: join(sandbox.dir, "conf"),
  });
  const variable = "sluice-modprobe: warning: FLUX_MODPROBE_PATH_APPEND:";
  const parts = "has none of modprobe.d, rc1.d, rc3.d";
  expect(found).toEqual([
    `${variable} conf ${parts}`,
    "  hint: did you mean 'conf/modprobe'?",
    `${variable} nowhere does not exist`,
    `${variable} site/modprobe.d ${parts}`,
    "  hint: name the directory above: site",
    ...unread
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([file, hint]) => [`${file}:1:1: warning: is not read [UNIT_NOT_READ]`, `  hint: ${hint}`]),
  ]);
});

test("fault-G3: rc1 of Flux chooses the backing by an attribute, and nothing is claimed of its providers", async () => {
  const rc =
    'from flux.modprobe import task\n\ndef setup(c):\n    m = c.attr_get("content.backing-module")\n    if m:\n        c.set_alternative("backing", m)\n';
  const unit = (name: string) => `[[modules]]\nname = "${name}"\nprovides = ["backing"]\n`;
  sandbox.write("site/modprobe.d/a.toml", unit("files") + unit("sqlite"));
  sandbox.write("site/rc1.d/load.toml", 'load = ["backing"]\n');
  const env = { FLUX_MODPROBE_PATH_APPEND: join(sandbox.dir, "site") };
  expect((await warningsOf(env)).join("\n")).toContain("files is picked for backing only by an alternative");
  sandbox.write("site/rc1.d/rc.py", rc);
  expect((await warningsOf(env)).filter((line) => line.includes("alternative"))).toEqual([]);
});

describe("executable files of rc1.d and rc3.d", () => {
  const script = (path: string): void => {
    chmodSync(sandbox.write(path, '#!/bin/sh\necho "ran $0"\n'), 0o755);
  };
  const places = () => ({
    FLUX_MODPROBE_PATH_APPEND: join(sandbox.dir, "site"),
    SLUICE_CONFDIR: join(sandbox.dir, "conf"),
    FLUX_RC_EXTRA: join(sandbox.dir, "extra"),
  });
  const isNamed = (stderr: string) =>
    [...stderr.replaceAll(`${sandbox.dir}/`, "").matchAll(/^(\S+):1:1: warning: is not run/gm)].map(
      ([, file]) => file,
    );

  test("fault-F12, row 30: are not run, and verify and start name each once with the task to write", async () => {
    for (const file of ["site/rc1.d/10-a.sh", "conf/rc1.d/b", "extra/rc1.d/c", "extra/rc3.d/d"]) script(file);
    const verified = await sandbox.run(["modprobe", "verify"], { env: places() });
    const all = ["conf/rc1.d/b", "extra/rc1.d/c", "extra/rc3.d/d", "site/rc1.d/10-a.sh"];
    expect(isNamed(verified.stderr)).toEqual(all);
    const started = await sandbox.run(["start", "true"], { env: places() });
    expect(started.status).toBe(0);
    expect(isNamed(started.stderr).toSorted()).toEqual(all);
    expect(started.stderr).not.toContain("ran ");
    const [, task = ""] =
      /^ {2}hint: write into an rc file of rc1\.d: (.*10-a\.sh.*)$/m.exec(verified.stderr) ?? [];
    const rc = sandbox.write("task.toml", `${task}\n`);
    const run = await sandbox.run(["modprobe", "run", "--dry-run", rc]);
    expect(run).toMatchObject({ status: 0, stdout: "run 10-a\n" });
  });

  test("fault-F12: those that an rc file runs by run_all_rc_scripts are not named", async () => {
    for (const file of ["conf/rc1.d/b", "extra/rc1.d/c", "extra/rc3.d/d"]) script(file);
    sandbox.write(
      "site/rc1.d/all.py",
      'from flux.modprobe import run_all_rc_scripts, task\n@task("run-all-rc1", after=["*"])\ndef run(c):\n    run_all_rc_scripts(1)\n',
    );
    const started = await sandbox.run(["start", "true"], { env: places() });
    expect(isNamed(started.stderr)).toEqual(["extra/rc3.d/d"]);
    expect(started.stderr.match(/ran /g)).toBeNull();
  });
});

test("a warning fails only the strict, and an error both", async () => {
  const lone = fragment('[[modules]]\nname = "lone"\n');
  const lax = await sandbox.run(["modprobe", "verify", lone]);
  expect([lax.status, lax.stderr]).toEqual([0, expect.stringContaining("[UNIT_UNREACHED]")]);
  expect((await sandbox.run(["modprobe", "verify", "--strict", lone])).status).toBe(1);
  const wrong = fragment('kvs."requires+" = ["ghost"]\n');
  const { status, stderr } = await sandbox.run(["modprobe", "verify", wrong]);
  expect([status, stderr]).toEqual([1, expect.stringContaining("[GRAPH_UNKNOWN_NAME]")]);
});

test("a cycle on ranks other than the first is found", async () => {
  const loaded = fragment(
    'load = ["far"]\n[[modules]]\nname = "far"\nranks = ">0"\nafter = ["kvs"]\nbefore = ["content"]\n',
  );
  const one = await sandbox.run(["modprobe", "verify", loaded]);
  expect(one.status).toBe(0);
  const many = await sandbox.run(["modprobe", "verify", "--size", "4", loaded]);
  expect([many.status, many.stderr]).toEqual([1, expect.stringContaining("[GRAPH_CYCLE]")]);
});

test("--json prints a SARIF log with the place of each problem", async () => {
  const path = fragment('[[modules]]\nname = "lone"\nafter = ["ghost"]\n');
  const { stdout, stderr } = await sandbox.run(["modprobe", "verify", "--json", path]);
  expect(stderr).toBe("");
  const log = JSON.parse(stdout) as {
    version: string;
    runs: { results: { ruleId: string; locations: unknown }[] }[];
  };
  expect(log.version).toBe("2.1.0");
  expect(log.runs[0]?.results.map(({ ruleId }) => ruleId)).toEqual([
    "UNIT_UNREACHED",
    "UNIT_ORDER_ON_UNKNOWN",
  ]);
  expect(log.runs[0]?.results[1]?.locations).toMatchObject([
    { physicalLocation: { region: { startLine: 3, startColumn: 10 } } },
  ]);
});

describe("a module that asks what it requires before it runs", () => {
  const unit = (file: string, more = ""): string =>
    fragment(
      `load = ["early"]\n[[modules]]\nname = "early"\nmodule = "./${file}"\nrequires = ["kvs"]\n${more}`,
    );

  test.each([
    [
      "early.mjs",
      'export async function modMain(h) {\n  await h.rpc("kvs.get", { key: "a" });\n  await h.run();\n}\n',
    ],
    ["early.py", 'def mod_main(h):\n    h.rpc("kvs.get", {"key": "a"}).get()\n    h.run()\n'],
  ])("is doubted without an order, with both places: %s", async (file, source) => {
    const module = sandbox.write(file, source);
    const { status, stderr } = await sandbox.run(["modprobe", "verify", "--strict", unit(file)]);
    expect(status).toBe(1);
    expect(stderr).toContain("more.toml:5:13: ");
    expect(stderr).toContain("[GRAPH_REQUIRES_UNORDERED]");
    expect(stderr).toContain(`${module}:2:`);
    expect(stderr).toContain('after = ["kvs"]');
    const cured = await sandbox.run(["modprobe", "verify", "--strict", unit(file, 'after = ["kvs"]\n')]);
    expect([cured.status, cured.stderr]).toEqual([0, "0 errors, 0 warnings\n"]);
  });

  test("is in the SARIF log, with the request as a related place", async () => {
    sandbox.write("early.mjs", 'export async function modMain(h) {\n  await h.rpc("kvs.get");\n}\n');
    const { stdout } = await sandbox.run(["modprobe", "verify", "--json", unit("early.mjs")]);
    const log = JSON.parse(stdout) as { runs: { results: unknown[] }[] };
    expect(log.runs[0]?.results).toMatchObject([
      {
        ruleId: "GRAPH_REQUIRES_UNORDERED",
        level: "warning",
        locations: [{ physicalLocation: { region: { startLine: 5, startColumn: 13 } } }],
        relatedLocations: [{ physicalLocation: { region: { startLine: 2, startColumn: 11 } } }],
      },
    ]);
  });
});

test("the examples ask nothing before it is there", async () => {
  const examples = resolve(import.meta.dirname, "../../examples");
  for (const example of ["site", "batch"]) {
    const env = { FLUX_MODPROBE_PATH_APPEND: join(examples, example, "modprobe") };
    const { stderr } = await sandbox.run(["modprobe", "verify", "--size", "4"], { env });
    expect(stderr).toContain("0 errors");
    expect(stderr).not.toContain("GRAPH_REQUIRES_UNORDERED");
  }
});
