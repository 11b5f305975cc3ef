import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { realBroker } from "../broker/support/real-broker.js";
import { Sandbox } from "../helpers/sluice.js";
import { ERRNO } from "../../src/errors/index.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  box.remove();
});

function put(name: string, source: string): string {
  const path = join(box.dir, name);
  writeFileSync(path, source);
  return path;
}

const EARLY = "import os, errno\ndef mod_main(h): raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))\n";
const CRASH = `import ctypes
def mod_main(h):
    h.msg_watcher(lambda *_: ctypes.string_at(0), topic_glob="*.crash").start()
    h.run()
`;
const HOG = `def mod_main(h):
    h.set_running()
    hog = [bytearray(2**20) for _ in range(1000)]
`;
const NAMED = 'module_name = "own-name"\ndef mod_main(h): h.run()\n';

describe("a Python module on the command line", () => {
  test("is loaded, asked and removed; an error at its start is told as the system says it", async () => {
    put("hello.py", "from sluice import BrokerModule\n\nclass Hello(BrokerModule):\n    pass\n");
    put("early.py", EARLY);
    const script =
      "sluice module load ./hello.py a && sluice ping -c 1 -i 0 hello >/dev/null && sluice module remove hello; " +
      "sluice module load ./early.py; echo $?";
    const { stdout, stderr } = await box.run(["start", "sh", "-c", script], { cwd: box.dir });
    expect(stdout).toBe("1\n");
    expect(stderr).toContain("sluice-module: early: File exists\n");
  });
});

describe("the python loader", () => {
  test("takes the name that the file gives itself", async () => {
    const { handle } = await realBroker();
    expect(await handle.rpc("module.load", { path: put("x.py", NAMED) })).toMatchObject({ name: "own-name" });
  });

  test("tells of a native crash and of memory", async () => {
    const { handle, logged } = await realBroker();
    await handle.rpc("module.load", { path: put("crash.py", CRASH) });
    await expect(handle.rpc("crash.crash")).rejects.toMatchObject({ errnum: ERRNO.ECONNRESET });
    expect((await logged("crash module runtime failure")).text).toMatch(/killed by Segmentation fault$/);
    await handle.rpc("module.load", { path: put("hog.py", HOG), memoryLimitBytes: 64 * 1024 * 1024 });
    expect((await logged("hog module runtime failure")).text).toBe(
      "hog module runtime failure: out of memory, its memory-limit is 64 MiB",
    );
  });

  test("runs the interpreter that the configuration names", async () => {
    const { handle } = await realBroker({
      config: { loaders: { python: { command: ["no-such-python"] } } },
    });
    await expect(handle.rpc("module.load", { path: put("x.py", NAMED) })).rejects.toMatchObject({
      errnum: ERRNO.ENOENT,
      message: expect.stringContaining("no-such-python") as string,
    });
  });
});
