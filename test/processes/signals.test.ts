import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { expect, test } from "vitest";
import { killGroup, killTree, processesWith, signalGroup, signalProcess } from "../../src/processes/index.js";
import { isRoot, testUsers } from "../helpers/users.js";

/** A process in a group of its own that has printed something. */
async function started(
  command: readonly string[],
): Promise<{ child: ChildProcess; pid: number; text: string }> {
  const [file = "", ...args] = command;
  const child = spawn(file, args, { detached: true, stdio: ["ignore", "pipe", "inherit"] });
  const [chunk] = (await once(child.stdout, "data")) as [Buffer];
  return { child, pid: child.pid ?? 0, text: chunk.toString().trim() };
}

test("a signal is sent to what is there, and what has ended is gone", async () => {
  const { child, pid } = await started(["sh", "-c", "echo; exec sleep 60"]);
  expect(signalProcess(pid, 0)).toBe("sent");
  expect(signalGroup(pid, "SIGTERM")).toBe("sent");
  await once(child, "exit");
  expect(signalProcess(pid, 0)).toBe("gone");
  expect(killGroup(pid)).toBe("gone");
});

test("no group or process is signalled by a number that stands for others", () => {
  expect(killGroup(0)).toBe("gone");
  expect(killGroup(1)).toBe("gone");
});

test("a tree is killed whatever groups it has spread to", async () => {
  const mark = randomUUID();
  const script = `export TREE=${mark}; setsid sh -c 'sleep 60 & echo; wait' & wait`;
  const { child, pid } = await started(["bash", "-c", script]);
  expect(processesWith("TREE", mark)).toHaveLength(2);
  killTree(pid);
  await once(child, "close");
  expect(processesWith("TREE", mark)).toEqual([]);
});

test.each(isRoot ? testUsers.filter(({ uid }) => uid !== 0) : [])(
  "fault-C13: what belongs to another user is denied, $title",
  async ({ prefix }) => {
    const script = `
      const { signalGroup, signalProcess, killTree } = await import(process.argv[1]);
      const pid = Number(process.argv[2]);
      killTree(pid);
      console.log(signalProcess(pid, "SIGTERM"), signalGroup(pid, "SIGKILL"));`;
    const { child, pid } = await started(["sh", "-c", "echo; exec sleep 60"]);
    const module = new URL("../../dist/processes/index.js", import.meta.url).href;
    const arguments_ = [
      ...prefix,
      process.execPath,
      "--input-type=module",
      "-e",
      script,
      module,
      String(pid),
    ];
    expect((await started(arguments_)).text).toBe("denied denied");
    expect(signalProcess(pid, 0)).toBe("sent");
    child.kill("SIGKILL");
  },
);
