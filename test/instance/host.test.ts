import { execFile } from "node:child_process";
import { copyFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { Stack } from "./support/stack.js";

const FIXTURES = join(import.meta.dirname, "fixtures");

const UNITS = `
modules = [{name = "a", on-failure = "panic"}, {name = "program", exec = true}]
`;

interface State {
  readonly env: Record<string, string>;
}

/** What a whole program with embedded brokers printed, once it has ended by itself. */
async function host<T>(what: string, options: object = {}): Promise<T & { rejections: string[] }> {
  const stack = new Stack(UNITS);
  copyFileSync(join(FIXTURES, "program.mjs"), join(stack.dir, "program.mjs"));
  const start = { searchPath: [join(stack.dir, "modprobe")], env: stack.env, roots: ["a", "program"] };
  const argv = [join(FIXTURES, "host.mjs"), what, JSON.stringify({ ...start, ...options })];
  const result = await ended<T>(argv);
  expect(readdirSync(stack.runtimeDir)).toEqual([]);
  return result;
}

/** What a program printed, once it has ended by itself: one that does not is killed, and fails here. */
async function ended<T>(argv: readonly string[]): Promise<T & { rejections: string[] }> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, argv, { timeout: 50_000 });
  expect(stderr).toBe("");
  return JSON.parse(stdout) as T & { rejections: string[] };
}

describe("the host of an embedded broker", () => {
  test("trap-H2: keeps its environment, directory, umask, title and listeners", async () => {
    const { before, during, after } = await host<{ before: State; during: State; after: State }>("life");
    expect(during).toEqual(before);
    expect(after).toEqual(before);
    expect(after.env).not.toHaveProperty("SITE_COLOUR");
  });

  test("trap-H1: gets the statuses of its own children", async () => {
    const { statuses } = await host<{ statuses: number[] }>("children");
    expect(statuses).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });

  test("trap-H5: sees no unhandled rejection when everything dies under it", async () => {
    const { outcomes, rejections } = await host<{ outcomes: string[] }>("wreck");
    expect(outcomes).toEqual(["rejected", "rejected", "rejected", "rejected"]);
    expect(rejections).toEqual([]);
  });

  test("may have brokers in one thread, and in workers, that share nothing; it then ends by itself", async () => {
    const result = await host<{
      numbers: string[];
      uris: number;
      first: (number | null)[];
      second: unknown;
      third: unknown;
      fourth: unknown;
    }>("several");
    const [one, two, three, four] = result.first;
    expect(new Set(result.first).size).toBe(4);
    expect(result.first).not.toContain(null);
    expect(result).toMatchObject({
      numbers: ["0", "1", "2", "3"],
      uris: 4,
      second: [one, two, null, four],
      third: [null, two, null, four],
      fourth: [null, two, null, null],
    });
    expect(three).not.toBe(four);
  });
});

describe("a broker that unref() was asked for", () => {
  const UNITS_OF_IT = `
    modules = [
      {name = "a"}, {name = "program", exec = true},
      {name = "server", command = ["sleep", "1000"], alive = {command = "true", interval = "1s"}},
    ]
  `;

  async function letGo(how: string): Promise<{ stdout: string; stack: Stack }> {
    const stack = new Stack(UNITS_OF_IT);
    copyFileSync(join(FIXTURES, "program.mjs"), join(stack.dir, "program.mjs"));
    const options = {
      ...{ searchPath: [join(stack.dir, "modprobe")], env: stack.env, roots: ["a", "program", "server"] },
      ...{ how, later: join(stack.dir, "b.mjs") },
    };
    const argv = [join(FIXTURES, "host.mjs"), "letGo", JSON.stringify(options)];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, argv, { timeout: 50_000 });
    expect(stderr).toBe("");
    return { stdout, stack };
  }

  test("lets the process end, and leaves neither files nor processes behind", async () => {
    const { stdout, stack } = await letGo("at once");
    const { pid, rundir } = JSON.parse(stdout) as { pid: number; rundir: string };
    expect(rundir.startsWith(stack.runtimeDir)).toBe(true);
    expect(readdirSync(stack.runtimeDir)).toEqual([]);
    expect(isAlive(pid)).toBe(false);
  });

  test("keeps the process alive again after ref(), until it has closed", async () => {
    const { stdout, stack } = await letGo("back");
    expect(stdout).toContain("closed by the timer");
    expect(readdirSync(stack.runtimeDir)).toEqual([]);
  });

  test("is waited for when it shuts down", async () => {
    const { stdout, stack } = await letGo("shutdown");
    for (const unit of ["a", "program", "server", "later"]) expect(stdout).toContain(`'${unit}'`);
    expect(readdirSync(stack.runtimeDir)).toEqual([]);
  });
});

/** A zombie has ended: in a container, there may be no process 1 that takes it away. */
function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}

describe("a handle that unref() was asked for", () => {
  const orders = [
    ["unref", "subscribe", "handle", "rpc"],
    ["subscribe", "unref", "handle", "rpc"],
    ["handle", "rpc", "unref", "subscribe"],
    ["closed", "rpc", "subscribe", "unref"],
  ];
  test.each(orders.map((order) => ({ order, steps: order.join(", ") })))(
    "trap-H3: lets the process end, after $steps",
    async ({ order }) => {
      const stack = new Stack(`modules = [{name = "a"}]`);
      const { uri } = await stack.start({ roots: ["a"] });
      const argv = [join(FIXTURES, "host.mjs"), "unref", JSON.stringify({ order, uri })];
      expect(await ended(argv)).toMatchObject({ order });
    },
  );
});
