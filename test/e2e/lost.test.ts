/** What becomes of an instance whose processes are killed, or one of whose modules fails. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  box.remove();
});

const DEADLINE = { timeout: 20_000 };

async function expectAllGone(): Promise<void> {
  await expect.poll(() => box.survivors(), DEADLINE).toEqual([]);
  await expect.poll(() => box.leftovers(), DEADLINE).toEqual([]);
}

/** The process of the sandbox whose command line has the text. */
function processOf(text: string): number | undefined {
  return box
    .survivors()
    .map(Number)
    .find((pid) => commandLine(pid).includes(text));
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
}

describe("after kill -9 of start", () => {
  test("the broker, the program with its children and the run directory are gone", async () => {
    const command = box.start(["start", "sh -c 'echo ready; sleep 1000' & wait"]);
    await command.waitFor("ready\n");
    command.kill("SIGKILL");
    expect((await command.finished).signal).toBe("SIGKILL");
    await expectAllGone();
  });

  test("during the boot everything is gone too", async () => {
    const command = box.start(["start", "-v", "sleep 1000"]);
    await command.waitFor("load kvs\n");
    command.kill("SIGKILL");
    await command.finished;
    await expectAllGone();
  });
});

test("after kill -9 of rc1 it is said, the program does not run, and the status is 1", async () => {
  // Its rc1 cannot end by itself before it is killed.
  box.write("conf/modprobe/modprobe.d/hold.toml", '[[tasks]]\nname = "hold"\ncommand = "sleep 1000"\n');
  box.write("conf/modprobe/rc1.d/hold.toml", 'load = ["hold"]\n');
  const command = box.start(["start", "-v", "echo program"], {
    env: { SLUICE_CONFDIR: join(box.dir, "conf") },
  });
  await command.waitFor("run hold\n");
  const rc1 = processOf("modprobe rc1");
  expect(rc1).toBeDefined();
  process.kill(rc1 ?? 0, "SIGKILL");
  const { status, stdout, stderr } = await command.finished;
  expect(status).toBe(1);
  expect(stdout).toBe("");
  expect(stderr).toMatch(/^broker\.err: rc1 was killed by SIGKILL$/m);
  await expectAllGone();
});

test("what is said may lose its reader, and the instance goes on as if nothing were", async () => {
  const list = join(box.dir, "list");
  const { stdout } = await box.shell(
    `sluice start -v "sluice module list > ${list}; sluice kvs put a=1 && echo put >> ${list}" 2>&1 | head -1`,
  );
  expect(stdout).toMatch(/^\S.*\n$/);
  await expectAllGone();
  const text = readFileSync(list, "utf8");
  expect(text).toMatch(/^resource /m);
  expect(text).toMatch(/^put$/m);
});

test("a module that fails takes the instance down with status 1, whatever becomes of the program", async () => {
  const file = box.write(
    "frail.mjs",
    'export async function modMain(h) { h.handle("die", () => { setTimeout(() => { throw new Error("late"); }); }); await h.run(); }\n',
  );
  const { status, stderr } = await box.run([
    "start",
    `sluice module load ${file} && sluice rpc frail.die; exec sleep 1000`,
  ]);
  expect(stderr).toContain("frail module runtime failure");
  expect(status).toBe(1);
  await expectAllGone();
});
