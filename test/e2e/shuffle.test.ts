import { copyFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";

let sandbox: Sandbox;
beforeEach(() => {
  sandbox = new Sandbox();
  copyFileSync(join(import.meta.dirname, "../instance/fixtures/asker.mjs"), join(sandbox.dir, "asker.mjs"));
});
afterEach(() => {
  expect(sandbox.survivors()).toEqual([]);
  sandbox.remove();
});

interface Sketch {
  readonly ranks?: string;
  readonly asks?: readonly string[];
  readonly after?: readonly string[];
}

/** A file of modules that ask others before they run. */
function stack(units: Readonly<Record<string, Sketch>>): string {
  const modules = Object.entries(units).map(([name, { asks = [], after = [], ranks = "all" }]) =>
    [
      ...["[[modules]]", `name = "${name}"`, 'module = "./asker.mjs"'],
      ...[`args = ${JSON.stringify(asks)}`, `after = ${JSON.stringify(after)}`, `ranks = "${ranks}"`],
    ].join("\n"),
  );
  return sandbox.write("stack.toml", `${modules.join("\n")}\n`);
}

const SITE = {
  table: {},
  store: {},
  index: { asks: ["store"], after: ["store"] },
  page: { asks: ["table", "index"], after: ["table", "index"] },
};

describe("sluice shuffle", () => {
  interface Verdict {
    readonly failed: object;
    readonly seeds: number;
    readonly doubts: number;
    readonly starts: number;
  }

  /** Seeds that put `probe` before `table`, and after it. */
  const [UNLUCKY, LUCKY] = [1, 2];

  test("tries what messages show to be luck first, and names the pair of units whose order matters", async () => {
    stack({ ...SITE, probe: { asks: ["table"] } });
    const shuffled = await sandbox.run(["shuffle", "-f", "stack.toml", "--json", "--seed", `${LUCKY}`]);
    const { failed, ...counts } = JSON.parse(shuffled.stdout) as Verdict;
    expect(failed).toMatchObject({
      ...{ seed: null, order: ["probe"], unit: "probe", finding: "pair" },
      pair: { first: "probe", then: "table" },
    });
    expect(shuffled.status).toBe(1);
    expect(counts).toMatchObject({ seeds: 1, doubts: 1 });
    expect(counts.starts).toBeLessThan(9);
    expect(shuffled.stderr).toContain(`sluice-shuffle: seed ${LUCKY}: ok\n`);
    expect(shuffled.stderr).toContain("sluice-shuffle: probe before table: probe: ");
    expect(readdirSync(sandbox.runtimeDir)).toEqual([]);
  });

  test("names a seed that fails", async () => {
    stack({ ...SITE, probe: { asks: ["table"] } });
    const shuffled = await sandbox.run(["shuffle", "-f", "stack.toml", "--json", "--seed", `${UNLUCKY}`]);
    const { failed, ...counts } = JSON.parse(shuffled.stdout) as Verdict;
    expect(failed).toMatchObject({ seed: UNLUCKY, order: null, pair: { first: "probe", then: "table" } });
    expect(counts).toMatchObject({ seeds: 1, doubts: 0 });
  });

  test("starts several ranks, and finds what fails on one of them", async () => {
    // Rank 0 would answer for it else.
    stack({ table: { ranks: "1" }, probe: { asks: ["table"], ranks: "1" } });
    const shuffled = await sandbox.run([
      ...["shuffle", "-f", "stack.toml", "--json", "-s", "2", "-n", "2"],
      ...["--timeout", "20s"],
    ]);
    const { failed } = JSON.parse(shuffled.stdout) as Verdict;
    expect(failed).toMatchObject({
      ...{ unit: "probe", finding: "pair" },
      pair: { first: "probe", then: "table" },
    });
  });

  test("says that the order is right when no seed fails, and that with the command that it is given", async () => {
    stack({ ...SITE, probe: { asks: ["table"], after: ["table"] } });
    const shuffled = await sandbox.run(["shuffle", "-f", "stack.toml", "-n", "3", "--seed", "7", "true"]);
    expect(shuffled).toMatchObject({
      status: 0,
      stdout: "3 seeds, none failed\n",
      stderr: [7, 8, 9].map((seed) => `sluice-shuffle: seed ${seed}: ok\n`).join(""),
    });
  });

  test("says that it is not the order when a unit fails in each", async () => {
    stack({ ...SITE, probe: { asks: ["nothing"] } });
    const shuffled = await sandbox.run(["shuffle", "-f", "stack.toml"]);
    expect(shuffled.status).toBe(1);
    expect(shuffled.stdout).toContain("the order is not the cause, because other orders fail too\n");
  });

  test("shuffles the shipped units, which pass", async () => {
    const shuffled = await sandbox.run(["shuffle", "-n", "3", "--json"]);
    expect(JSON.parse(shuffled.stdout)).toEqual({ seeds: 3, doubts: 0, starts: 3, failed: null });
  });
});

describe("--shuffle", () => {
  test("of a start is said and recorded, and gives the same order again", async () => {
    stack(SITE);
    const orders: unknown[] = [];
    for (const state of ["one", "two"]) {
      const started = await sandbox.run([
        ...["start", "-f", "stack.toml", "--shuffle=5", "-S", `statedir=${join(sandbox.dir, state)}`],
        ...["sluice", "modprobe", "analyze", "plot", "--json"],
      ]);
      expect(started.stderr).toContain("sluice-start: the units start in a random order from seed 5\n");
      const { jobs, units } = JSON.parse(started.stdout) as { jobs: number; units: { unit: string }[] };
      expect(jobs).toBe(1);
      orders.push(units.map(({ unit }) => unit));
    }
    expect(orders[0]).toHaveLength(4);
    expect(orders[1]).toEqual(orders[0]);
    const events = await sandbox.run([
      ...["start", "-f", "stack.toml", "-S", "broker.rc1_path=", "sluice", "modprobe", "rc1"],
      ...["--shuffle=5", "--json"],
    ]);
    const lines = events.stdout.trimEnd().split("\n");
    const [plan, ...rest] = lines.map((line) => JSON.parse(line) as { type: string; unit?: string });
    expect(plan).toMatchObject({ type: "plan", jobs: 1, shuffle: "5" });
    expect(rest.flatMap(({ type, unit }) => (type === "start" ? [unit] : []))).toEqual(orders[0]);
  });

  test("of an apply starts the changed modules one after the other, as the file has them", async () => {
    stack(SITE);
    sandbox.write("order", "store\nindex\ntable\npage\n");
    const script = "sluice modprobe apply --shuffle=@order && sluice module list --json";
    const applied = await sandbox.run([...["start", "-f", "stack.toml", "-S", "broker.rc1_path=", script]]);
    expect(applied.status).toBe(0);
    expect(applied.stderr).toContain(`the units start in the order of ${join(sandbox.dir, "order")}`);
    const places = ["store", "index", "table", "page"].map((name) =>
      applied.stdout.lastIndexOf(`"name":"${name}"`),
    );
    expect(places.every((place) => place > 0)).toBe(true);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
  });

  test("refuses what is neither a number nor a file, and a file that is missing", async () => {
    for (const [value, message] of [
      ["often", "must be a whole number"],
      ["@none", "No such file or directory"],
    ] as const) {
      const refused = await sandbox.run(["start", `--shuffle=${value}`, "true"]);
      expect(refused.status).toBe(2);
      expect(refused.stderr).toContain(message);
    }
  });
});
