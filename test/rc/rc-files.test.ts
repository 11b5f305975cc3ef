import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { compose, parseFragment } from "../../src/units/index.js";
import { rcFiles, readRcFiles } from "../../src/rc/index.js";
import { fixture, TestSession } from "./support/session.js";

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "sluice-rc-files-"));
});

afterEach(() => rm(root, { recursive: true }));

async function put(path: string, text = ""): Promise<string> {
  const file = join(root, path);
  await mkdir(join(file, ".."), { recursive: true });
  await writeFile(file, text);
  return file;
}

describe("the rc files of a phase", () => {
  test("are the shipped one, then those of each directory by name", async () => {
    const b = await put("site/rc1.d/b.toml");
    const upper = await put("site/rc1.d/B.mts");
    const a = await put("late/rc1.d/a.py");
    const shipped = await put("lib/modprobe/rc1.ts");
    await put("lib/modprobe/rc3.ts");
    await put("lib/modprobe/rc10.ts");
    await put("lib/modprobe/rc1.d.ts");
    await put("site/rc1.d/.hidden.ts");
    await put("site/rc1.d/README.md");
    await put("site/rc1.d/old.ts~");
    await put("site/rc1.d/directory.ts/x.ts");
    await put("site/rc3.d/c.ts");
    const checked: string[] = [];
    const path = ["site", "missing", "late"].map((name) => join(root, name));
    const files = await rcFiles(path, "rc1", join(root, "lib"), (pattern) => checked.push(pattern));
    expect(files).toEqual([shipped, upper, b, a]);
    expect(checked).toEqual(path.map((directory) => `${directory}/rc1.d/*`));
    expect(await rcFiles([], "rc1", join(root, "nowhere"))).toEqual([]);
  });

  test("cannot be listed where there is a file in place of the directory", async () => {
    await put("site/rc1.d");
    await expect(rcFiles([join(root, "site")], "rc1", root)).rejects.toMatchObject({ code: "ENOTDIR" });
  });
});

describe("reading rc files of all kinds", () => {
  test("gives fragments and roots in the order read", async () => {
    const toml = await put(
      "site.toml",
      'load = ["cron"]\nremove = ["old"]\n[[tasks]]\nname = "warm"\ncommand = "true"\n',
    );
    const session = new TestSession();
    const loading: string[] = [];
    const files = [fixture("work.ts"), toml];
    const result = await readRcFiles(files, session, (file) => loading.push(file));
    await session.close();
    if (!result.ok) throw new Error(result.diagnostics.map(({ message }) => message).join("\n"));
    expect(loading).toEqual(files);
    expect(result.value.tasks.slice(0, 2)).toEqual(["waits", "meets"]);
    expect(result.value.tasks.at(-1)).toBe("warm");
    expect(result.value.load.map(({ name }) => name)).toEqual(["cron"]);
    expect(result.value.remove).toMatchObject([{ name: "old" }]);
    const catalog = compose(result.value.fragments);
    expect(catalog.ok && catalog.value.byName.get("waits")).toMatchObject({
      command: undefined,
      runlevels: [],
    });
  });

  test("takes what a setup does to units and to the plan", async () => {
    const units = parseFragment(
      '[[modules]]\nname = "sched-simple"\nprovides = ["sched"]\n[[modules]]\nname = "cron"\nargs = ["x"]\n',
      { file: "/units.toml" },
    );
    if (!units.ok) throw new Error("the fragment is wrong");
    const session = new TestSession();
    const result = await readRcFiles([fixture("declarations.ts")], session);
    await session.close();
    if (!result.ok) throw new Error(result.diagnostics.map(({ message }) => message).join("\n"));
    expect(result.value.load.map(({ name }) => name)).toEqual(["kvs", "sched"]);
    expect(result.value.remove).toBe("all");
    expect(result.value.enabled).toEqual(["cron"]);
    const catalog = compose([units.value, ...result.value.fragments]);
    if (!catalog.ok) throw new Error("the catalog is wrong");
    expect(catalog.value.byName.get("cron")).toMatchObject({ args: ["interval=5"] });
    expect(catalog.value.byName.get("sched-simple")).toMatchObject({ args: ["queue=fcfs", "verbose"] });
    expect(catalog.value.alternatives).toMatchObject([{ service: "sched", unit: "sched-simple" }]);
    expect(catalog.value.originOf("flush", "priority")?.location).toMatchObject({
      file: fixture("declarations.ts"),
      line: 12,
    });
  });

  test("reports what is wrong with all of them at once", async () => {
    const toml = await put("bad.toml", "[[modules]]\nranks = 1\n");
    const session = new TestSession();
    const result = await readRcFiles([fixture("broken/throws.mjs"), toml], session);
    await session.close();
    expect(result.ok).toBe(false);
    if (result.ok) return;
    const files = new Set(result.diagnostics.map(({ location }) => location?.file));
    expect(files).toEqual(new Set([toml, fixture("broken/throws.mjs")]));
  });
});
