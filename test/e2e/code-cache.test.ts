/** The compiled code that the launcher keeps: who may have made it, and of what (docs/security.md). */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Finished, type RunOptions, Sandbox, SLUICE } from "../helpers/sluice.js";
import { giveTo, isRoot, testUsers } from "../helpers/users.js";

const CHECKOUT = resolve(import.meta.dirname, "../..");

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  box.remove();
});

const codeDir = (): string => join(box.dir, "cache/sluice/code");
const codeFiles = (): string[] => (existsSync(codeDir()) ? readdirSync(codeDir()).sort() : []);
const modeOf = (path: string): number => statSync(path).mode & 0o777;

function run(args: readonly string[], options: Omit<RunOptions, "env"> = {}): Promise<Finished> {
  return box.run(args, { ...options, env: { XDG_CACHE_HOME: join(box.dir, "cache"), HOME: box.dir } });
}

test("fault-E6: code is made on the first use, kept in a directory of the user alone, and used again", async () => {
  expect(await run(["version"])).toMatchObject({ status: 0, stdout: "sluice 0.3.0\n", stderr: "" });
  const [name = "", ...others] = codeFiles();
  expect(others).toEqual([]);
  expect(["cache", "cache/sluice", "cache/sluice/code"].map((each) => modeOf(join(box.dir, each)))).toEqual([
    0o700, 0o700, 0o700,
  ]);
  const file = join(codeDir(), name);
  expect(modeOf(file)).toBe(0o600);
  const { ino, ctimeMs } = statSync(file);
  expect(await run(["version"])).toMatchObject({ status: 0, stdout: "sluice 0.3.0\n", stderr: "" });
  expect(statSync(file)).toMatchObject({ ino, ctimeMs });
  // Another command has functions of its own, in a file of its own; wrong usage has none.
  expect((await run(["modprobe", "rc1", "--dry-run"])).status).toBe(0);
  const [other = "", ...more] = codeFiles().filter((each) => each !== name && each.startsWith("main-"));
  expect(more).toEqual([]);
  expect(statSync(join(codeDir(), other)).size).toBeGreaterThan(100_000);
  expect(statSync(file)).toMatchObject({ ino, ctimeMs });
  expect((await run(["modprobe", "no-such"])).status).toBe(2);
  expect(codeFiles().filter((each) => each.startsWith("main-"))).toHaveLength(2);
});

test("fault-E6: of more than 64 files of code, those that were made first are removed", async () => {
  await run(["version"]);
  const [name = ""] = codeFiles();
  const others = Array.from({ length: 70 }, (_, i) =>
    join(codeDir(), `main-${String(i).padStart(16, "0")}.code`),
  );
  for (const [i, file] of others.entries()) {
    writeFileSync(file, "");
    const seconds = Date.now() / 1000 - 3600 - i;
    utimesSync(file, seconds, seconds);
  }
  expect((await run(["instances"])).status).toBe(0);
  const left = codeFiles();
  expect(left).toHaveLength(64);
  expect(left).toContain(name);
  expect(others.filter((file) => existsSync(file))).toEqual(others.slice(0, 62));
});

const OLD = new Date("2026-01-02T03:04:05Z");

/** What the code was made of. */
const keyIn = (file: string): string => /"key":"([^"]*)"/.exec(readFileSync(file, "latin1"))?.[1] ?? "";

/** A copy of the program whose command line may be changed. */
async function copyOfProgram(): Promise<{ program: string; bundle: string }> {
  for (const part of ["dist/cli", "dist/bundles", "dist/launch.cjs", "dist/code-cache.cjs", "package.json"]) {
    mkdirSync(dirname(join(box.dir, "copy", part)), { recursive: true });
    cpSync(join(CHECKOUT, part), join(box.dir, "copy", part), { recursive: true });
  }
  symlinkSync(join(CHECKOUT, "node_modules"), join(box.dir, "copy/node_modules"));
  const program = join(box.dir, "copy/dist/cli/main.cjs");
  utimesSync(join(box.dir, "copy/dist/bundles/main.cjs"), OLD, OLD);
  // What has just been changed is not kept, as it may change again within the same tick of the clock.
  while (codeFiles().length === 0) expect((await run(["--help"], { program })).status).toBe(0);
  return { program, bundle: join(box.dir, "copy/dist/bundles/main.cjs") };
}

test("fault-E6: a bundle that was edited to the same length, with its old times, runs as it is now", async () => {
  const { program, bundle } = await copyOfProgram();
  const [file = ""] = codeFiles().map((name) => join(codeDir(), name));
  const key = keyIn(file);
  const { ino, size } = statSync(bundle);
  const text = readFileSync(bundle, "latin1");
  expect(text).toContain("measure the round trip");
  writeFileSync(bundle, text.replaceAll("measure the round trip", "MEASURE THE ROUND TRIP"), "latin1");
  utimesSync(bundle, OLD, OLD);
  expect(statSync(bundle)).toMatchObject({ ino, size, mtimeMs: OLD.getTime() });
  expect((await run(["--help"], { program })).stdout).toContain("MEASURE THE ROUND TRIP");
  while (keyIn(file) === key) expect((await run(["--help"], { program })).status).toBe(0);
  expect((await run(["--help"], { program })).stdout).toContain("MEASURE THE ROUND TRIP");
  expect(codeFiles()).toHaveLength(1);
});

