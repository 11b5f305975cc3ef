import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ERRNO } from "../../../src/errors/index.js";
import { fields, type Handle } from "../../../src/messages/index.js";
import { realBroker } from "../support/real-broker.js";

const FAULTY = join(import.meta.dirname, "../fixtures/faulty.mjs");

async function loaded(request: Readonly<Record<string, string | number | boolean>> = {}) {
  const real = await realBroker();
  await real.handle.rpc("module.load", { path: FAULTY, ...request });
  return real;
}

async function listed(handle: Handle): Promise<readonly unknown[]> {
  return fields(await handle.rpc("module.list"), { modules: "array" }).modules;
}

describe.each([
  ["thread", false],
  ["process", true],
])("in a %s", (_kind, exec) => {
  test("fault-C2 a module that reports its end and lives on is a failed load after 1 s", async () => {
    const { handle } = await realBroker();
    await expect(handle.rpc("module.load", { path: FAULTY, exec, args: ["lives-on"] })).rejects.toMatchObject(
      {
        errnum: ERRNO.ENOSPC,
        message: "faulty: no track (No space left on device)",
      },
    );
    expect(await listed(handle)).toEqual([]);
  });

  test("fault-C3 a module that leaves the ping of its watchdog unanswered fails, and its policy follows", async () => {
    const { handle, logged } = await loaded({ exec, watchdogMs: 400, onFailure: "restart" });
    const stuck = handle.rpc("faulty.spin");
    await expect(stuck).rejects.toMatchObject({ errnum: ERRNO.ECONNRESET });
    const failure = "faulty module runtime failure: it has not answered a ping for 0.4 s (watchdog)";
    expect((await logged(failure)).level).toBe("crit");
    await logged("faulty runs again");
  });

  test("fault-C3 a module that owes an answer is marked in module.list until it is ended", async () => {
    const { handle } = await loaded({ exec, watchdogMs: 600_000, onFailure: "log" });
    expect(await listed(handle)).toMatchObject([{ name: "faulty", owedSeconds: 0 }]);
    await handle.rpc("module.remove", { name: "faulty" });
    const load = { path: FAULTY, exec, watchdogMs: 2000, onFailure: "log" };
    await handle.rpc("module.load", load);
    const stuck = handle.rpc("faulty.spin").catch((error: unknown) => error);
    let owed = 0;
    while (owed === 0) {
      const [module] = await listed(handle);
      if (module === undefined) break;
      owed = fields(module as never, { owedSeconds: "number" }).owedSeconds;
    }
    expect(owed).toBeGreaterThan(0);
    await stuck;
  });

  test("fault-C3 module.watch says that a module with a watchdog is ok, and silent once it owes an answer", async () => {
    const { handle } = await loaded({ exec, watchdogMs: 2000, onFailure: "log" });
    const seen: unknown[] = [];
    const stuck = handle.rpc("faulty.spin").catch((error: unknown) => error);
    for await (const answer of handle.rpcStream("module.watch", { periodMs: 100 })) {
      const { modules, gone } = fields(answer, { modules: "array", gone: "string[]" });
      for (const module of modules) seen.push(fields(module, { health: "string?" }).health);
      if (gone.length > 0) break;
    }
    expect([...new Set(seen)].filter((health) => health !== undefined)).toEqual(["ok", "silent"]);
    await stuck;
  });

  test("fault-C8 what a module says, answers and publishes before it exits arrives before its failure", async () => {
    const { handle, log, logged } = await loaded({ exec, onFailure: "log" });
    const published: unknown[] = [];
    await handle.subscribe("faulty.last", ({ payload }) => published.push(payload));
    expect(await handle.rpc("faulty.exit")).toBe("leaving");
    await logged("module runtime failure");
    expect(log.indexOf("last words")).toBeGreaterThanOrEqual(0);
    expect(log.indexOf("last words")).toBeLessThan(log.findIndex((text) => text.includes("runtime failure")));
    await handle.rpc("module.list");
    expect(published).toEqual(["event"]);
  });

  test.each(["exit-later"])("fault-C8 the last words of a module that dies by %s arrive", async (how) => {
    const { handle, log, logged } = await loaded({ exec, onFailure: "log" });
    handle.notify(`faulty.${how}`);
    await logged("module runtime failure");
    expect(log.slice(-2)[0]).toBe("last words");
  });

  test("fault-C8 the last words of a module that exits while it is loaded arrive", async () => {
    const { handle, log } = await realBroker();
    await expect(
      handle.rpc("module.load", { path: FAULTY, exec, args: ["die-early"] }),
    ).rejects.toMatchObject({
      message: "faulty: exit status 3",
    });
    expect(log).toContain("last words");
  });

  test("fault-C9 a failed load names the place, and the log has the stack", async () => {
    const { handle, log, dir } = await realBroker();
    const path = join(dir, "bad.ts");
    writeFileSync(
      path,
      `import type { Handle } from "sluice";\nexport function modMain(h: Handle) {\n  (h as any).hndle("x");\n}\n`,
    );
    await expect(handle.rpc("module.load", { path, exec, insecure: true })).rejects.toMatchObject({
      message: expect.stringMatching(/^bad\.ts:3:\d+: .*hndle is not a function$/) as string,
    });
    expect(log.find((text) => text.includes("hndle is not a function"))).toMatch(/\n +at /);
  });

  test.each([
    ["", 'const n: number = 1; if (n) throw new Error("odd");'],
    ["that needs a loader of its own", 'const n: number = await 1; if (n) throw new Error("odd");'],
  ])("fault-G5 the place is true in TypeScript %s", async (_what, source) => {
    const { handle, dir } = await realBroker();
    const path = join(dir, "odd.ts");
    writeFileSync(path, `${source}\nexport function modMain(): void {}\n`);
    const column = source.indexOf("new Error") + 1;
    await expect(handle.rpc("module.load", { path, exec, insecure: true })).rejects.toMatchObject({
      message: `odd.ts:1:${column}: odd`,
    });
  });

  test("fault-C10 what a module throws that is no error is shown as it is, with its number", async () => {
    const { handle } = await loaded({ exec, onFailure: "log" });
    const error = {
      errnum: ERRNO.ENOSPC,
      message: expect.stringContaining("{ errno: 28, why: 'disk' }") as string,
    };
    await expect(handle.rpc("faulty.throw-value")).rejects.toMatchObject(error);
    const load = (arg: string) => handle.rpc("module.load", { path: FAULTY, name: arg, exec, args: [arg] });
    await expect(load("throw-value")).rejects.toMatchObject(error);
    await expect(load("throw-many")).rejects.toMatchObject({
      message: expect.stringContaining("both: left; right") as string,
    });
  });

  test("fault-A6 a module that is reloaded answers what it has begun, and loses nothing", async () => {
    const { handle } = await loaded({ exec });
    const answers = Array.from({ length: 40 }, (_, n) => handle.rpc("faulty.slow", n * 10));
    await handle.rpc("faulty.ping");
    const reload = handle.rpc("module.reload", { name: "faulty" });
    const later = Array.from({ length: 40 }, () => handle.rpc("faulty.slow", 0));
    expect(new Set(await Promise.all([...answers, ...later]))).toEqual(new Set(["slow"]));
    await reload;
  });

  test("fault-C15 a reload by hand starts the count of restarts anew", async () => {
    const { handle, log, logged } = await loaded({ exec, onFailure: "restart" });
    handle.notify("faulty.fail");
    await logged("faulty runs again");
    handle.notify("faulty.fail");
    await logged("faulty restarts in 2 s");
    await handle.rpc("module.reload", { name: "faulty" });
    handle.notify("faulty.fail");
    await logged("derailed");
    while (log.filter((text) => text.includes("restarts in")).length < 3) await handle.rpc("module.list");
    expect(log.filter((text) => text.includes("restarts in"))).toEqual([
      "faulty restarts in 1 s",
      "faulty restarts in 2 s",
      "faulty restarts in 1 s",
    ]);
  });
});

