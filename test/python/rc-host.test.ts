import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { PYTHON_HOST } from "../../src/rc/index.js";
import { answeredHandle, AnsweringInstance } from "../rc/support/instance.js";
import { BUILT_HOST, TestSession } from "../rc/support/session.js";

const WORK = `
import asyncio, os, sys, threading, time
from sluice import task

started = threading.Barrier(2)

def setup(context):
    print("setup ran")

@task("meets")
def meets(context): started.wait(20)

@task("meets-too")
def meets_too(context): started.wait(20)

@task("halves")
def halves(context):
    sys.stdout.write("one ha")
    context.set("halves", True)
    started.wait(20)
    print("lf")

@task("others")
def others(context):
    print("another line")
    started.wait(20)

@task("pid")
def pid(context): print("pid", os.getpid())

@task("hangs")
def hangs(context):
    print("pid", os.getpid())
    threading.Event().wait()

@task("exits")
def exits(context): os._exit(4)

@task("throws", timeout="3s", needs_attrs=["a"])
def throws(context): raise RuntimeError("no luck")

@task("asks")
def asks(context):
    print(context.rpc("kvs.get", {"key": "a"}).get(), context.attr_get("fresh"))
    context.bash("true")
    context.setenv("RC_SET", "x")

@task("shares")
def shares(context): context.set("greeting", ["hello"])

@task("reads")
def reads(context): print(context.get("answer"))

@task("bad-name")
def bad_name(context): context.setenv({"RC_SET": "x", "A=B": "x"})

@task("bad-value")
def bad_value(context): context.setenv({"RC_SET": "x", "RC_NUL": "a\\0b"})

@task("awaits-cancelled")
async def awaits_cancelled(context):
    inner = asyncio.ensure_future(asyncio.sleep(0))
    inner.cancel()
    await inner

@task("raises-any")
def raises_any(context): raise GeneratorExit("any")

@task("leaves-a-call")
def leaves_a_call(context):
    handle = context.handle
    threading.Thread(target=handle.rpc("silent.ask").get, daemon=True).start()
    while True:
        try: handle.timeout()
        except OSError: return
`;

const CANCELLED_SETUP = `
import asyncio
async def setup(context): raise asyncio.CancelledError()
`;

const SCRIPT = `
import { task } from "sluice/rc";
task("answers", (c) => { c.set("answer", c.get("greeting")); });
`;

let directory: string;
let work: string;
let session: TestSession | undefined;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "sluice-py-host-"));
  work = join(directory, "work.py");
  writeFileSync(work, WORK);
});
afterEach(() => session?.close());
afterAll(() => rmSync(directory, { recursive: true }));

async function opened(options: ConstructorParameters<typeof TestSession>[0] = {}): Promise<TestSession> {
  session = new TestSession({ programs: [PYTHON_HOST, BUILT_HOST], ...options });
  expect(await session.read(work)).toMatchObject({ ok: true });
  return session;
}