test("fault-E6: a kept file that was cut off, or is of another program, is made anew", async () => {
  await run(["version"]);
  const [file = ""] = codeFiles().map((name) => join(codeDir(), name));
  const whole = readFileSync(file);
  truncateSync(file, 5000);
  expect(await run(["version"])).toMatchObject({ status: 0, stdout: "sluice 0.3.0\n", stderr: "" });
  expect(statSync(file).size).toBeGreaterThan(50_000);
  writeFileSync(file, Buffer.concat([Buffer.from('{"key":"another","bytes":1}\nx')]));
  expect(await run(["version"])).toMatchObject({ status: 0, stdout: "sluice 0.3.0\n", stderr: "" });
  expect(Math.abs(statSync(file).size - whole.length)).toBeLessThan(20_000);
  writeFileSync(file, "\0".repeat(100));
  expect(await run(["version"])).toMatchObject({ status: 0, stdout: "sluice 0.3.0\n", stderr: "" });
});

test("fault-E6: no code is kept where others may write, or where there is no home", async () => {
  mkdirSync(codeDir(), { recursive: true });
  for (const [path, mode] of [
    [codeDir(), 0o755],
    [codeDir(), 0o770],
    [join(box.dir, "cache"), 0o777],
  ] as const) {
    chmodSync(codeDir(), 0o700);
    chmodSync(path, mode);
    expect(await run(["version"])).toMatchObject({ status: 0, stderr: "" });
    expect(codeFiles()).toEqual([]);
  }
  const homeless = { XDG_CACHE_HOME: "relative", HOME: "" };
  expect(await box.run(["version"], { env: homeless })).toMatchObject({ status: 0, stderr: "" });
  expect(existsSync(join(box.dir, "relative"))).toBe(false);
});

test.each(isRoot ? testUsers.filter(({ uid }) => uid !== 0) : [])(
  "fault-E6: root leaves nothing in the home of another user, and runs nothing from it, $title",
  async (other) => {
    chmodSync(box.dir, 0o755);
    mkdirSync(join(box.dir, "cache"));
    giveTo(other, join(box.dir, "cache"));
    expect(await run(["version"])).toMatchObject({ status: 0, stderr: "" });
    expect(readdirSync(join(box.dir, "cache"))).toEqual([]);
    await run(["version"], { prefix: other.prefix });
    const before = codeFiles().map((name) => statSync(join(codeDir(), name)).ino);
    expect(await run(["version"])).toMatchObject({ status: 0, stderr: "" });
    expect(codeFiles().map((name) => statSync(join(codeDir(), name)).ino)).toEqual(before);
  },
);

test("fault-E6: threads of modules and hosts of rc files keep theirs", async () => {
  box.write("modprobe/rc1.ts", "export const n: number = 1;\n");
  const env = { XDG_CACHE_HOME: join(box.dir, "cache"), SLUICE_LIBEXECDIR: box.dir };
  expect(await box.run(["start", "sluice module load heartbeat"], { env })).toMatchObject({ status: 0 });
  expect([...new Set(codeFiles().map((name) => name.replace(/-[0-9a-f]{16}[.]code$/, "")))]).toEqual([
    "hosts",
    "main",
    "thread",
  ]);
  // A thread and a host use other functions of one bundle.
  expect(codeFiles().filter((name) => name.startsWith("thread")).length).toBeGreaterThanOrEqual(2);
});

test("fault-E6: without a working directory, commands that need none run, and an instance says what is missing", async () => {
  const gone = `mkdir gone && cd gone && rmdir ../gone && "${process.execPath}" "${SLUICE}"`;
  expect(await box.shell(`${gone} version`)).toMatchObject({
    status: 0,
    stdout: "sluice 0.3.0\n",
    stderr: "",
  });
  for (const command of ["start", "broker"]) {
    expect(await box.shell(`${gone} ${command}`)).toMatchObject({
      status: 1,
      stderr: `sluice-${command}: the working directory has been removed; change to another directory, such as with 'cd /', and start there\n`,
    });
  }
});

/** A program that loads modules, each in a thread of its own, one after the other. */
const HOST = `
import { writeFileSync } from "node:fs";
const { Broker } = await import(process.env.LIBRARY);
writeFileSync("plain.mjs", "export const modMain = (handle) => handle.run();");
const broker = await Broker.start({ socket: false });
const handle = await broker.connect();
for (const name of ["one", "two", "three"]) await handle.rpc("module.load", { path: process.cwd() + "/plain.mjs", name, thread: "own" });
await broker.close();
`;

test("the first thread of a process keeps its code for the next, though it is ended before it can", async () => {
  writeFileSync(join(box.dir, "host.mjs"), HOST);
  const runHost = async (): Promise<string[]> => {
    const { status, stderr } = await box.run([], {
      program: join(box.dir, "host.mjs"),
      env: {
        ...{ XDG_CACHE_HOME: join(box.dir, "cache"), HOME: box.dir },
        LIBRARY: join(CHECKOUT, "dist/index.js"),
      },
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    return codeFiles();
  };
  const [name = "", ...others] = await runHost();
  expect(name).toMatch(/^thread-/);
  expect(others).toEqual([]);
  const file = join(codeDir(), name);
  expect(modeOf(file)).toBe(0o600);
  const { ino, ctimeMs, size } = statSync(file);
  expect(await runHost()).toEqual([name]);
  expect(statSync(file)).toMatchObject({ ino, ctimeMs });
  truncateSync(file, 5000);
  expect(await runHost()).toEqual([name]);
  expect(statSync(file).size).toBeGreaterThan(size / 2);
});
