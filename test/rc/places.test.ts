import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestSession } from "./support/session.js";

let directory: string;
let session: TestSession;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "sluice-rc-places-"));
  session = new TestSession();
});

afterAll(async () => {
  await session.close();
  rmSync(directory, { recursive: true });
});

let files = 0;

function write(suffix: string, source: string): string {
  const path = join(directory, `rc-${++files}${suffix}`);
  writeFileSync(path, source);
  return path;
}

/** The place of `marked` in a text, from 1. */
function placeOf(source: string, marked: string): { line: number; column: number } {
  const before = source.slice(0, source.indexOf(marked)).split("\n");
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

const IMPORT = 'import { task, type Context } from "sluice/rc";';

describe("the place of an error in an rc file (fault-G5)", () => {
  test.each([
    ["after a type on its line", ".ts", 'const n: number = 1; throw new Error("odd" + n);'],
    ["in a file that calls the library", ".ts", `${IMPORT} task("t", () => 0); throw new Error("odd");`],
    [
      "below types of several lines",
      ".ts",
      'interface A {\n  a: 1;\n}\n\nconst a: A = { a: 1 }; throw new Error("odd" + a.a);',
    ],
    [
      "beside what is spread over lines",
      ".ts",
      'const f = (\n  a: string,\n  b: string,\n): string => a + b; f("", ""); throw new Error("odd");',
    ],
    [
      "with an enum",
      ".mts",
      'enum Colour { red, green } const c: Colour = Colour.red; throw new Error("odd" + c);',
    ],
    ["of a file that awaits at the top", ".ts", 'const n: number = await 1; throw new Error("odd" + n);'],
    [
      "of JavaScript that imports the library",
      ".mjs",
      'import { task } from "sluice/rc"; task("t", () => 0); throw new Error("odd");',
    ],
    ["of JavaScript that imports nothing", ".mjs", 'export const a = 1; throw new Error("odd");'],
    [
      "of JavaScript without a suffix that says so",
      ".js",
      'import { task } from "sluice/rc"; throw new Error("odd");',
    ],
    ["of CommonJS", ".cjs", 'const n = 1; throw new Error("odd");'],
    ["of CommonJS that is called .js", ".js", 'const n = 1; throw new Error("odd");'],
  ])("is true %s", async (_where, suffix, source) => {
    const file = write(suffix, source);
    const result = await session.read(file);
    const place = placeOf(source, 'new Error("odd"');
    expect(result).toMatchObject({
      ok: false,
      diagnostics: [{ code: "RC_INVALID", location: { file, ...place } }],
    });
  });

  test.each([
    [".ts", "const n: number = 1;\nconst m = = 2;", { line: 2, column: 11 }],
    [".mjs", "export const n = 1;\nconst m = = 2;", { line: 2, column: 11 }],
    [".ts", "const n: number = await 1;\nconst m = = 2;", { line: 2, column: 11 }],
    [".js", 'import { task } from "sluice/rc";\nconst m = = 2;', { line: 2, column: 11 }],
    [".cjs", "const n = 1;\nconst m = = 2;", { line: 2, column: 11 }],
  ])("is true for bad syntax in %s", async (suffix, source, place) => {
    const file = write(suffix, source);
    expect(await session.read(file)).toMatchObject({
      ok: false,
      diagnostics: [{ code: "RC_INVALID", location: { file, ...place } }],
    });
  });

  test("is true in setup()", async () => {
    const source = 'export function setup(c: unknown): void { throw new Error("odd" + typeof c); }';
    const file = write(".ts", source);
    const place = placeOf(source, 'new Error("odd"');
    expect(await session.read(file)).toMatchObject({
      ok: false,
      diagnostics: [{ code: "RC_FAILED", location: { file, ...place } }],
    });
  });

  test("is true for a declaration, and a misspelt key of it has a hint", async () => {
    const sound = `${IMPORT}\nconst after: string[] = []; task("a", { after }, async (c: Context) => c.print("a"));`;
    const first = write(".ts", sound);
    expect(await session.read(first)).toMatchObject({
      ok: true,
      value: { tasks: [{ name: "a", ...placeOf(sound, 'task("a"') }] },
    });
    const source = `${IMPORT}\nconst n: number = 1; task("b", { aftr: ["kvs"] }, () => n);`;
    const file = write(".ts", source);
    expect(await session.read(file)).toMatchObject({
      ok: false,
      diagnostics: [
        {
          code: "RC_INVALID",
          message: "b: unknown task argument aftr",
          hint: "did you mean 'after'?",
          location: { file, ...placeOf(source, 'task("b"') },
        },
      ],
    });
  });

  test("is true on the stack of a task that fails, and the same when the code comes from the cache", async () => {
    const source = `${IMPORT}\nconst n: number = 1; task("fails", async (): Promise<void> => { throw new Error("odd" + n); });`;
    const file = write(".ts", source);
    const { line, column } = placeOf(source, 'new Error("odd"');
    const again = new TestSession();
    for (const each of [session, again]) {
      await each.read(file);
      const end = await each.run("fails").catch((error: unknown) => error);
      expect(end).toMatchObject({
        cause: { stack: expect.stringContaining(`${file}:${line}:${column}`) as string },
      });
    }
    await again.close();
  });

  test("is true once more for a file that jiti runs, when its code comes from the cache", async () => {
    const source = 'const n: number = await 1; throw new Error("odd" + n);';
    const file = write(".ts", source);
    const again = new TestSession();
    for (const each of [session, again]) {
      expect(await each.read(file)).toMatchObject({
        diagnostics: [{ location: { file, ...placeOf(source, 'new Error("odd"') } }],
      });
    }
    await again.close();
  });

  test("is of a file that ran once, though it failed", async () => {
    const source = 'export const a = 1;\nconsole.log("ran");\nthrow new Error("odd");';
    const file = write(".mjs", source);
    const own = new TestSession();
    await own.read(file);
    await own.close();
    expect(own.lines.filter(({ text }) => text === "ran")).toHaveLength(1);
  });
});

describe("import.meta in an rc file (fault-G12)", () => {
  const body = `
const { url, filename, dirname, resolve, env } = import.meta;
const meta = import.meta;
if (import.meta.resolve("fs") !== "node:fs") throw new Error(import.meta.resolve("fs"));
const { dirname: __dirname } = import.meta;
console.log(JSON.stringify([url, filename, dirname, resolve("./x.js"), resolve("sluice-none:x"), env ?? null, __dirname === meta.dirname,
  import.meta.url === url, Object.keys(meta).sort(), Object.getPrototypeOf(meta)]));`;

  test.each([
    ["TypeScript", ".ts", `const n: number = 1; void n;${body}`],
    ["JavaScript", ".mjs", body],
    ["JavaScript that calls the library", ".js", `import { task } from "sluice/rc"; void task;${body}`],
  ])("is an object with the fields of Node in %s", async (_what, suffix, source) => {
    const own = new TestSession();
    const file = write(suffix, source);
    expect(await own.read(file)).toMatchObject({ ok: true });
    await own.close();
    const [line] = own.lines;
    const url = pathToFileURL(file).href;
    const x = pathToFileURL(join(directory, "x.js")).href;
    const fields = ["dirname", "filename", "resolve", "url"];
    expect(JSON.parse(line?.text ?? "")).toEqual([
      url,
      file,
      directory,
      x,
      "sluice-none:x",
      null,
      true,
      true,
      fields,
      null,
    ]);
  });
});
