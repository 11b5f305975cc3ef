import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { fixture, TestSession } from "./support/session.js";

let session: TestSession;

beforeAll(() => {
  session = new TestSession();
});

afterAll(() => session.close());

describe("reading an rc file", () => {
  test("reports its tasks in order, with the keys of unit files and where they were declared", async () => {
    const result = await session.read(fixture("declarations.ts"));
    expect(result).toMatchObject({ ok: true });
    if (!result.ok) return;
    expect(result.value.tasks).toEqual([
      {
        name: "warm-cache",
        keys: { after: ["kvs"], "needs-attrs": ["content.dump"], ranks: "0", timeout: "30s" },
        line: 10,
        column: expect.any(Number) as number,
      },
      {
        name: "flush",
        keys: { before: ["*"], priority: 7 },
        line: 12,
        column: expect.any(Number) as number,
      },
      { name: "bare", keys: {}, line: 20, column: expect.any(Number) as number },
    ]);
  });

  test("runs its setup right away and reports what that did, in order", async () => {
    const result = await session.read(fixture("declarations.ts"));
    expect(result).toMatchObject({
      ok: true,
      value: {
        effects: [
          { kind: "load", names: ["kvs", "sched"] },
          { kind: "alternative", service: "sched", unit: "sched-simple" },
          { kind: "setopt", module: "sched", options: ["queue=fcfs", "verbose"], overwrite: false },
          { kind: "remove", names: null },
          { kind: "enable", name: "cron" },
          { kind: "setopt", module: "cron", options: ["interval=5"], overwrite: true },
        ],
      },
    });
  });

  test("takes plain JavaScript, which shares the library with TypeScript", async () => {
    const first = await session.read(fixture("plain.mjs"));
    const second = await session.read(fixture("declarations.ts"));
    expect(first).toMatchObject({ ok: true, value: { tasks: [{ name: "from-mjs", line: 5 }], effects: [] } });
    expect(second).toMatchObject({ ok: true });
    expect(session.hasTask("from-mjs")).toBe(true);
    expect(session.hasTask("bare")).toBe(true);
    expect(session.hasTask("constructor")).toBe(false);
  });

  test.each([
    ["unknown-key.ts", "RC_INVALID", 4, "spell: unknown task argument afterwards"],
    ["no-name.mjs", "RC_INVALID", 3, "task missing required name argument"],
    ["no-function.mjs", "RC_INVALID", 3, "idle: task missing its function"],
    ["syntax.mjs", "RC_INVALID", 2, "Unexpected token"],
    ["throws.mjs", "RC_INVALID", 4, "at module level"],
    ["setup-throws.mjs", "RC_FAILED", 2, "loadModules: expected an array of names"],
  ])("says what is wrong with %s, and where", async (file, code, line, message) => {
    const result = await session.read(fixture(`broken/${file}`));
    expect(result).toMatchObject({
      ok: false,
      diagnostics: [{ code, severity: "error", location: { file: fixture(`broken/${file}`), line } }],
    });
    expect(result).toMatchObject({ diagnostics: [{ message }] });
  });

  test("says where a syntax error in TypeScript is, and nothing else before it", async () => {
    const dir = mkdtempSync(join(tmpdir(), "sluice-rc-reading-"));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    const file = join(dir, "syntax.ts");
    writeFileSync(file, "export const fine: number = 1;\nexport const x: = 2;\n");
    expect(await session.read(file)).toMatchObject({
      ok: false,
      diagnostics: [
        { code: "RC_INVALID", location: { file, line: 2 }, message: expect.stringMatching(/^\w/) as string },
      ],
    });
  });

  test("says what is wrong where there is no place to name", async () => {
    const noFunction = await session.read(fixture("broken/setup-no-function.mjs"));
    expect(noFunction).toMatchObject({
      ok: false,
      diagnostics: [{ code: "RC_FAILED", location: undefined }],
    });
    const missing = await session.read(fixture("missing.ts"));
    expect(missing).toMatchObject({ ok: false, diagnostics: [{ code: "RC_INVALID" }] });
    const foreign = await session.read(fixture("script.rb"));
    expect(foreign).toMatchObject({ ok: false, diagnostics: [{ code: "RC_INVALID" }] });
  });

  test("goes on with the next after one that failed, without its tasks", async () => {
    await session.read(fixture("broken/throws.mjs"));
    const next = await session.read(fixture("work.ts"));
    expect(next.ok && next.value.tasks[0]?.name).toBe("waits");
    expect(session.hasTask("lost")).toBe(false);
  });

  test("fails when the host cannot be started", async () => {
    const program = { name: "odd", suffixes: [".ts"], command: ["/nowhere/to/be/found"] } as const;
    const broken = new TestSession({ programs: [program] });
    expect(await broken.read(fixture("plain.ts"))).toMatchObject({
      ok: false,
      diagnostics: [{ code: "RC_FAILED" }],
    });
    await broken.close();
  });

  test("fails when the host speaks another language", async () => {
    const command = [
      process.execPath,
      "-e",
      'require("fs").writeSync(3, "hello\\n"); setInterval(() => {}, 1000)',
    ];
    const [file = "", ...args] = command;
    const broken = new TestSession({
      programs: [{ name: "odd", suffixes: [".ts"], command: [file, ...args] }],
    });
    expect(await broken.read(fixture("plain.ts"))).toMatchObject({
      ok: false,
      diagnostics: [{ code: "RC_FAILED" }],
    });
    await broken.close();
  });
});
