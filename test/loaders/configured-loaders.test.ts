import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ERRNO } from "../../src/errors/index.js";
import { configuredLoaders, type ModuleSpec } from "../../src/loaders/index.js";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-configured-"));
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

const SPEC: ModuleSpec = { name: "m", uuid: "u", path: "/nowhere/m.x", args: [], thread: "own" };

async function plugin(source: string): Promise<string> {
  const path = join(directory, "loader.mjs");
  await writeFile(path, source);
  return path;
}

describe("the loaders of a configuration", () => {
  test("are made of its table, in its order", () => {
    const loaders = configuredLoaders({
      lua: { suffixes: [".lua", ".luac"], command: ["lua-loader"] },
      later: { plugin: "/nowhere/loader.mjs" },
    });
    expect(loaders.map(({ name, suffixes }) => [name, suffixes])).toEqual([
      ["lua", [".lua", ".luac"]],
      ["later", []],
    ]);
    expect(configuredLoaders(undefined)).toEqual([]);
  });

  test.each([
    ["text", "#!lua", "#!lua\n", true],
    ["text that is not there", "#!lua", "#!/bin/sh", false],
    ["more than the file has", "#!lua", "#!", false],
    ["bytes", "\\x1bLua\\xFF", "\x1bLua\xff…", true],
    ["a backslash that begins no byte", "\\xg", "\\xg", true],
  ])("recognise a file by magic that is %s", (_what, magic, head, expected) => {
    for (const how of [{ command: ["x"] }, { plugin: "/x.mjs" }]) {
      const [loader] = configuredLoaders({ l: { magic, ...how } });
      expect(loader?.recognises?.(Buffer.from(head, "latin1"))).toBe(expected);
    }
  });

  test("recognise nothing without magic", () => {
    const [command, other] = configuredLoaders({ a: { command: ["x"] }, b: { plugin: "/x.mjs" } });
    expect(command?.recognises?.(Buffer.from("abc"))).toBe(false);
    expect(other?.recognises?.(Buffer.from("abc"))).toBe(false);
  });

  test("whose command is not there fail the load with its name", async () => {
    const [loader] = configuredLoaders({ a: { command: ["no-such-loader"] } });
    await expect(loader?.start({ ...SPEC, env: { PATH: directory } })).rejects.toMatchObject({
      code: "LOAD_FAILED",
      errnum: ERRNO.ENOENT,
      message: "no-such-loader: command not found",
    });
  });
});

describe("a loader from a plug-in", () => {
  test.each(["export const loader =", "export default"])("is what it exports with '%s'", async (how) => {
    const path = await plugin(`globalThis.plugins = (globalThis.plugins ?? 0) + 1;
      ${how} {
        name: "x", suffixes: [],
        readModuleName: async (path) => "named-" + path.length,
        start: async (spec) => { throw new Error("asked for " + spec.name); },
      };`);
    const before: unknown = Reflect.get(globalThis, "plugins");
    const [loader] = configuredLoaders({ l: { plugin: path } });
    expect(Reflect.get(globalThis, "plugins")).toBe(before);
    expect(await loader?.readModuleName?.("abc")).toBe("named-3");
    await expect(loader?.start(SPEC)).rejects.toThrow("asked for m");
  });

  test.each([
    ["exports none", "export const loader = 5;"],
    ["cannot be imported", "throw new Error('broken');"],
  ])("that %s fails the load with the plug-in's path", async (_what, source) => {
    const path = await plugin(source);
    const [loader] = configuredLoaders({ l: { plugin: path } });
    await expect(loader?.start(SPEC)).rejects.toMatchObject({
      code: "LOAD_FAILED",
      errnum: ERRNO.EINVAL,
      message: expect.stringContaining(path) as string,
    });
  });
});
