import { existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Finished, Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
let env: Record<string, string>;
beforeEach(() => {
  box = new Sandbox();
  env = { FLUX_MODPROBE_PATH_APPEND: join(box.dir, "s"), SLUICE_NOTES: join(box.dir, "notes") };
  site("modprobe.d/base.mjs", NOTING);
});
afterEach(() => {
  box.remove();
});

/** Notes when it has cleaned up. */
const NOTING = `
  import { appendFileSync } from "node:fs";
  export async function modMain(h) {
    await h.run();
    await new Promise((done) => setTimeout(done, 20));
    appendFileSync(process.env.SLUICE_NOTES, h.name + "\\n");
  }
`;

function site(path: string, text: string): string {
  return box.write(`s/${path}`, text);
}

/** Three modules in a row, and what is noted on the way down. */
function threeInARow(): void {
  const unit = (name: string, more: string): string =>
    `[[modules]]\nname = "${name}"\nmodule = "./base.mjs"\n${more}\n`;
  site(
    "modprobe.d/three.toml",
    unit("one", "") + unit("two", 'after = ["one"]') + unit("three", 'after = ["two"]'),
  );
  site("rc1.d/three.toml", 'load = ["one", "two", "three"]\n');
  site(
    "rc3.d/note.toml",
    `[[tasks]]\nname = "note"\nbefore = ["three"]\ncommand = "echo task >> ${join(box.dir, "notes")}"\n`,
  );
}

function notes(): readonly string[] {
  const file = join(box.dir, "notes");
  return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
}

function start(script: string): Promise<Finished> {
  return box.run(["start", script], { env });
}

function expectNothingLeft(): void {
  expect(box.leftovers()).toEqual([]);
  expect(box.survivors()).toEqual([]);
}

const FRAGMENT = "s/modprobe.d/half.toml";

/** What breaks after the boot; what of it is reported, and whether a task of rc3 is lost by it. */
const BREAKS: readonly {
  readonly what: string;
  readonly script: string;
  readonly reported?: RegExp;
  readonly loses?: true;
}[] = [
  { what: "a fragment with a syntax error", script: `echo 'x = [' > ${FRAGMENT}`, reported: /half\.toml/ },
  { what: "a dangling link", script: `ln -s nowhere ${FRAGMENT}`, reported: /half\.toml/ },
  {
    what: "an unknown key",
    script: `printf '[[modules]]\\nname = "x"\\nrequries = ["kvs"]\\n' > ${FRAGMENT}`,
    reported: /UNIT_UNKNOWN_KEY/,
  },
  {
    what: "a cycle",
    script: `printf 'one.after = ["three"]\\n' > s/modprobe.d/zz-half.toml`,
    reported: /nodes are in a cycle/,
  },
  {
    what: "a fragment that others may write to",
    script: "chmod o+w s/modprobe.d/three.toml",
    reported: /UNIT_INSECURE/,
  },
  {
    what: "an update of a unit that no file defines",
    script: `echo 'ghost.priority = 1' > ${FRAGMENT}`,
    reported: /ghost/,
  },
  { what: "a binary fragment", script: `printf '\\xff\\xfe' > ${FRAGMENT}`, reported: /half\.toml/ },
  { what: "a fragment removed", script: "rm s/modprobe.d/three.toml" },
  { what: "a unit renamed", script: 'sed -i "s/\\"two\\"/\\"zwei\\"/" s/modprobe.d/three.toml' },
  { what: "the whole site removed but for its rc3", script: "rm -r s/modprobe.d s/rc1.d" },
  { what: "the socket removed", script: "rm ${SLUICE_URI#local://}" },
  {
    what: "a broken rc3 file in TOML",
    script: "echo 'x = [' > s/rc3.d/broken.toml",
    reported: /broken\.toml: its tasks do not run/,
    loses: true,
  },
  {
    what: "a broken rc3 file in TypeScript",
    script: "echo 'export const x: = 1;' > s/rc3.d/broken.ts",
    reported: /broken\.ts: its tasks do not run/,
    loses: true,
  },
  {
    what: "an rc3 file that ends its host",
    script: "echo 'process.exit(7);' > s/rc3.d/broken.ts",
    reported: /broken\.ts: its tasks do not run/,
    loses: true,
  },
  {
    what: "a task of rc3 that requires what is not there",
    script: `printf '[[tasks]]\\nname = "t"\\nrequires = ["ghost"]\\ncommand = "true"\\n' > s/rc3.d/t.toml`,
    reported: /: t: not run/,
    loses: true,
  },
];

describe("fault-B1: what breaks after the boot", () => {
  test.each(BREAKS)("$what: all modules go in order, and the tasks that can be read run", async (broken) => {
    threeInARow();
    const { status, stderr } = await start(broken.script);
    expect(notes()).toEqual(["task", "three", "two", "one"]);
    expect(stderr).not.toContain("was not properly shut down");
    expect(status).toBe(broken.loses === true ? 1 : 0);
    const places = stderr.split("\n").filter((line) => line.includes("half.toml:"));
    if (broken.reported === undefined) expect(stderr).toBe("");
    else expect(stderr).toMatch(broken.reported);
    // Once, and not again for each reading.
    expect(new Set(places).size).toBe(places.length);
    expectNothingLeft();
  });

  test.each([
    ["of the site", (): string[] => ["true"]],
    ["given with -f", (): string[] => ["-f", join(box.dir, "stack.toml")]],
  ])("a file %s that was broken before is told of once, by rc1", async (_which, args) => {
    const unit = '[[modules]]\nname = "a"\ncomand = "true"\ncommand = "true"\n';
    if (args().includes("-f")) box.write("stack.toml", unit);
    else site("modprobe.d/a.toml", unit);
    const { status, stderr } = await box.run(["start", ...args()], { env });
    expect(status).toBe(1);
    expect(stderr.match(/hint: did you mean 'command'\?/g)).toHaveLength(1);
    expectNothingLeft();
  });

  test("the host of the rc files killed: all modules go in order, status 1", async () => {
    threeInARow();
    site("rc3.d/kill.toml", '[[tasks]]\nname = "kill"\ncommand = "kill -9 $PPID"\nbefore = ["three"]\n');
    const { status, stderr } = await start("true");
    expect(notes().filter((note) => note !== "task")).toEqual(["three", "two", "one"]);
    expect(stderr).not.toContain("was not properly shut down");
    expect(stderr).toContain("rc3 was killed by SIGKILL");
    expect(status).toBe(1);
    expectNothingLeft();
  });

  test("all of it at once", async () => {
    threeInARow();
    mkdirSync(join(box.dir, "gone"));
    symlinkSync("nowhere", join(box.dir, "gone/link"));
    const { stderr } = await start(
      "rm -r s/modprobe.d; cp -P gone/link s/rc3.d/a.toml; rm ${SLUICE_URI#local://}; chmod o+w s/rc3.d/note.toml",
    );
    expect(notes()).toEqual(["three", "two", "one"]);
    expect(stderr).not.toContain("was not properly shut down");
    expectNothingLeft();
  });
});

describe("fault-B2: rc3 removes every module", () => {
  test("without an rc3 file", async () => {
    const libexec = join(box.dir, "m");
    box.write("m/modprobe/rc1.toml", 'load = ["heartbeat"]\n');
    const finished = await box.run(["start", "true"], { env: { ...env, SLUICE_LIBEXECDIR: libexec } });
    expect(finished).toMatchObject({ status: 0, stderr: "" });
    expectNothingLeft();
  });

  test("also what was loaded by name: last in, first out, and before what rc1 loaded", async () => {
    threeInARow();
    const file = "s/modprobe.d/base.mjs";
    const { status, stderr } = await start(
      `sluice module load --name=x ${file} && sluice module load --name=y ${file} && sluice module load --name=z ${file}`,
    );
    expect(notes().filter((note) => note !== "task")).toEqual(["z", "y", "x", "three", "two", "one"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expectNothingLeft();
  });

  test("what an rc3 file names to remove adds nothing and stays legal", async () => {
    threeInARow();
    site("rc3.d/remove.toml", 'remove = ["two"]\n');
    expect(await start("true")).toMatchObject({ status: 0, stderr: "" });
    expect(notes()).toEqual(["task", "three", "two", "one"]);
  });

  test("of a provider that was removed and loaded again by name, after what uses it", async () => {
    threeInARow();
    const { status, stderr } = await start(
      "sluice module remove one && sluice modprobe load one && rm notes",
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(notes()).toEqual(["task", "three", "two", "one"]);
  });
});
