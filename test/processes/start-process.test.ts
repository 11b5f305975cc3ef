import { once } from "node:events";
import { mkdtempSync, openSync, closeSync, writeFileSync, rmSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startProcess } from "../../src/processes/index.js";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "sluice-test-"));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

const STDIO = ["pipe", "pipe", "pipe"] as ["pipe", "pipe", "pipe"];

describe("fault-C1: a process that cannot be started", () => {
  test.each([
    ["ENOENT", "/nowhere", []],
    ["ENOTDIR", "/dev/null/x", []],
    ["EACCES", "/etc/passwd", []],
    ["E2BIG", "true", ["x".repeat(8_000_000)]],
    ["ERR_INVALID_ARG_VALUE", "true", ["zero\0byte"]],
  ])("reports %s by an event, and has its streams", async (code, file, args) => {
    const child = startProcess(file, args, { stdio: STDIO });
    child.stdout.on("data", () => undefined);
    child.stdin.end("text");
    const [error] = (await once(child, "error")) as [NodeJS.ErrnoException];
    expect(error.code).toBe(code);
    expect(child.pid).toBeUndefined();
  });

  test("ends nothing if nothing listens, also when no descriptor is left", () => {
    const script = `
      import { openSync, closeSync } from "node:fs";
      import { startProcess, startThread } from ${JSON.stringify(new URL("../../dist/processes/index.js", import.meta.url).href)};
      const results = [];
      startProcess("true", [], { stdio: ["ignore", "pipe", "pipe"] });
      for (let spare = 0; spare < 8; spare++) {
        const open = [];
        try { for (;;) open.push(openSync("/dev/null")); } catch {}
        for (let n = 0; n < spare; n++) closeSync(open.pop());
        const child = startProcess("true", [], { stdio: ["pipe", "pipe", "pipe", "pipe"] });
        child.stdout.on("data", () => {});
        child.stdio[3].on("data", () => {});
        results.push(await new Promise((resolve) => {
          child.on("error", (error) => resolve(error.code));
          child.on("exit", (status) => resolve(status));
        }));
        let thread;
        try {
          const worker = startThread(new URL("data:text/javascript,0"), {});
          thread = await new Promise((resolve) => worker.on("exit", resolve));
        } catch (error) { thread = error.code; }
        results.push(typeof thread);
        open.forEach((fd) => closeSync(fd));
      }
      console.log(JSON.stringify(results.filter((one) => one === "EMFILE").length > 0), "end");`;
    writeFileSync(join(dir, "script.mjs"), script);
    const { stdout, stderr } = spawnSync(
      "prlimit",
      ["--nofile=64:64", process.execPath, join(dir, "script.mjs")],
      {
        encoding: "utf8",
      },
    );
    expect([stdout, stderr]).toEqual(["true end\n", ""]);
  });
});

test("a program without the helper is gone once its processes can be counted, however few descriptors there were", () => {
  const script = `
    import { openSync, closeSync } from "node:fs";
    import { startProgram } from ${JSON.stringify(new URL("../../dist/processes/index.js", import.meta.url).href)};
    const program = await startProgram({
      file: "/bin/sleep", args: ["1000"], cwd: "/", env: process.env, output: "discard",
      listener: { output() {}, leftOut() {}, notified() {}, readyOnDescriptor() {} },
    });
    let isGone = false;
    void program.gone.then(() => (isGone = true));
    const open = [];
    try { for (;;) open.push(openSync("/dev/null")); } catch {}
    program.signal("SIGCONT", "all");
    program.kill();
    await program.ended;
    const early = isGone;
    setImmediate(() => open.forEach((fd) => closeSync(fd)));
    await program.gone;
    console.log(early, (await program.members()).length);`;
  writeFileSync(join(dir, "script.mjs"), script);
  const { stdout, stderr } = spawnSync(
    "prlimit",
    ["--nofile=64:64", process.execPath, join(dir, "script.mjs")],
    { encoding: "utf8", env: { ...process.env, SLUICE_NO_HELPER: "1" } },
  );
  expect([stdout, stderr]).toEqual(["false 0\n", ""]);
});

test("what is started does not hold what this process has open", async () => {
  const fd = openSync("/dev/null", "r");
  const child = startProcess("sh", ["-c", `[ -e /proc/self/fd/${fd} ] && echo open || echo closed`], {
    stdio: STDIO,
  });
  const [text] = (await once(child.stdout, "data")) as [Buffer];
  closeSync(fd);
  expect(text.toString()).toBe("closed\n");
});
