/** What commands keep of large files of units, and where (docs/security.md). */
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Finished, Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
  mkdirSync(join(box.dir, "site/modprobe.d"), { recursive: true });
  site("a = 1");
});
afterEach(() => {
  box.remove();
});

const PADDING = `${"#".repeat(99)}\n`.repeat(330);
const cacheDir = (): string => join(box.dir, "cache/sluice/catalogs");
const kept = (): string[] => (existsSync(cacheDir()) ? readdirSync(cacheDir()) : []);

/** A file large enough to be kept, with two providers of one service. */
function site(comment: string): void {
  const units = ["one", "two"].map((name) => `[[modules]]\nname = "${name}"\nprovides = ["s"]\n`);
  writeFileSync(join(box.dir, "site/modprobe.d/large.toml"), `${PADDING}# ${comment}\n${units.join("")}`);
}

function run(...args: string[]): Promise<Finished> {
  return box.run(args, {
    env: {
      XDG_CACHE_HOME: join(box.dir, "cache"),
      HOME: box.dir,
      FLUX_MODPROBE_PATH_APPEND: join(box.dir, "site"),
    },
  });
}

const picked = async (...args: string[]): Promise<unknown> => {
  const { stdout, stderr, status } = await run("modprobe", "show", "s", ...args);
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  return (JSON.parse(stdout) as { name: string }).name;
};

test("a large file is kept for the next command, in a directory of the user alone; --no-cache keeps nothing", async () => {
  expect(await picked("--no-cache")).toBe("two");
  expect(kept()).toEqual([]);
  expect(await picked()).toBe("two");
  const [entry = "", ...others] = kept();
  expect(others).toEqual([]);
  expect(statSync(cacheDir()).mode & 0o777).toBe(0o700);
  expect(statSync(join(cacheDir(), entry)).mode & 0o777).toBe(0o600);
  const { ino } = statSync(join(cacheDir(), entry));
  expect(await picked()).toBe("two");
  expect(statSync(join(cacheDir(), entry)).ino).toBe(ino);
});

test("what is kept decides nothing else: a priority of a small file and a flag count at once", async () => {
  expect(await picked()).toBe("two");
  writeFileSync(join(box.dir, "site/modprobe.d/small.toml"), "one.priority = 200\n");
  expect(await picked()).toBe("one");
  expect(await picked("-S", "s=two")).toBe("two");
  expect(kept()).toHaveLength(1);
  site("b = 2");
  expect(await picked()).toBe("one");
  expect(kept()).toHaveLength(2);
});

test("errors of a kept file, and of files beside it, are shown with their places", async () => {
  await picked();
  writeFileSync(join(box.dir, "site/modprobe.d/later.toml"), '[[tasks]]\nname = "one"\ncommand = "true"\n');
  const { stderr, status } = await run("modprobe", "show", "s");
  expect(status).toBe(1);
  expect(stderr).toContain("later.toml:2:8: one: both a module and a task");
  expect(stderr).toMatch(/large\.toml:333:8/);
});

test("a directory that others can reach is left alone", async () => {
  await picked();
  chmodSync(cacheDir(), 0o755);
  site("b = 2");
  expect(await picked()).toBe("two");
  expect(kept()).toHaveLength(1);
});

test("inside an instance the entries are in its own directory, and go with it", async () => {
  const { stdout, status } = await run(
    ...["start", "-S", "broker.rc1_path=", "-S", "broker.rc3_path=", "sh", "-c"],
    'sluice modprobe show s >&2 && d=$(sluice getattr cachedir) && ls "$d/catalogs" && stat -c %a "$d/catalogs"',
  );
  expect(status).toBe(0);
  expect(stdout).toMatch(/^[0-9a-f]{64}\.catalog\n700\n$/);
  expect(kept()).toEqual([]);
});
