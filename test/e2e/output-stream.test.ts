/** A standard output that takes no more: a reader that has gone, a disk that is full. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Finished, Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(async () => {
  // A host of rc files notices by itself that the command has gone.
  await expect.poll(() => box.survivors()).toEqual([]);
  box.remove();
});

describe("a disk that is full", () => {
  test.each([
    "plan",
    "plan --json",
    "explain cron",
    "cat",
    "verify --json",
    "graph --format svg",
    "rc1 --dry-run",
  ])("fails modprobe %s in one line", async (command) => {
    const { status, stderr } = await box.shell(`sluice modprobe ${command} > /dev/full`);
    expect(status).toBe(1);
    const lines = stderr.split("\n").filter((line) => line !== "0 errors, 0 warnings");
    expect(lines).toEqual(["sluice-modprobe: standard output: No space left on device", ""]);
  });

  test("stops no run in the middle, and is not taken for success", async () => {
    const file = twoTasks();
    const { status, stderr } = await box.shell(`sluice modprobe run --json ${file} > /dev/full`);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: "sluice-modprobe: standard output: No space left on device\n",
    });
    expect(existsSync(join(box.dir, "second-ran"))).toBe(true);
  });

  test("stops no apply before its steps, and is not taken for success", async () => {
    const { status, stderr } = await applied("> /dev/full");
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: "sluice-modprobe: standard output: No space left on device\n",
    });
  });

  test("of standard error is no reason to fail", async () => {
    expect((await box.shell("sluice modprobe verify 2> /dev/full")).status).toBe(0);
  });
});

describe("a reader that has gone", () => {
  test("ends quietly what only prints", async () => {
    const { stdout, stderr } = await box.shell(
      "sluice modprobe graph --format svg | true; echo ${PIPESTATUS[0]}",
    );
    expect({ stdout, stderr }).toEqual({ stdout: "0\n", stderr: "" });
  });

  test.each(["", "--json"])("stops no run in the middle: run %s", async (option) => {
    const { stdout, stderr } = await box.shell(
      `sluice modprobe run ${option} ${twoTasks()} | head -1 > /dev/null; echo \${PIPESTATUS[0]}`,
    );
    expect({ stdout, stderr }).toEqual({ stdout: "0\n", stderr: "" });
    expect(existsSync(join(box.dir, "second-ran"))).toBe(true);
  });

  test("stops no apply before its steps", async () => {
    const { stdout, stderr } = await applied("| true; echo ${PIPESTATUS[0]}");
    expect({ stdout, stderr }).toEqual({ stdout: "0\n", stderr: "" });
  });
});

/** Adds a program to the file of an instance, and applies the file with this output. The program must then run. */
async function applied(output: string): Promise<Finished> {
  const program = (name: string): string => `[[modules]]\nname = "${name}"\ncommand = "exec sleep 1000"\n`;
  const file = box.write("stack.toml", program("db"));
  expect((await box.run(["start", "-f", file, "--detach"])).status).toBe(0);
  box.write("stack.toml", program("db") + program("api"));
  const end = await box.shell(`sluice modprobe apply ${output}`);
  const { stdout } = await box.run(["module", "list", "--json"]);
  await box.run(["stop"]);
  expect(stdout).toContain('"api"');
  return end;
}

/** The first prints more than a pipe holds; the second leaves a file, which shows that the run went on. */
function twoTasks(): string {
  return box.write(
    "two.toml",
    [
      '[[tasks]]\nname = "first"',
      'command = "for i in {1..20000}; do echo line $i; done"',
      `[[tasks]]\nname = "second"\nafter = ["first"]\ncommand = "touch '${join(box.dir, "second-ran")}'"\n`,
    ].join("\n"),
  );
}
