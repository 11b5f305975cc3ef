import { spawn } from "node:child_process";
import { describe, expect, test } from "vitest";
import {
  commandEndText,
  endOfShellStatus,
  isSuccess,
  moduleEndText,
  partEndText,
  processEnd,
  shellStatus,
} from "../../src/processes/index.js";

describe.each([
  ["exit 0", 0, "exit status 0", "exited with exit status 0", "ended with status 0"],
  ["exit 3", 3, "exit status 3", "exited with exit status 3", "ended with status 3"],
  ["kill -SEGV $$", 139, "killed by Segmentation fault", "died by signal 11", "was killed by SIGSEGV"],
  ["kill -KILL $$", 137, "killed by Killed", "died by signal 9", "was killed by SIGKILL"],
])("the end of '%s'", (script, status, module, command, part) => {
  test("has its words for each kind of process, and its status", async () => {
    const end = await processEnd(spawn("sh", ["-c", script]));
    expect(isSuccess(end)).toBe(status === 0);
    expect(shellStatus(end)).toBe(status);
    expect(endOfShellStatus(status)).toEqual(end);
    expect([moduleEndText(end), commandEndText(end), partEndText(end)]).toEqual([module, command, part]);
  });
});

test("does not wait for what holds the output in the background", async () => {
  const child = spawn("sh", ["-c", "sleep 60 & echo $!"]);
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  expect(await processEnd(child)).toEqual({ kind: "exited", status: 0 });
  process.kill(Number(output), "SIGKILL");
});

test("throws why a program could not be started", async () => {
  await expect(processEnd(spawn("/nowhere"))).rejects.toMatchObject({ code: "ENOENT" });
});

test("fault-F10, row 35: a command that a signal ended died by the number of that signal", async () => {
  expect(commandEndText(await processEnd(spawn("sh", ["-c", "kill -9 $$"])))).toBe("died by signal 9");
});
