import { execFile } from "node:child_process";
import { copyFileSync, readdirSync } from "node:fs";
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
