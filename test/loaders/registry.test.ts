import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ERRNO } from "../../src/errors/index.js";
import {
  createProcessLoader,
  createProgramLoader,
  createPythonLoader,
  createThreadLoader,
  findModule,
  LoaderRegistry,
  type ModuleLoader,
  moduleNameOf,
} from "../../src/loaders/index.js";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-registry-"));
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

function loader(name: string, suffixes: readonly string[], magic?: string): ModuleLoader {
  return {
    name,
    suffixes,
    ...(magic !== undefined && {
      recognises: (head: Uint8Array) => Buffer.from(head).toString("latin1").startsWith(magic),
    }),
    start: () => Promise.reject(new Error("not in this test")),
  };
}

const registry = new LoaderRegistry([
  loader("thread", [".js", ".mjs"]),
  loader("native", [".node"]),
  loader("special", [".special.js"]),
  loader("script", [], "#!"),
  loader("program", [], "\x7fELF"),
]);

async function file(name: string, content = ""): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

describe("the loader of a file", () => {
  test.each([
    ["x.js", "thread"],
    ["x.special.js", "special"],
    ["x.node", "native"],
    ["x.node.1.2", "native"],
    ["x.special.js.3", "special"],
    ["x.js.node", "native"],
  ])("for %s is %s, by the longest suffix", async (name, expected) => {
    expect((await registry.choose(`/nowhere/${name}`)).name).toBe(expected);
  });

  test("is the one that recognises its beginning when no suffix tells", async () => {
    const [script, program] = [await file("a", "#!/bin/sh\n"), await file("b.x", "\x7fELF…")];
    expect((await registry.choose(script)).name).toBe("script");
    expect((await registry.choose(program)).name).toBe("program");
  });

  test("is none for anything else, and the error lists those that there are", async () => {
    for (const name of ["x.txt", ".js", "x.node.beta", "empty"]) {
      await expect(registry.choose(await file(name))).rejects.toMatchObject({
        code: "LOAD_NO_LOADER",
        message: expect.stringMatching(/thread.*native.*special.*script.*program/) as string,
      });
    }
  });

  test("is the one asked for, whatever the file", async () => {
    expect((await registry.choose("/nowhere/x.js", { loader: "program" })).name).toBe("program");
    await expect(registry.choose("/nowhere/x.js", { loader: "threat" })).rejects.toMatchObject({
      code: "LOAD_NO_LOADER",
      message: expect.stringContaining("did you mean 'thread'?") as string,
    });
  });

  test("for exec is the one called process, also written exec", async () => {
    await expect(registry.choose("/nowhere/x.js", { exec: true })).rejects.toMatchObject({
      code: "LOAD_NO_LOADER",
      message: expect.stringContaining("'process'") as string,
    });
    const more = new LoaderRegistry([loader("process", [])]);
    expect((await more.choose("/nowhere/x.js", { exec: true })).name).toBe("process");
    expect((await more.choose("/nowhere/x.js", { loader: "exec" })).name).toBe("process");
  });

  test("for exec takes the place of the thread only: other loaders run processes anyway", async () => {
    const all = new LoaderRegistry([
      loader("process", [".js", ".node"]),
      loader("thread", [".js"]),
      loader("lua", [".lua"]),
    ]);
    expect((await all.choose("/nowhere/x.js")).name).toBe("thread");
    expect((await all.choose("/nowhere/x.js", { exec: true })).name).toBe("process");
    expect((await all.choose("/nowhere/x.node.2")).name).toBe("process");
    expect((await all.choose("/nowhere/x.lua", { exec: true })).name).toBe("lua");
  });

  test("is a program when a path is asked for", async () => {
    expect((await registry.choose("/nowhere/x.js", { loader: "/usr/bin/lua-loader" })).name).toBe(
      "/usr/bin/lua-loader",
    );
  });

  test("is the latest of those that would do", async () => {
    const both = new LoaderRegistry([
      loader("first", [".x"], "magic"),
      loader("second", [".x", ".y"], "magic"),
    ]);
    expect((await both.choose("/nowhere/a.x")).name).toBe("second");
    expect((await both.choose(await file("b", "magic"))).name).toBe("second");
  });

  test("replaces an earlier one of the same name", async () => {
    const changed = new LoaderRegistry([loader("a", [".old"]), loader("a", [".new"])]);
    expect(changed.suffixes).toEqual([".new"]);
    await expect(changed.choose("/nowhere/x.old")).rejects.toMatchObject({ errnum: ERRNO.EINVAL });
  });
});