test("fault-C8 a module in a process that aborts has its last words in the log", async () => {
  const { handle, log, logged } = await loaded({ exec: true, onFailure: "log" });
  handle.notify("faulty.abort");
  await logged("killed by Aborted");
  expect(log.slice(-2)[0]).toBe("last words");
});

test("fault-C9 a number of the system is said in words beside the module's own text", async () => {
  const { handle, dir } = await realBroker();
  const path = join(dir, "other.py");
  writeFileSync(
    path,
    "import errno\ndef mod_main(h, *args):\n    raise OSError(errno.EEXIST, 'service already registered')\n",
  );
  await expect(handle.rpc("module.load", { path, insecure: true })).rejects.toMatchObject({
    errnum: ERRNO.EEXIST,
    message: "other: service already registered (File exists)",
  });
});

test("fault-C16 a memory limit gives a module a process of its own, which dies alone", async () => {
  const { handle, logged } = await loaded({ memoryLimitBytes: 32 * 1024 * 1024, onFailure: "log" });
  const { pid } = fields(await handle.rpc("faulty.who"), { pid: "integer" });
  expect(pid).not.toBe(process.pid);
  handle.notify("faulty.hog");
  await logged("its memory-limit is 32 MiB");
  expect(await handle.rpc("module.list")).toEqual({ modules: [] });
  await expect(
    handle.rpc("module.load", { path: FAULTY, loader: "thread", memoryLimitBytes: 1 }),
  ).rejects.toMatchObject({ errnum: ERRNO.EINVAL });
});
