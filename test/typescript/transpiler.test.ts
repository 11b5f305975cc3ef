import { chmod, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { SealedFiles } from "../../src/caches/index.js";
import { ERRNO } from "../../src/errors/index.js";
import { type EvaluatedModules, runPrepared, Transpiler } from "../../src/typescript/index.js";

let directory: string;
let transpiler: Transpiler;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-typescript-"));
  vi.stubEnv("XDG_CACHE_HOME", join(directory, "user-cache"));
  transpiler = new Transpiler(join(directory, "shipped"));
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(directory, { recursive: true });
});

async function file(name: string, source: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, source);
  return path;
}

/** What a file exports, with `sluice` as whatever it is said to be; undefined if it cannot be prepared. */
async function run(path: string, library: unknown = {}, modules?: EvaluatedModules): Promise<unknown> {
  const prepared = await transpiler.prepare(path, undefined);
  return prepared && runPrepared(prepared, () => library, modules);
}

describe("prepared code", () => {
  test("is of a file and of those next to it, each evaluated once", async () => {
    await file("count.ts", "export const seen: string[] = [];");
    await file("b.ts", 'import { seen } from "./count";\nseen.push("b");\nexport const b: number = 2;');
    await file("c.mts", 'import { seen } from "./count.js";\nseen.push("c");\nexport default 3;');
    const path = await file(
      "a.ts",
      'import { seen } from "./count.js";\nimport { b } from "./b.js";\nimport c from "./c.mjs";\nexport const all: unknown = [b, c, seen];',
    );
    await file("b.ts", 'import { seen } from "./count.js";\nseen.push("b");\nexport const b: number = 2;');
    expect(await run(path)).toMatchObject({ all: [2, 3, ["b", "c"]] });
  });

  test("is of files that import each other in a ring", async () => {
    await file("b.ts", 'import { name } from "./a.js";\nexport const say = (): string => name;');
    const path = await file(
      "a.ts",
      'import { say } from "./b.js";\nexport const name: string = "a";\nexport const said = say;',
    );
    const exports = (await run(path)) as { said: () => string };
    expect(exports.said()).toBe("a");
  });

  test("finds the library, and shares what was evaluated with whoever has the same modules", async () => {
    await file("shared.ts", "export const shared = { n: 0 };");
    const source =
      'import { library } from "sluice";\nimport { shared } from "./shared.js";\nexport const n: number = ++shared.n;\nexport const from: string = library;';
    const [a, b] = [await file("a.ts", source), await file("b.ts", source)];
    const modules: EvaluatedModules = new Map();
    expect(await run(a, { library: "ours" }, modules)).toMatchObject({ n: 1, from: "ours" });
    expect(await run(b, { library: "ours" }, modules)).toMatchObject({ n: 2 });
    expect(await run(b)).toMatchObject({ n: 1 });
  });

  test("knows its own place", async () => {
    const path = await file("a.ts", "export const url: string = import.meta.url;");
    const moved = await file("b.ts", "export const url: string = import.meta.url;");
    expect(await run(path)).toMatchObject({ url: `file://${path}` });
    expect(await run(moved)).toMatchObject({ url: `file://${moved}` });
  });

  test.each([
    ["awaits at the top", "await 0;"],
    ["imports when it runs", 'export const f = () => import("./b.js");'],
    ["imports a package", 'import fc from "fast-check";\nexport const f = fc;'],
    ["imports plain JavaScript", 'import { x } from "./plain.mjs";\nexport const y = x;'],
    ["imports a file that is not there", 'import { x } from "./nowhere.js";\nexport const y = x;'],
    ["imports a file that awaits at the top", 'import { x } from "./waits.js";\nexport const y = x;'],
    ["calls require by another name", "const r = require;\nexport const y = r;"],
  ])("is not made of a file that %s", async (_what, source) => {
    await file("plain.mjs", "export const x = 1;");
    await file("waits.ts", "export const x = await 0;");
    expect(await run(await file("a.ts", source))).toBeUndefined();
  });

  test("is not made of a file with a mistake, the place of which is told", async () => {
    await file("b.ts", "export const fine = 1;\nexport const x: = 2;\n");
    const path = await file("a.ts", 'import { x } from "./b.js";\nexport const y = x;');
    await expect(run(path)).rejects.toMatchObject({
      code: "LOAD_FAILED",
      errnum: ERRNO.EINVAL,
      message: expect.stringContaining(`${join(directory, "b.ts")}:2:`) as string,
    });
  });
});

