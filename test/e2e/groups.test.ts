/** Groups of units in whole instances (docs/design/programs.md §2). */
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Finished, Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  box.remove();
});

const program = (name: string, more = ""): string =>
  `[[modules]]\nname = "${name}"\ncommand = "exec sleep 1000"\n${more}\n`;

const note = (name: string, runlevel: string, group: string): string =>
  `[[tasks]]\nname = "${name}"\ncommand = ["sh", "-c", "echo ${name} >> ${box.dir}/notes"]\n` +
  `runlevels = ["${runlevel}"]\ngroups = ["${group}"]\n`;

const stackText = (): string =>
  program("db") +
  program("api", 'groups = ["web"]\nrequires = ["db"]\nafter = ["db"]') +
  program("ui", 'groups = ["web", "front"]\nafter = ["api"]') +
  program("jobs", 'groups = ["batch"]') +
  note("warm", "rc1", "web") +
  note("crunch", "rc1", "batch") +
  note("bye", "rc3", "web") +
  note("sweep", "rc3", "batch");

async function loaded(): Promise<string[]> {
  const { stdout } = await box.run(["module", "list", "--json"]);
  return (JSON.parse(stdout) as { readonly name: string }[]).map(({ name }) => name).sort();
}

async function startGroups(file: string, ...groups: readonly string[]): Promise<void> {
  const flags = groups.flatMap((group) => ["--group", group]);
  expect((await box.run(["start", "-f", file, ...flags, "--detach"])).status).toBe(0);
}

async function expectStopped(): Promise<void> {
  expect((await box.run(["stop"])).status).toBe(0);
  expect([box.leftovers(), box.survivors()]).toEqual([[], []]);
}

describe("start -f --group", () => {
  test("trap-C11: loads the units of the group and what they require, and runs its tasks alone, at both ends", async () => {
    const file = box.write("stack.toml", stackText());
    await startGroups(file, "web");
    expect(await loaded()).toEqual(["api", "db", "ui"]);
    await expectStopped();
    expect(readFileSync(`${box.dir}/notes`, "utf8")).toBe("warm\nbye\n");
  });

  test("trap-C11: an apply of the same files keeps the groups, and takes up what is new in them", async () => {
    const file = box.write("stack.toml", stackText());
    await startGroups(file, "front", "batch");
    expect(await loaded()).toEqual(["jobs", "ui"]);
    const apply = async (...words: readonly string[]): Promise<string> =>
      (await box.run(["modprobe", "apply", ...words])).stdout;
    expect(await apply()).toBe("2 modules stay as they are\n");
    expect(await apply("--dry-run", "--file", file)).toBe("2 modules stay as they are\n");
    expect(await apply("--dry-run", "--group", "batch")).toMatch(/^- remove +ui /);
    box.write("stack.toml", stackText() + program("extra", 'groups = ["front"]') + program("other"));
    expect(await apply("@batch")).toBe("2 modules stay as they are\n");
    expect(await apply()).toMatch(/^\+ load +extra /);
    expect(await loaded()).toEqual(["extra", "jobs", "ui"]);
    const set = (value: string): Promise<Finished> => box.run(["setattr", "broker.groups", value]);
    expect((await set('["batch"]')).status).toBe(0);
    expect(await apply("--dry-run")).toContain("1 module stays as it is\n");
    await set("batch");
    const refused = await box.run(["modprobe", "apply", "--dry-run"]);
    expect([refused.status, refused.stderr]).toEqual([
      1,
      "sluice-modprobe: the attribute broker.groups must be a JSON array of texts, such as '[\"web\"]'\n",
    ]);
    await expectStopped();
  });

  test("refuses an unknown group, with those that there are, and groups without files", async () => {
    const file = box.write("stack.toml", stackText());
    const unknown = await box.run(["start", "-f", file, "--group", "wep", "true"]);
    expect(unknown.status).toBe(1);
    expect(unknown.stderr).toContain(
      "sluice-modprobe: no such group wep; known groups: batch, front, web\n" +
        "  named by flag --group wep\n  hint: did you mean 'web'?\n",
    );
    for (const words of [
      ["start", "--group", "web", "true"],
      ["modprobe", "rc1", "--group", "web"],
    ]) {
      const refused = await box.run(words);
      expect([refused.status, refused.stderr.split("\n")[0]]).toEqual([
        2,
        expect.stringMatching(/: --group needs /),
      ]);
    }
  });
});

test("load and remove take @GROUP beside names, and a load by a group stays through an apply", async () => {
  const file = box.write("stack.toml", stackText());
  await startGroups(file, "front");
  const run = (...words: readonly string[]): Promise<Finished> => box.run(["modprobe", ...words]);
  expect((await run("load", "@web", "jobs")).status).toBe(0);
  expect(await loaded()).toEqual(["api", "db", "jobs", "ui"]);
  expect((await run("apply")).stdout).toBe("4 modules stay as they are\n");
  expect((await run("remove", "@web")).status).toBe(0);
  expect(await loaded()).toEqual(["jobs"]);
  const gone = await run("remove", "@web");
  expect([gone.status, gone.stderr]).toEqual([1, "sluice-modprobe: no module of group web is loaded\n"]);
  await expectStopped();
});

test("commands that show units take @GROUP for its units", async () => {
  const file = `--file=${box.write("stack.toml", `load = ["@web"]\n${stackText()}`)}`;
  const run = async (...words: readonly string[]): Promise<string> => {
    const { status, stdout } = await box.run(["modprobe", ...words]);
    expect(status).toBe(0);
    return stdout;
  };
  const shown = (await run("show", file, "@front")).trimEnd().split("\n");
  expect(shown.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { name: "ui", groups: ["web", "front"] },
  ]);
  const explained = (await run("explain", "--json", file, "@batch", "db")).trimEnd().split("\n");
  expect(explained.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { name: "jobs", status: "left-out" },
    { name: "crunch", status: "left-out" },
    { name: "sweep", status: "left-out" },
    { name: "db", status: "planned" },
  ]);
  expect(await run("list-dependencies", file, "@web")).toBe("api\n└── db\nui\nwarm\nbye\n");
  expect(await run("graph", "--format", "mermaid", file, "@batch")).toContain('["jobs<br/>not asked for"]');
  expect(await run("rc1", "--dry-run", file)).toBe("load db\nload api\nload ui\nrun warm\n");
  expect(await run("rc1", "--dry-run", file, "--group=batch")).toBe("load jobs\nrun crunch\n");
  expect(await run("plan", file, "--group=front")).toContain("load ui\n");
  for (const words of [
    ["show", file, "@frond"],
    ["explain", file, "@frond"],
    ["graph", file, "@frond"],
  ]) {
    const { status, stderr } = await box.run(["modprobe", ...words]);
    expect([status, stderr]).toEqual([
      1,
      "sluice-modprobe: no such group frond; known groups: batch, front, web; did you mean 'front'?\n",
    ]);
  }
});