describe("the Python host", () => {
  test("reports tasks with their keys and lines", async () => {
    const s = new TestSession({ programs: [PYTHON_HOST] });
    session = s;
    const report = await s.read(work);
    const tasks = report.ok ? report.value.tasks : [];
    expect(tasks.find(({ name }) => name === "throws")).toEqual({
      name: "throws",
      keys: { timeout: "3s", "needs-attrs": ["a"] },
      line: WORK.split("\n").findIndex((line) => line.startsWith('@task("throws"')) + 1,
      column: 1,
    });
  });

  test("runs tasks at the same time", async () => {
    const s = await opened();
    await Promise.all([s.run("meets"), s.run("meets-too")]);
  });

  test("keeps lines whole, each under the name of its task", async () => {
    const s = await opened();
    await Promise.all([s.run("halves"), s.run("others")]);
    expect(s.stdoutOf("halves")).toEqual(["one half"]);
    expect(s.stdoutOf("others")).toEqual(["another line"]);
    expect(s.stdoutOf(undefined)).toEqual(["setup ran"]);
  });

  test("fails a task with what it raises", async () => {
    const s = await opened();
    const stack = expect.stringContaining(`File "${work}"`) as string;
    await expect(s.run("throws")).rejects.toMatchObject({
      code: "RC_FAILED",
      unit: "throws",
      message: "no luck",
      cause: { stack },
    });
  });

  test("fails a task with an exception of any class", async () => {
    const s = await opened();
    await expect(s.run("awaits-cancelled")).rejects.toMatchObject({ message: "CancelledError" });
    await expect(s.run("raises-any")).rejects.toMatchObject({ message: "any" });
  });

  test("refuses names and values that no environment can hold, and sets none of them", async () => {
    const s = await opened();
    await expect(s.run("bad-name")).rejects.toThrow("invalid name 'A=B'");
    await expect(s.run("bad-value")).rejects.toThrow("the value of RC_NUL contains a NUL");
    expect(s.env).not.toHaveProperty("RC_SET");
  });

  test("answers for a setup() that is cancelled", async () => {
    const s = await opened();
    const file = join(directory, "cancelled.py");
    writeFileSync(file, CANCELLED_SETUP);
    expect(await s.read(file)).toMatchObject({ ok: false, diagnostics: [{ code: "RC_FAILED" }] });
  });

  test("fails a task that leaves a thread in a call on its handle", async () => {
    const instance = await AnsweringInstance.start(() => new Promise(() => undefined));
    try {
      const s = await opened({ env: { PATH: process.env["PATH"], SLUICE_URI: instance.uri } });
      await expect(s.run("leaves-a-call")).rejects.toThrow("in a call of another thread");
    } finally {
      await session?.close();
      await instance.stop();
    }
  });

  test("shares data with tasks of other hosts", async () => {
    const s = await opened();
    const script = join(directory, "other.mjs");
    writeFileSync(script, SCRIPT);
    await s.read(script);
    await s.run("shares");
    await s.run("answers");
    await s.run("reads");
    expect(s.stdoutOf("reads")).toEqual(["['hello']"]);
  });

  test("asks the instance, and sees what has changed there after each answer", async () => {
    let asked = 0;
    const answer = (topic: string): Record<string, unknown> => {
      if (topic === "attr.list") return { attrs: { fresh: String(asked) } };
      if (topic === "config.get") return { value: {} };
      if (topic === "broker.getenv") return { env: {} };
      asked++;
      return { value: 7, version: 1 };
    };
    const instance = await AnsweringInstance.start((topic) => answer(topic) as Record<string, never>);
    const runner = await answeredHandle((topic) => answer(topic) as Record<string, never>);
    try {
      const s = await opened({
        env: { PATH: process.env["PATH"], SLUICE_URI: instance.uri },
        handle: runner.handle,
      });
      await s.run("asks");
      expect(s.stdoutOf("asks")).toEqual(["{'value': 7, 'version': 1} 1"]);
      expect(instance.asked).toEqual([["kvs.get", { key: "a" }]]);
      expect(runner.asked).toContainEqual(["broker.setenv", { env: { RC_SET: "x" } }]);
    } finally {
      await session?.close();
      await instance.stop();
    }
  });

  test("is killed with a task that is given up, and the next task gets a new one without setup", async () => {
    const s = await opened();
    const controller = new AbortController();
    const hanging = s.runTask("hangs", controller.signal);
    const first = await s.line("hangs", /^pid \d+$/);
    controller.abort(new Error("timed out"));
    await expect(hanging).rejects.toThrow("timed out");
    await s.run("pid");
    expect(s.stdoutOf("pid")).not.toEqual([first]);
    expect(s.stdoutOf(undefined)).toEqual(["setup ran"]);
  });

  test("that ends on its own fails its tasks with how it ended", async () => {
    const s = await opened();
    await expect(s.run("exits")).rejects.toThrow("exited with exit status 4");
  });
});

describe("the Python host process", () => {
  function startHost(env: Record<string, string>): { child: ChildProcess; socket: Socket } {
    const [file, ...args] = PYTHON_HOST.command;
    const inherited = { ...process.env, ...PYTHON_HOST.env?.(process.env) };
    const child = spawn(file, args, {
      stdio: ["ignore", "ignore", "pipe", "pipe"],
      env: { ...inherited, ...env },
    });
    const socket = child.stdio[3];
    if (!(socket instanceof Socket)) throw new Error("no socket");
    return { child, socket };
  }

  test("exits when the runner has gone, whatever runs", async () => {
    const { child, socket } = startHost({ SLUICE_RC_URI: "fd://3" });
    socket.write('{"op":"init","state":{}}\n');
    socket.write(`${JSON.stringify({ op: "read", file: work, setup: false })}\n`);
    await once(socket, "data");
    socket.write('{"op":"run","task":"hangs"}\n');
    await once(socket, "data");
    const exited = once(child, "exit");
    socket.destroy();
    expect(await exited).toEqual([0, null]);
  });

  test("exits when it is told to", async () => {
    const { child, socket } = startHost({ SLUICE_RC_URI: "fd://3" });
    const exited = once(child, "exit");
    socket.write('{"op":"exit"}\n');
    expect(await exited).toEqual([0, null]);
  });

  test("refuses to run by hand", async () => {
    const { child } = startHost({});
    expect((await once(child, "exit"))[0]).toBe(1);
  });
});
