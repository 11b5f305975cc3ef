/** The process that runs rc1, and rc3 too if the instance ends soon. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type RunningCommand, Sandbox } from "../helpers/sluice.js";

const PATIENTLY = { timeout: 30_000 };

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  expect(box.leftovers()).toEqual([]);
  expect(box.survivors()).toEqual([]);
  box.remove();
});

/** Processes that run a phase, or wait for the order to. */
function hosts(): { readonly pid: number; readonly command: string }[] {
  return box.survivors().flatMap((pid) => {
    const words = commandLine(pid);
    return words.includes("--phase") ? [{ pid: Number(pid), command: words.join(" ") }] : [];
  });
}

function commandLine(pid: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
  } catch {
    return [];
  }
}

function isSleeper(pid: string): boolean {
  return commandLine(pid).slice(0, 2).join(" ") === "sleep 1000";
}

/** An instance whose program runs until the test writes to a file. */
async function instance(
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly command: RunningCommand; readonly end: () => Promise<unknown> }> {
  const go = join(box.dir, "go");
  const program = `echo up; until [ -e ${go} ]; do sleep 0.02; done`;
  const command = box.start(["start", ...args, "sh", "-c", program], { env });
  await command.waitFor("up\n");
  const end = (): Promise<unknown> => {
    box.write("go", "");
    return command.finished;
  };
  return { command, end };
}

describe("the host of rc1", () => {
  test("stays for rc3, so that a short instance starts no other", async () => {
    const { end } = await instance();
    const [first, ...more] = hosts();
    expect(more).toEqual([]);
    const seen = new Set([first?.pid]);
    const ended = end();
    const watch = setInterval(() => hosts().forEach(({ pid }) => seen.add(pid)), 2);
    expect(await ended).toMatchObject({ status: 0, stderr: "" });
    clearInterval(watch);
    expect([...seen]).toEqual([first?.pid]);
  });

  test("goes after broker.host-linger, and another one runs rc3", async () => {
    const { end } = await instance(["-S", "broker.host-linger=10ms"]);
    await expect.poll(hosts, PATIENTLY).toEqual([]);
    expect(await end()).toMatchObject({ status: 0, stderr: "" });
  });

  test("that was killed while it waited is replaced", async () => {
    const { end } = await instance();
    const [host] = hosts();
    process.kill(host?.pid ?? NaN, "SIGKILL");
    // Gone when the broker has seen its end.
    await expect.poll(() => existsSync(`/proc/${host?.pid}`), PATIENTLY).toBe(false);
    expect(await end()).toMatchObject({ status: 0, stderr: "" });
  });

  test("does not stay if rc1 has started processes: they would be killed with it", async () => {
    box.write("s/rc1.d/task.toml", '[[tasks]]\nname = "task"\ncommand = "sleep 1000 &"\n');
    const { end } = await instance([], { FLUX_MODPROBE_PATH_APPEND: join(box.dir, "s") });
    await expect.poll(hosts, PATIENTLY).toEqual([]);
    expect(box.survivors().filter(isSleeper)).toHaveLength(1);
    expect(await end()).toMatchObject({ status: 0 });
  });

  test("has the files of rc3 as they are at the end", async () => {
    const { end } = await instance([], { FLUX_MODPROBE_PATH_APPEND: join(box.dir, "s") });
    expect(hosts()).toHaveLength(1);
    const notes = join(box.dir, "notes");
    box.write("s/rc3.d/late.toml", `[[tasks]]\nname = "late"\ncommand = "echo late > ${notes}"\n`);
    expect(await end()).toMatchObject({ status: 0 });
    expect(readFileSync(notes, "utf8")).toBe("late\n");
  });

  test("says what it prints in rc3 as rc3, on each rank", async () => {
    const { command, end } = await instance(["-s", "2"], { FLUX_MODPROBE_PATH_APPEND: join(box.dir, "s") });
    expect(hosts()).toHaveLength(2);
    box.write("s/rc3.d/broken.toml", "no = 1\n");
    await end();
    const { stderr } = await command.finished;
    expect(stderr).toMatch(/^rc3\[0\]: .*broken\.toml/m);
    expect(stderr).not.toContain("rc1[");
  });

  test("ends with a broker that was killed", async () => {
    const { command } = await instance();
    process.kill(box.processNamed("broker"), "SIGKILL");
    expect(await command.finished).toMatchObject({ status: 1 });
  });
});
