import { afterEach, describe, expect, test } from "vitest";
import { SluiceError } from "../../src/errors/index.js";
import { compose, parseFragment } from "../../src/units/index.js";
import type { RcSessionOptions } from "../../src/rc/index.js";
import { BUILT_HOST, fixture, TestSession } from "./support/session.js";

/** As many as task "pipes" prints. */
const PIPED_LINES = 4000;

let session: TestSession | undefined;

async function opened(options: Partial<RcSessionOptions> = {}): Promise<TestSession> {
  session = new TestSession(options);
  const result = await session.read(fixture("work.ts"));
  expect(result).toMatchObject({ ok: true });
  return session;
}

afterEach(() => session?.close());

describe("tasks of rc files", () => {
  test("run at the same time", async () => {
    const s = await opened();
    await Promise.all([s.run("waits"), s.run("meets")]);
  });

  test("fail with what they throw", async () => {
    const s = await opened();
    const stack = expect.stringContaining(fixture("work.ts")) as string;
    await expect(s.run("throws")).rejects.toMatchObject({
      cause: { stack },
      code: "RC_FAILED",
      unit: "throws",
      message: "no luck",
    });
    await expect(s.run("nobody")).rejects.toMatchObject({ code: "RC_FAILED", unit: "nobody" });
  });

  test("print whole lines under their name", async () => {
    const s = await opened();
    await s.run("prints");
    expect(s.stdoutOf("prints")).toEqual(["one", "two", "thrfrom bash", "ee"]);
    expect(s.lines.filter((line) => line.stream === "stderr")).toEqual([
      { unit: "prints", stream: "stderr", text: "to error" },
      { unit: "prints", stream: "stderr", text: "no end" },
    ]);
    expect(s.printed).toEqual(["said 7 { a: 1 }"]);
    expect(s.stdoutOf(undefined)).toEqual(["setup ran"]);
  });

  test("pipe much output of a program, and write characters in pieces", async () => {
    const s = await opened();
    await Promise.all([s.run("pipes"), s.run("pieces")]);
    expect(s.stdoutOf("pipes")).toEqual([...Array<string>(PIPED_LINES).fill("x".repeat(999)), "end"]);
    expect(s.stdoutOf("pieces")).toEqual(["é\uFFFD"]);
  });

  test("share data with those of other hosts", async () => {
    const other = { ...BUILT_HOST, name: "other", suffixes: [".mjs"] };
    const s = await opened({ programs: [{ ...BUILT_HOST, suffixes: [".ts"] }, other] });
    await s.read(fixture("plain.mjs"));
    await s.run("greets");
    await s.run("from-mjs");
    await s.run("reads-reply");
    expect(s.stdoutOf("from-mjs")).toEqual(["mjs sees hello"]);
    expect(s.stdoutOf("reads-reply")).toEqual(['{"from":"mjs"}']);
  });

  test("know our errors, whichever way they have come by the library", async () => {
    const s = await opened();
    await s.read(fixture("library.ts"));
    await s.run("asks");
    expect(s.stdoutOf("asks")).toEqual(["true SluiceError"]);
  });

  test("cannot change what is planned", async () => {
    const s = await opened();
    await expect(s.run("plans")).rejects.toMatchObject({ code: "RC_FAILED" });
  });

  test("ask for facts without an instance", async () => {
    const facts = { rank: 3, config: { t: { x: 1n } }, attrs: { a: "1" }, env: {} };
    const s = await opened({ facts });
    await s.run("facts");
    expect(s.stdoutOf("facts")).toEqual(["3 1 none 1 below"]);
    await expect(s.run("wants-handle")).rejects.toMatchObject({ code: "RC_FAILED" });
  });
});

describe("bash", () => {
  test("raises its exit status", async () => {
    const s = await opened();
    await expect(s.run("exits-3")).rejects.toThrow("bash: exited with exit status 3");
  });

  test("raises the signal that it died by", async () => {
    const s = await opened();
    await expect(s.run("dies-15")).rejects.toThrow("bash: died by signal 15");
  });

  test("does not wait for what it leaves in the background", async () => {
    const s = await opened();
    await s.run("leaves-background");
    process.kill(Number(await s.line("leaves-background", /^\d+$/)), "SIGKILL");
  });
});

