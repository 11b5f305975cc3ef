import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
// Libraries are read and run in processes, which run from files.
import { openModule, runModule } from "../../dist/index.js";
import { kindsOf, libraryHost, openLibrary } from "../../dist/libraries/index.js";
import { addonProblem, createProcessLoader, createThreadLoader } from "../../dist/loaders/index.js";

const SOURCE = join(import.meta.dirname, "fixtures/library.c");
const NODE_API = Number(process.versions["napi"]);

let dir: string;
let library: string;
let aborting: string;

function compile(name: string, ...flags: string[]): string {
  const path = join(dir, name);
  const strict = ["-std=c11", "-Wall", "-Wextra", "-Werror"];
  execFileSync("cc", [...strict, "-fPIC", "-shared", `-DNODE_API=${NODE_API}`, ...flags, "-o", path, SOURCE]);
  return path;
}

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "sluice-addons-"));
  library = compile("scheds.node");
  aborting = compile("aborts.node", "-DABORTS");
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

const query = (path: string) => ({
  path,
  host: libraryHost("0.3.0", kindsOf(undefined)),
  timeoutMs: 60_000,
});

describe("a Node-API addon that is a library", () => {
  test("is opened without being loaded here, and tells what is inside", async () => {
    const opened = await openModule(library);
    expect(opened).toMatchObject({
      ...{ type: "process", name: "scheds", api: "1.0" },
      modules: [
        { name: "fifo", kind: "sched", kindVersion: "1.0", version: "3.1.0", refused: [] },
        { name: "next", kind: "sched", kindVersion: "9.0", refused: [expect.stringContaining("9.0")] },
      ],
    });
    await expect(opened.start()).rejects.toThrow("#fifo");
  });

  test("has modules that run in processes, with the service of their kind", async () => {
    const module = await runModule(`${library}#fifo`);
    expect(await module.handle.rpc("sched.alloc")).toBe("from C");
    await module.close();
    await expect(runModule(`${library}#next`)).rejects.toThrow("is of kind sched 9.0");
  });

  test.each([
    ["process", createProcessLoader],
    ["thread", createThreadLoader],
  ])("is one line in the list if it ends the process that opens it, for the loader %s", async (_, loader) => {
    const opened = await openLibrary(loader(), query(aborting));
    expect(opened).toEqual({ kind: "failed", path: aborting, problems: [expect.stringMatching(/abort/i)] });
  });

  test("is refused by a host whose Node-API is older, with both versions, and not even opened", async () => {
    const older = { ...query(aborting), nodeApiVersion: NODE_API - 1 };
    const opened = await openLibrary(createProcessLoader(), older);
    const problem = `is built for Node-API ${NODE_API}; this host has Node-API ${NODE_API - 1}`;
    expect(opened).toEqual({ kind: "failed", path: aborting, problems: [problem] });
  });
});

describe("the Node-API version of a file", () => {
  test.each([["-O0"], ["-O2"], ["-Os", "-s"]])(
    "is read from what a compiler makes with %s",
    async (...flags) => {
      const path = compile(`made${flags.join("")}.node`, ...flags);
      expect(await addonProblem(path)).toBeUndefined();
      expect(await addonProblem(path, 1)).toContain(`Node-API ${NODE_API}`);
    },
  );

  test("is unknown for a file that does not say, which is no problem", async () => {
    expect(await addonProblem(process.execPath, 1)).toBeUndefined();
    expect(await addonProblem(SOURCE, 1)).toBeUndefined();
  });
});
