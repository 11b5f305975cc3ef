/** What SIGKILL does to programs and to what looks after them (docs/design/programs.md §1). */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { ERRNO } from "../../../src/errors/index.js";
import { isAlive, processesIn, startStage } from "./support.js";

/** Who started a process. */
function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}

const UP = { ready: { log: "^up$" } };

/** Holds a process as the kernel does that waits for a disk: no signal ends it (freezer of cgroup v1). */
function freeze(pid: number): () => void {
  const group = `/sys/fs/cgroup/freezer/sluice-test-${pid}`;
  mkdirSync(group);
  writeFileSync(join(group, "cgroup.procs"), String(pid));
  writeFileSync(join(group, "freezer.state"), "FROZEN");
  let isFrozen = true;
  const thaw = (): void => {
    if (!isFrozen) return;
    isFrozen = false;
    writeFileSync(join(group, "freezer.state"), "THAWED");
  };
  onTestFinished(async () => {
    thaw();
    await expect.poll(() => readFileSync(join(group, "cgroup.procs"), "utf8")).toBe("");
    rmdirSync(group);
  });
  return thaw;
}

test("trap-B2 what SIGKILL does not end fails the removal, and the name is refused until it has gone", async () => {
  const { load, remove, pid } = await startStage();
  await load({ command: ["sleep", "1000"], stop: { timeoutMs: 100 } });
  const main = await pid();
  const thaw = freeze(main);
  await expect(remove()).rejects.toMatchObject({
    errnum: ERRNO.EBUSY,
    message: expect.stringMatching(
      new RegExp(`SIGKILL has not ended ${main} \\(sleep, state \\w\\)`),
    ) as string,
  });
  await expect(load({ command: ["true"] })).rejects.toMatchObject({
    errnum: ERRNO.EBUSY,
    message: expect.stringContaining(`previous start still run: ${main} (sleep, state `) as string,
  });
  thaw();
  await expect.poll(() => isAlive(main)).toBe(false);
  await expect.poll(() => load({ command: ["sleep", "1000"] }).then(() => "loaded", String)).toBe("loaded");
});

test("a helper that is killed takes the program along, wherever that has hidden", async () => {
  const { load, pid, logged, dir } = await startStage();
  await load({ command: "(setsid sleep 1000 &); echo up; sleep 1000; :", ...UP });
  expect(processesIn(dir).length).toBeGreaterThan(2);
  process.kill(parentOf(await pid()), "SIGKILL");
  await logged("p module runtime failure: ");
  expect(processesIn(dir)).toEqual([]);
});
