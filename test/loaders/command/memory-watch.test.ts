import { spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { watchMemory } from "../../../src/loaders/command/memory-watch.js";

test("a look without a free descriptor is made again a second later", async () => {
  const limit = (soft: string): unknown =>
    spawnSync("prlimit", ["--pid", String(process.pid), `--nofile=${soft}:`]);
  const open: number[] = [];
  const give = (): void => open.splice(0).forEach((fd) => closeSync(fd));
  let looks = 0;
  limit("256");
  onTestFinished(() => {
    give();
    limit("1024");
  });
  const members = (): Promise<{ pid: number; state: string; name: string }[]> => {
    if (++looks === 1) expect(() => fill(open)).toThrow("EMFILE");
    else give();
    return Promise.resolve([{ pid: process.pid, state: "R", name: "node" }]);
  };
  await new Promise<void>((resolve) => {
    watchMemory({ wasOverMemoryLimit: undefined, members }, 0, resolve);
  });
  expect(looks).toBe(2);
});

function fill(open: number[]): void {
  for (;;) open.push(openSync("/dev/null", "r"));
}
