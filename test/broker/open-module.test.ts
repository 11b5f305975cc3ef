import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
// Hosts of modules run from files, so this is what was built.
import { connect, isErrno, openModule, runModule } from "../../dist/index.js";

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "sluice-open-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
});

function write(name: string, text: string): string {
  const file = join(dir, name);
  writeFileSync(file, text);
  return file;
}

/** Leaves a file behind if any of its code runs. */
const SENSITIVE = (mark: string): string => `
export const moduleName = "sensor";
  import { writeFileSync } from "node:fs";
  writeFileSync(${JSON.stringify(mark)}, "");
  export function modMain(handle, ...args) {
    handle.handle("args", () => args);
    handle.handle("fail", () => { process.nextTick(() => handle.stop(new Error("the sensor is wet"))); return {}; });
    handle.handle("never", () => undefined);
    return handle.run();
  }
`;

const SCHEDS = `
  export const sluiceLibrary = {
    api: "1.0",
    modules: {
      fifo: { kind: "sched", kindVersion: "1.0", version: "2.1.0", description: "first in, first out",
              main: (handle) => { handle.handle("alloc", () => "allocated"); handle.handle("free", () => null); return handle.run(); } },
      late: { kind: "sched", kindVersion: "7.0", main: (handle) => handle.run() },
    },
  };
`;

describe("openModule", () => {
  test("gives the identity of a file without running any of it, and starts it when asked to", async () => {
    const mark = join(dir, "has-run");
    const file = write("x.mjs", SENSITIVE(mark));
    const opened = await openModule(file);
    const { start, ...identity } = opened;
    expect(identity).toEqual({
      type: "thread",
      name: "sensor",
      path: file,
      services: ["sensor"],
      digest: `sha256-${createHash("sha256").update(readFileSync(file)).digest("hex")}`,
      size: readFileSync(file).length,
      api: null,
      kind: null,
      version: null,
      description: null,
    });
    expect(readdirSync(dir)).toEqual(["x.mjs"]);

    const module = await start({ args: ["a", "b"] });
    expect(readdirSync(dir)).toEqual(["has-run", "x.mjs"]);
    expect(await module.handle.rpc(`${module.name}.args`)).toEqual(["a", "b"]);
    await module.stop();
    expect(await module.exited).toEqual({ kind: "ok" });
    // The handle is open until the module is unloaded.
    await expect(module.handle.rpc("sensor.args")).rejects.toSatisfy((error) => isErrno(error, "ENOSYS"));
    await module.unload();
    await expect(module.handle.rpc("sensor.args")).rejects.toSatisfy((error) => isErrno(error, "ECANCELED"));
  });

  test("starts a module as often as asked, each apart from the others", async () => {
    const { start } = await openModule(write("x.mjs", SENSITIVE(join(dir, "mark"))), { exec: true });
    const [one, two] = await Promise.all([start({ name: "one" }), start({ name: "two", args: ["2"] })]);
    expect([one.name, two.name]).toEqual(["one", "two"]);
    await one.unload();
    expect(await one.exited).toEqual({ kind: "terminated" });
    expect(await two.handle.rpc("two.args")).toEqual(["2"]);
    await two.unload();
  });

  test("tells how a module ended that failed by itself; stop() and unload() then only clean up", async () => {
    const { start } = await openModule(write("x.mjs", SENSITIVE(join(dir, "mark"))));
    const module = await start();
    await module.handle.rpc("sensor.fail");
    expect(await module.exited).toMatchObject({ kind: "error", message: "the sensor is wet" });
    await module.stop();
    await Promise.all([module.unload(), module.unload()]);
    await module.stop();
  });

  test("is ended at once by unload(), which a stop() that waits joins", async () => {
    const file = write(
      "stubborn.mjs",
      `export function modMain(handle) {
         handle.handle("shutdown", () => undefined);
         return handle.run();
       }`,
    );
    const module = await (await openModule(file)).start();
    await expect(module.stop({ timeoutMs: 50 })).rejects.toSatisfy((error) => isErrno(error, "ETIMEDOUT"));
    const stopping = module.stop();
    await module.unload();
    await stopping;
    expect(await module.exited).toEqual({ kind: "terminated" });
  });

  test("has a socket for other programs if it is asked for", async () => {
    const file = write("x.mjs", SENSITIVE(join(dir, "mark")));
    const [closed, open] = await Promise.all([
      runModule(file),
      (await openModule(file)).start({ socket: true }),
    ]);
    expect(closed.uri).toBeUndefined();
    const remote = await connect(open.uri ?? "");
    expect(await remote.rpc("sensor.args")).toEqual([]);
    await remote.close();
    await closed.close();
    await open.unload();
    await expect(connect(open.uri ?? "")).rejects.toThrow();
  });

  test("refuses to start a file that is not what was opened", async () => {
    const file = write("x.mjs", SENSITIVE(join(dir, "mark")));
    const opened = await openModule(file);
    write("x.mjs", `export const modMain = (handle) => handle.run();`);
    await expect(opened.start()).rejects.toMatchObject({
      code: "LOAD_FAILED",
      message: expect.stringContaining(opened.digest) as string,
    });
  });

  test("opens a module of a library, with what speaks against it", async () => {
    const file = write("scheds.mjs", SCHEDS);
    const fifo = await openModule(`${file}#fifo`);
    expect(fifo).toMatchObject({
      ...{ name: "fifo", api: "1.0", kind: "sched", version: "2.1.0", description: "first in, first out" },
      ...{ services: ["fifo", "sched"], refused: [] },
    });
    const module = await fifo.start();
    expect(await module.handle.rpc("sched.alloc")).toBe("allocated");
    await module.unload();

    const late = await openModule(`${file}#late`);
    expect(late.refused).toEqual([expect.stringContaining("7.0")]);
    await expect(late.start()).rejects.toSatisfy((error) => String(error).includes("7.0"));
  });

  test("fails with the reason for what is no module, and at its limits", async () => {
    await expect(openModule(join(dir, "none.mjs"))).rejects.toMatchObject({ code: "LOAD_NOT_FOUND" });
    const file = write("x.mjs", SENSITIVE(join(dir, "mark")));
    const signal = AbortSignal.abort();
    await expect(openModule(file, { signal })).rejects.toSatisfy((error) => isErrno(error, "ECANCELED"));
    const hangs = write("hangs.mjs", `export const modMain = () => new Promise(() => undefined);`);
    const opened = await openModule(hangs);
    await expect(opened.start({ timeoutMs: 200 })).rejects.toSatisfy((error) => isErrno(error, "ETIMEDOUT"));
  });
});

test("runModule has the same members, and close() for both ends", async () => {
  const module = await runModule(write("x.mjs", SENSITIVE(join(dir, "mark"))));
  expect(Object.keys(module).sort()).toEqual(["close", "exited", "handle", "name", "stop", "unload", "uri"]);
  await module.close();
  expect(await module.exited).toEqual({ kind: "ok" });
});
