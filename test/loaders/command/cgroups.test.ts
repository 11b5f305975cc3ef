/** What a program starts, in a cgroup where one can be made (docs/design/programs.md §1). */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { cgroupPlaces } from "../../../src/processes/cgroups.js";
import { isAlive, startStage } from "./support.js";

const { unified, memory } = cgroupPlaces();
const PLACES = [unified, memory].filter((place) => place !== undefined);

/** Those that this machine has. */
const WAYS: readonly (readonly [name: string, noCgroup: string])[] = [
  ["without cgroups", "1"],
  ...(PLACES.length > 0 ? [["with cgroups", ""] as const] : []),
];

/** Cgroups of programs of this process. */
function cgroups(): string[] {
  return PLACES.flatMap((place) =>
    readdirSync(place)
      .filter((name) => name.startsWith("sluice-") && name.includes(`:${process.pid}:`))
      .map((name) => join(place, name)),
  );
}

function parentOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[1]);
}

describe.each(WAYS)("a program, %s,", (_name, noCgroup) => {
  const isIn = noCgroup === "" && unified !== undefined;
  beforeEach(() => {
    process.env["SLUICE_NO_CGROUP"] = noCgroup;
  });
  afterEach(() => {
    delete process.env["SLUICE_NO_CGROUP"];
  });

  test("is stopped with what has left its session and environment, and leaves no cgroup", async () => {
    const { load, remove, processes } = await startStage();
    await load({ command: "env -i setsid sleep 1000 & env -i setsid sleep 1000 & exec sleep 1000" });
    await expect.poll(async () => (await processes()).length).toBe(3);
    const before = await processes();
    if (isIn) expect(cgroups().length).toBe(1);
    await remove();
    expect(before.filter(isAlive)).toEqual([]);
    expect(cgroups()).toEqual([]);
  });

  test("is killed with all that bears its mark when its helper is; in a cgroup with all that it has started", async () => {
    const { load, pid, processes, logged } = await startStage();
    const escaped = isIn ? "env -i setsid sleep 1000 &" : "";
    await load({ command: `${escaped} setsid sleep 1000 & exec sleep 1000` });
    await expect.poll(async () => (await processes()).length).toBe(isIn ? 3 : 2);
    const before = await processes();
    process.kill(parentOf(await pid()), "SIGKILL");
    await logged("p module runtime failure");
    expect(before.filter(isAlive)).toEqual([]);
    expect(cgroups()).toEqual([]);
  });

  test("that takes too much memory at once fails by its limit, also before it is ready", async () => {
    const { load, logged, processes } = await startStage();
    const eat = `python3 -c "x = b'x' * (256 * 1024 * 1024); import signal; signal.pause()"`;
    const memoryLimitBytes = 64 * 1024 * 1024;
    await load({ command: `sleep 1000 & ${eat} & wait -n; exit 1`, memoryLimitBytes });
    const before = await processes();
    await logged("p module runtime failure: over its memory limit of 64 MiB");
    expect(before.filter(isAlive)).toEqual([]);
    expect(cgroups()).toEqual([]);
    if (noCgroup !== "") return;
    await expect(
      load({ name: "q", command: `${eat}; exit 1`, memoryLimitBytes, ready: { log: "never" } }),
    ).rejects.toThrow("over its memory limit of 64 MiB before it was ready");
  });
});
