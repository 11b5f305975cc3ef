import { chmodSync, chownSync, existsSync, lchownSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Finished, Sandbox } from "../helpers/sluice.js";
import { giveTo, isRoot, type TestUser, testUsers } from "../helpers/users.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  expect(box.leftovers()).toEqual([]);
  expect(box.survivors()).toEqual([]);
  box.remove();
});

/** A user that is neither root nor one of the users of these tests. */
const STRANGER = 54399;

const MODULE = "export async function modMain(h) { await h.run(); }\n";
const UNIT = '[[modules]]\nname = "trap"\n';
const TASK = 'import { task } from "sluice/rc";\ntask("trap", {}, () => console.log("ran"));\n';

/** Puts files into a site of the user's own, `units/` on the search path of units and rc files. */
function site(user: TestUser, files: Readonly<Record<string, string>>): void {
  const directories = new Set<string>();
  const paths = Object.entries(files).map(([path, text]) => {
    for (let at = path; at.includes("/"); at = at.slice(0, at.lastIndexOf("/"))) {
      directories.add(join(box.dir, at.slice(0, at.lastIndexOf("/"))));
    }
    const file = box.write(path, text);
    chmodSync(file, 0o644);
    return file;
  });
  for (const directory of directories) chmodSync(directory, 0o755);
  giveTo(user, box.dir, box.runtimeDir, ...directories, ...paths);
}

function run(user: TestUser, args: readonly string[]): Promise<Finished> {
  const env = { FLUX_MODPROBE_PATH_APPEND: join(box.dir, "units") };
  return box.run(args, { env, prefix: user.prefix });
}

/** Places and codes of what was refused, and the commands that are said to help. */
function refusals({ stderr }: Finished): string[] {
  return stderr
    .split("\n")
    .filter((line) => line.includes("try: "))
    .map((line) => {
      const [, place = "", cure = ""] =
        /^(?:sluice-[\w-]+: | {2})?(.*?)(?::1:1)?: .*try: (.*?)(?: \[UNIT_INSECURE\])?$/.exec(line) ?? [];
      return `${place} → ${cure}`.replaceAll(box.dir, ".");
    });
}

