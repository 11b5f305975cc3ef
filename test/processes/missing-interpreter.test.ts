import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { missingInterpreter, processEnd, startProcess } from "../../src/processes/index.js";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sluice-test-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

function script(name: string, text: string): string {
  const file = join(directory, name);
  writeFileSync(file, text);
  chmodSync(file, 0o755);
  return file;
}

async function startErrorOf(file: string, path: string): Promise<unknown> {
  const env = { PATH: path };
  return processEnd(startProcess(file, [], { stdio: ["ignore", "pipe", "pipe"], env })).catch(
    (error: unknown) => error,
  );
}

test.each([
  ["#!/nowhere/python9\n", "its interpreter /nowhere/python9 is missing"],
  ["#! /nowhere/perl -w\n", "its interpreter /nowhere/perl is missing"],
])("fault-G13: a script that begins %j names its interpreter, by path and by name", async (text, why) => {
  const file = script("tool", text);
  expect(missingInterpreter(file, await startErrorOf(file, ""))).toBe(why);
  const path = `/nowhere:${directory}`;
  expect(missingInterpreter("tool", await startErrorOf("tool", path), path)).toBe(why);
});

test("a command that is not there, or may not be executed, is no matter of interpreters", async () => {
  const missing = join(directory, "none");
  expect(missingInterpreter(missing, await startErrorOf(missing, ""))).toBeUndefined();
  const file = script("plain", "#!/nowhere/sh\n");
  chmodSync(file, 0o644);
  expect(missingInterpreter(file, await startErrorOf(file, ""))).toBeUndefined();
});