describe("code on disk", () => {
  const SOURCE = "export const n: number = 1;";

  test("is kept whole in a directory of ours alone", async () => {
    const cache = join(directory, "cache");
    const path = await file("a.ts", SOURCE);
    await transpiler.prepare(path, cache);
    expect(await readdir(cache)).toEqual([expect.stringMatching(/^[0-9a-f]{64}\.cjs$/)]);
    expect((await stat(cache)).mode & 0o777).toBe(0o700);
  });

  test("that was shipped is taken for the same source only", async () => {
    const path = await file("a.ts", SOURCE);
    await transpiler.ship(path);
    const shipped = join(directory, "shipped", "a.ts");
    await writeFile(shipped, `${SOURCE}\0exports.n = "shipped";`);
    transpiler = new Transpiler(join(directory, "shipped"));
    expect(await run(path)).toEqual({ n: "shipped" });
    await file("a.ts", `${SOURCE}\n`);
    expect(await run(path)).toMatchObject({ n: 1 });
  });

  test.each([
    ["needs a loader of modules", "await 0;"],
    ["asks for its own place", "export const url = import.meta.url;"],
  ])("is not shipped of a file that %s", async (_what, source) => {
    await expect(transpiler.ship(await file("a.ts", source))).rejects.toMatchObject({ code: "INTERNAL" });
  });
});

describe("code in the cache of the user", () => {
  const SOURCE = "export const answer: number = 42;";
  const userCache = (): string => join(directory, "user-cache/sluice/typescript");

  /** Changes the code that is kept, as no one else could: with its digest. */
  async function replaceKept(change: (code: string) => string): Promise<void> {
    const [name = ""] = await readdir(userCache());
    const files = SealedFiles.ofUser(process.env, "typescript");
    files?.write(name, Buffer.from(change(files.read(name)?.toString() ?? "")));
  }

  function answerOf(path: string, cacheDir?: string): Promise<unknown> {
    transpiler = new Transpiler(join(directory, "shipped"));
    return transpiler.prepare(path, cacheDir).then((code) => code && runPrepared(code, () => ({})));
  }

  test("outlives the instance, and the next instance shares it with its ranks", async () => {
    const path = await file("a.ts", SOURCE);
    expect(await answerOf(path)).toMatchObject({ answer: 42 });
    await replaceKept((code) => code.replace("42", "43"));
    const cacheDir = join(directory, "instance");
    expect(await answerOf(path, cacheDir)).toMatchObject({ answer: 43 });
    expect(await readdir(cacheDir)).toHaveLength(1);
    await rm(userCache(), { recursive: true });
    expect(await answerOf(path, cacheDir)).toMatchObject({ answer: 43 });
  });

  test("is not that of another source, or of another file", async () => {
    await answerOf(await file("a.ts", SOURCE));
    await replaceKept((code) => code.replace("42", "43"));
    expect(await answerOf(await file("b.ts", SOURCE))).toMatchObject({ answer: 42 });
    expect(await answerOf(await file("a.ts", `${SOURCE}\n`))).toMatchObject({ answer: 42 });
  });

  test("is made anew if it was changed without its digest, or others can reach it", async () => {
    const path = await file("a.ts", SOURCE);
    await answerOf(path);
    const [name = ""] = await readdir(userCache());
    const kept = join(userCache(), name);
    await replaceKept((code) => code.replace("42", "43"));
    await chmod(kept, 0o644);
    expect(await answerOf(path)).toMatchObject({ answer: 42 });
    await writeFile(kept, "exports.answer = 44;");
    expect(await answerOf(path)).toMatchObject({ answer: 42 });
  });

  test("is not taken for what comes with the package", async () => {
    const path = await file("a.ts", SOURCE);
    await answerOf(path);
    await replaceKept((code) => code.replace("42", "43"));
    await transpiler.ship(path);
    await rm(userCache(), { recursive: true });
    expect(await answerOf(path)).toMatchObject({ answer: 42 });
  });
});