describe.each(testUsers)("$title", (user) => {
  test("files of one's own and of root below sticky directories are read", async () => {
    site(user, { "units/modprobe.d/a.toml": UNIT });
    expect(await run(user, ["modprobe", "show", "trap"])).toMatchObject({ status: 0, stderr: "" });
  });

  test("a unit file that others may write is refused with the chmod that helps, and everything at once", async () => {
    site(user, { "units/modprobe.d/a.toml": UNIT, "units/modprobe.d/b.toml": "", "units/rc1.d/c.mjs": TASK });
    chmodSync(join(box.dir, "units/modprobe.d/a.toml"), 0o646);
    chmodSync(join(box.dir, "units/rc1.d/c.mjs"), 0o666);
    giveTo({ ...user, gid: STRANGER }, join(box.dir, "units/rc1.d/c.mjs"));
    const result = await run(user, ["modprobe", "rc1", "--dry-run"]);
    expect(result.status).toBe(1);
    expect(result.stdout).toBe("");
    expect(refusals(result)).toEqual([
      "./units/modprobe.d/a.toml → chmod o-w ./units/modprobe.d/a.toml",
      `./units/rc1.d/c.mjs → chmod ${isRoot ? "go" : "o"}-w ./units/rc1.d/c.mjs`,
    ]);
  });

  test("a directory that others may write is refused once for all that is in it", async () => {
    site(user, { "units/modprobe.d/a.toml": UNIT, "units/modprobe.d/b.toml": "" });
    chmodSync(join(box.dir, "units"), 0o777);
    const result = await run(user, ["modprobe", "show", "trap"]);
    expect(result.status).toBe(1);
    expect(refusals(result)).toEqual(["./units → chmod o-w ./units"]);
    expect(await run(user, ["modprobe", "show", "--insecure", "trap"])).toMatchObject({ status: 0 });
    chmodSync(join(box.dir, "units"), 0o1777);
    expect(await run(user, ["modprobe", "show", "trap"])).toMatchObject({ status: 0, stderr: "" });
  });

  test("one's own primary group may write, as it may with the umask 002", async () => {
    site(user, { "units/modprobe.d/a.toml": UNIT });
    chmodSync(join(box.dir, "units/modprobe.d/a.toml"), 0o664);
    chmodSync(join(box.dir, "units/modprobe.d"), 0o775);
    expect(await run(user, ["modprobe", "show", "trap"])).toMatchObject({ status: 0, stderr: "" });
  });

  test("the target of a link counts, and every directory on the way to it", async () => {
    site(user, { "units/modprobe.d/z.toml": "", "open/real/a.toml": UNIT });
    symlinkSync("../../open/real/a.toml", join(box.dir, "units/modprobe.d/a.toml"));
    giveTo(user, join(box.dir, "units/modprobe.d/a.toml"));
    expect(await run(user, ["modprobe", "show", "trap"])).toMatchObject({ status: 0, stderr: "" });
    chmodSync(join(box.dir, "open"), 0o757);
    chmodSync(join(box.dir, "open/real/a.toml"), 0o602);
    const result = await run(user, ["modprobe", "show", "trap"]);
    expect(refusals(result)).toEqual([
      "./open → chmod o-w ./open",
      "./open/real/a.toml → chmod o-w ./open/real/a.toml",
    ]);
  });

  test("an rc file that others may write does not run, however it is named", async () => {
    site(user, { "a.mjs": TASK, "b.toml": '[[tasks]]\nname = "trap"\ncommand = "echo ran"\n' });
    for (const name of ["a.mjs", "b.toml"]) {
      const file = join(box.dir, name);
      chmodSync(file, 0o602);
      const result = await run(user, ["modprobe", "run", file]);
      expect(result).toMatchObject({ status: 1, stdout: "" });
      expect(refusals(result)).toEqual([`./${name} → chmod o-w ./${name}`]);
      expect(await run(user, ["modprobe", "run", "--insecure", file])).toMatchObject({ stdout: "ran\n" });
    }
  });

  test("a configuration that others may write starts no instance", async () => {
    site(user, { "site.toml": 'x = "y"\n', "conf.d/a.toml": "" });
    const file = join(box.dir, "site.toml");
    chmodSync(file, 0o606);
    chmodSync(join(box.dir, "conf.d"), 0o703);
    const plain = ["start", "-S", "broker.rc1_path=", "-S", "broker.rc3_path="];
    const flags = ["-c", file, `--conf=${join(box.dir, "conf.d")}`];
    const result = await run(user, [...plain, ...flags, "true"]);
    expect(result.status).toBe(1);
    expect(refusals(result)).toEqual([
      "./conf.d → chmod o-w ./conf.d",
      "./site.toml → chmod o-w ./site.toml",
    ]);
    const lax = await run(user, [...plain, "--insecure", ...flags, "sluice", "config", "get", "x"]);
    expect(lax).toMatchObject({ status: 0, stdout: '"y"\n' });
  });

  test("a module that others may write is refused by the broker, at a load and at a reload", async () => {
    site(user, { "trap.mjs": MODULE });
    const script = [
      "sluice module load ./trap.mjs && chmod o+w trap.mjs",
      "sluice module reload trap; echo $?",
      // The old one still runs.
      "sluice module remove trap; echo $?",
      "sluice module load ./trap.mjs; echo $?",
      "sluice module info ./trap.mjs; echo $?",
      "echo ping | sluice module-exec ./trap.mjs; echo $?",
      "sluice module load --insecure ./trap.mjs && sluice module reload trap; echo $?",
      "sluice module info --insecure ./trap.mjs | grep ^name",
      "echo ping | sluice module-exec --alone --insecure ./trap.mjs",
      "sluice module remove trap",
    ];
    const result = await run(user, ["start", ...NO_RC, script.join("\n")]);
    expect(result.stdout).toBe("1\n0\n1\n1\n1\n0\nname        trap\nnull\n");
    const refusal = "./trap.mjs → chmod o-w ./trap.mjs";
    expect(refusals(result)).toEqual([refusal, refusal, refusal, refusal]);
  });

  test("a loader that others may write is refused, given by path or as a plug-in of the configuration", async () => {
    site(user, {
      "site.toml": '[loaders.x]\nsuffixes = [".x"]\nplugin = "./plugin.mjs"\n',
      "plugin.mjs": "export const loader = { start() { throw new Error('started'); } };\n",
      "loader.sh": "#!/bin/sh\n",
      "a.x": "",
    });
    for (const name of ["plugin.mjs", "loader.sh"]) chmodSync(join(box.dir, name), 0o757);
    const script =
      "sluice module load ./a.x; sluice module load --loader=./loader.sh ./a.x; chmod o-w *.mjs; sluice module load ./a.x";
    const result = await run(user, ["start", ...NO_RC, "-c", join(box.dir, "site.toml"), script]);
    expect(refusals(result)).toEqual([
      "./plugin.mjs → chmod o-w ./plugin.mjs",
      "./loader.sh → chmod o-w ./loader.sh",
    ]);
    expect(result.stderr).toContain("sluice-module: started");
  });

  test("modprobe load and start take --insecure on to the broker", async () => {
    site(user, {
      "units/modprobe.d/a.toml": '[[modules]]\nname = "trap"\nmodule = "../../trap.mjs"\n',
      "trap.mjs": MODULE,
    });
    chmodSync(join(box.dir, "trap.mjs"), 0o606);
    const load =
      "sluice modprobe load trap || sluice modprobe load --insecure trap; sluice modprobe remove trap";
    const result = await run(user, ["start", ...NO_RC, load]);
    expect(result.status).toBe(0);
    expect(refusals(result)).toHaveLength(1);
    const lax = await run(user, [
      "start",
      "--insecure",
      ...NO_RC,
      "sluice module load ./trap.mjs && sluice module remove trap",
    ]);
    expect(lax).toMatchObject({ status: 0, stderr: "" });
  });

  test("fault-E2: a statedir that others may write to, or have put links into, is refused", async () => {
    site(user, { "state/x/y": "", "elsewhere/z": "" });
    const state = join(box.dir, "state");
    const start = ["start", ...NO_RC, "-S", `statedir=${state}`];
    symlinkSync("../elsewhere", join(state, "content"));
    giveTo(user, join(state, "content"));
    expect(await run(user, [...start, "true"])).toMatchObject({ status: 0, stderr: "" });
    chmodSync(join(box.dir, "elsewhere"), 0o757);
    chmodSync(join(state, "x/y"), 0o646);
    if (isRoot) {
      symlinkSync("/etc/passwd", join(state, "x/link"));
      lchownSync(join(state, "x/link"), STRANGER, STRANGER);
    }
    const cures = [
      "./elsewhere → chmod o-w ./elsewhere",
      ...(isRoot ? [`./state/x/link → chown -h ${user.uid} ./state/x/link`] : []),
      "./state/x/y → chmod o-w ./state/x/y",
    ];
    for (const command of [
      [...start, "true"],
      ["kvs", "fsck", state],
    ]) {
      const result = await run(user, command);
      expect(result.status).toBe(1);
      expect(refusals(result).sort()).toEqual(cures);
    }
    expect(await run(user, [...start, "--insecure", "true"])).toMatchObject({ status: 0, stderr: "" });
    expect((await run(user, ["kvs", "fsck", "--insecure", state])).stderr).not.toContain("try: ");
  });

  test("fault-E2: a statedir that is not there yet is refused below a directory of others", async () => {
    site(user, { "site/x": "" });
    chmodSync(join(box.dir, "site"), 0o757);
    const args = ["start", ...NO_RC, "-S", `statedir=${join(box.dir, "site/state")}`, "true"];
    const result = await run(user, args);
    expect(result.status).toBe(1);
    expect(refusals(result)).toEqual(["./site → chmod o-w ./site"]);
    expect(existsSync(join(box.dir, "site/state"))).toBe(false);
  });

  test("a rundir that others may enter is refused", async () => {
    site(user, { "run/x": "" });
    const rundir = join(box.dir, "run");
    const args = ["broker", ...NO_RC, `--rundir=${rundir}`];
    const result = await run(user, args);
    expect(result).toMatchObject({ status: 1 });
    expect(result.stderr).toContain(`try: chmod 700 ${rundir}`);
  });
});