describe("the environment", () => {
  test("is changed here, in what tasks start, and for commands of the same run", async () => {
    const env = { PATH: process.env["PATH"], RC_GONE: "still here" };
    const s = await opened({ env, facts: { rank: 0, config: {}, attrs: {}, env: { RC_BROKER: "b" } } });
    await s.run("environment");
    expect(s.stdoutOf("environment")).toEqual(["1 gone b", "1 2 unset t none"]);
    expect(s.env).toMatchObject({ RC_ONE: "1", RC_TWO: "2" });
    expect(s.env).not.toHaveProperty("RC_GONE");
    expect(env.RC_GONE).toBe("still here");
  });

  test("takes nothing but strings", async () => {
    const s = await opened();
    await expect(s.run("bad-environment")).rejects.toMatchObject({ code: "RC_FAILED" });
    expect(s.env).not.toHaveProperty("RC_ONE");
  });

  test("takes only names and values that an environment can hold", async () => {
    const s = await opened();
    await expect(s.run("bad-name")).rejects.toThrow("invalid name 'A=B'");
    await expect(s.run("bad-value")).rejects.toThrow("the value of RC_ONE contains a NUL");
    expect(s.env).not.toHaveProperty("A=B");
    expect(s.env).not.toHaveProperty("RC_ONE");
  });
});

describe("arguments of modules", () => {
  test("are edited by unit or by service, and seen by who loads", async () => {
    const text = `
[[modules]]
name = "sched-simple"
provides = ["sched"]
args = ["base"]
[[modules]]
name = "heartbeat"
args = ["period=2"]
`;
    const fragment = parseFragment(text, { file: "/units.toml" });
    if (!fragment.ok) throw new Error("the fragment is wrong");
    const catalog = compose([fragment.value]);
    if (!catalog.ok) throw new Error("the catalog is wrong");
    const s = await opened();
    s.useCatalog(catalog.value);
    await s.run("arguments");
    expect(s.stdoutOf("arguments")).toEqual(["base a b x", "c period=2"]);
    const unit = catalog.value.byName.get("sched-simple");
    if (unit?.kind !== "module") throw new Error("no such module");
    expect(s.arguments.of(unit)).toEqual(["c"]);
  });
});

describe("giving up a task", () => {
  function isAlive(pid: number): boolean {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  }

  async function pidOf(s: TestSession, task: string): Promise<number> {
    return Number((await s.line(task, /^pid \d+$/)).slice(4));
  }

  test("kills its host and what it started, and the next task gets a new one without setup", async () => {
    const s = await opened();
    const controller = new AbortController();
    const hanging = s.runTask("hangs", controller.signal);
    const pid = await pidOf(s, "hangs");
    const reason = new SluiceError("RUN_TIMEOUT", "timed out after 1s");
    controller.abort(reason);
    await expect(hanging).rejects.toBe(reason);
    expect(isAlive(pid)).toBe(false);
    await s.run("says-pid");
    expect(await pidOf(s, "says-pid")).not.toBe(pid);
    expect(s.stdoutOf(undefined)).toEqual(["setup ran"]);
  });

  test("waits for the other tasks of that host", async () => {
    const s = await opened();
    const controller = new AbortController();
    const waiting = s.run("waits");
    const hearing = s.runTask("hears", controller.signal);
    await s.line("hears", /^listening$/);
    controller.abort(new SluiceError("RUN_CANCELLED", "cancelled"));
    await s.line("hears", /^heard$/);
    const other = new AbortController();
    const ending = expect(hearing).rejects.toMatchObject({ code: "RUN_CANCELLED" });
    let settled = false;
    void waiting.catch(() => undefined).finally(() => (settled = true));
    // The replacement serves while the old host still has work.
    await s.runTask("says-pid", other.signal);
    expect(settled).toBe(false);
    await s.close();
    await ending;
    await expect(waiting).rejects.toMatchObject({ code: "RC_FAILED" });
  });

  test("before it began runs nothing", async () => {
    const s = await opened();
    await expect(s.runTask("says-pid", AbortSignal.abort(new Error("too late")))).rejects.toThrow("too late");
    expect(s.stdoutOf("says-pid")).toEqual([]);
  });
});

describe("a host that ends on its own", () => {
  test("fails its tasks with how it ended", async () => {
    const s = await opened();
    const waiting = expect(s.run("waits")).rejects.toMatchObject({ code: "RC_FAILED" });
    await expect(s.run("exits")).rejects.toThrow("exited with exit status 4");
    await waiting;
  });

  test("fails its tasks with what was thrown outside of them", async () => {
    const s = await opened();
    await expect(s.run("strays")).rejects.toThrow("stray");
  });
});