describe("the file of a module", () => {
  const find = (name: string, ...directories: string[]): Promise<string> =>
    findModule(name, { directories, registry });

  test("is found by bare name in the first directory that has it, by suffix in order", async () => {
    await mkdir(join(directory, "one"));
    await mkdir(join(directory, "two"));
    await mkdir(join(directory, "one", "kvs.js"));
    for (const name of ["two/kvs.node", "two/kvs.mjs", "one/cron.js", "two/cron.js"]) await file(name);
    const [one, two] = [join(directory, "one"), join(directory, "two")];
    expect(await find("kvs", "/nowhere", one, two)).toBe(join(two, "kvs.mjs"));
    expect(await find("cron", one, two)).toBe(join(one, "cron.js"));
    expect(await find("kvs.node", one, two)).toBe(join(two, "kvs.node"));
  });

  test("is found by path", async () => {
    const path = await file("any.thing");
    expect(await find(path)).toBe(path);
    expect(await find(`${directory}/../${directory.split("/").at(-1) ?? ""}/any.thing`)).toBe(path);
  });

  test("is ENOENT when it is not there", async () => {
    await expect(find("kvs", directory)).rejects.toMatchObject({
      code: "LOAD_NOT_FOUND",
      errnum: ERRNO.ENOENT,
      message: expect.stringContaining("module not found in search path") as string,
    });
    await expect(find("./kvs.js", directory)).rejects.toMatchObject({
      code: "LOAD_NOT_FOUND",
      errnum: ERRNO.ENOENT,
      message: "./kvs.js: No such file or directory",
    });
  });
});

describe("the name of a module that nobody named", () => {
  const threads = createThreadLoader();

  test.each([
    ["a.mjs", 'export const moduleName = "own-name";\n', "own-name"],
    ["b.ts", "import x from 'y';\nexport const moduleName: string = 'typed';\n", "typed"],
    ["c.cjs", 'exports.moduleName = "common";\n', "common"],
    ["d.mjs", '// export const moduleName = "comment";\n', "d"],
    ["e.mjs", "export const moduleName = makeName();\n", "e"],
    ["f.min.mjs", "", "f"],
  ])("in %s is what it exports, or its base name", async (name, source, expected) => {
    expect(await moduleNameOf(await file(name, source), threads)).toBe(expected);
  });

  test("is the base name for a loader that knows no better", async () => {
    expect(await moduleNameOf("/nowhere/x.node.1.2", loader("native", [".node"]))).toBe("x");
    expect(await moduleNameOf("/nowhere/program", loader("program", []))).toBe("program");
  });
});

describe("fault-F14: native code", () => {
  const registry = new LoaderRegistry([createProgramLoader()]);
  const built = (name: string, ...flags: readonly string[]): string => {
    const file = join(directory, name);
    execFileSync("cc", [...flags, "-o", file, "-x", "c", "-"], { input: "int main(void) { return 0; }" });
    return file;
  };

  test("that is a shared object is refused, with what is loaded instead", async () => {
    for (const name of ["m.so", "m.so.1.2", "plain"]) {
      const file = built(name, "-shared", "-fPIC");
      await expect(registry.choose(file)).rejects.toMatchObject({
        code: "LOAD_NO_LOADER",
        errnum: ERRNO.EINVAL,
        message: expect.stringMatching(/is a shared object.*[.]node addon.*program/) as string,
      });
    }
  });

  test("that is a program is one, however it was linked and whatever it is called", async () => {
    for (const [name, ...flags] of [
      ["a.so"],
      ["b", "-no-pie"],
      ["c", "-static"],
      ["d.so", "-static-pie"],
    ] as const) {
      expect((await registry.choose(built(name, ...flags))).name).toBe("program");
    }
    const cut = join(directory, "cut.so");
    await writeFile(cut, "\x7fELF\x02\x01", "latin1");
    expect((await registry.choose(cut)).name).toBe("program");
  });

  test("and the names that Flux has for loaders mean ours", async () => {
    const named = new LoaderRegistry([createPythonLoader(), createProcessLoader()]);
    expect((await named.choose("m.mjs", { loader: "module-exec" })).name).toBe("process");
    expect((await named.choose("m", { loader: "module-python-exec" })).name).toBe("python");
  });
});