const NO_RC = ["-S", "broker.rc1_path=", "-S", "broker.rc3_path="];

// Only root can give files away, and so set these cases up.
describe.each(isRoot ? testUsers : [])("files of somebody else, $title", (user) => {
  test("a file, a directory and a link of a stranger are refused with the chown that helps", async () => {
    site(user, { "units/modprobe.d/a.toml": UNIT, "units/modprobe.d/real": "", "theirs/x": "" });
    const at = (path: string): string => join(box.dir, path);
    chownSync(at("units/modprobe.d/a.toml"), STRANGER, user.gid);
    symlinkSync("real", at("units/modprobe.d/b.toml"));
    lchownSync(at("units/modprobe.d/b.toml"), STRANGER, STRANGER);
    mkdirSync(at("theirs/rc1.d"));
    chownSync(at("theirs"), STRANGER, STRANGER);
    const result = await run(user, ["modprobe", "show", "trap"]);
    expect(result.status).toBe(1);
    expect(refusals(result)).toEqual([
      `./units/modprobe.d/a.toml → chown ${user.uid} ./units/modprobe.d/a.toml`,
      `./units/modprobe.d/b.toml → chown -h ${user.uid} ./units/modprobe.d/b.toml`,
    ]);
    expect(await run(user, ["modprobe", "show", "--insecure", "trap"])).toMatchObject({ status: 0 });
  });

  test("files of root are everybody's", async () => {
    site(user, { "units/modprobe.d/a.toml": UNIT });
    chownSync(join(box.dir, "units/modprobe.d/a.toml"), 0, 0);
    chownSync(join(box.dir, "units"), 0, 0);
    expect(await run(user, ["modprobe", "show", "trap"])).toMatchObject({ status: 0, stderr: "" });
  });

  test("a rundir of a stranger is refused with the chown that helps", async () => {
    site(user, { "run/x": "" });
    const rundir = join(box.dir, "run");
    chmodSync(rundir, 0o700);
    chownSync(rundir, STRANGER, STRANGER);
    const result = await run(user, ["broker", ...NO_RC, `--rundir=${rundir}`]);
    expect(result).toMatchObject({ status: 1 });
    expect(result.stderr).toContain(`try: chown ${user.uid} ${rundir}`);
  });
});
