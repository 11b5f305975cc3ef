/** Traps whose long forms are options of `npm run soak`: here for as short a time as tells something. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test, type TestContext } from "vitest";

const RUN = join(import.meta.dirname, "../../bench/soak/run.mjs");

async function soak(
  arg: string,
  { onTestFinished }: TestContext,
): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ["--expose-gc", RUN, arg], { stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => {
    child.kill("SIGTERM");
  });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { status: child.exitCode, stdout, stderr };
}

test.concurrent(
  "trap-F8 a rank whose credentials are expired follows again when they are renewed",
  async (context) => {
    const { status, stdout, stderr } = await soak("--expired=7", context);
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^refused for 7 s, and there again [\d.]+ s after the renewal\n\d+ events; /);
    expect(status).toBe(0);
  },
);

test.concurrent("trap-A10 a broker that was stopped starts no module again", async (context) => {
  const { status, stdout, stderr } = await soak("--stopped=3", context);
  expect(stderr).toBe("");
  expect(stdout).toBe("stopped for 3 s: 4 of 4 modules run on\n");
  expect(status).toBe(0);
});
