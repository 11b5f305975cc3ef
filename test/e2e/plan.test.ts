import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";

let sandbox: Sandbox;
let env: Record<string, string>;

beforeEach(() => {
  sandbox = new Sandbox();
  mkdirSync(join(sandbox.dir, "site/modprobe.d"), { recursive: true });
  env = { FLUX_MODPROBE_PATH_APPEND: join(sandbox.dir, "site") };
});
afterEach(() => sandbox.remove());

const shipped = fileURLToPath(new URL("../../etc/modprobe/modprobe.toml", import.meta.url));
const lineOfPriority =
  readFileSync(shipped, "utf8")
    .split("\n")
    .findIndex((line) => line === "priority = 100") + 1;
const at = (name: string): string => join(sandbox.dir, name);
const site = (text: string): void => writeFileSync(at("site/modprobe.d/site.toml"), text);
const modprobe = (...args: string[]) => sandbox.run(["modprobe", ...args], { env });

test("a plan of a million ranks is one for each class", async () => {
  const { stdout, status } = await modprobe("plan", "--size", "1000000");
  expect(status).toBe(0);
  expect(stdout.split("\n").filter((line) => /^\S/.test(line))).toEqual([
    expect.stringMatching(/^sha256:[0-9a-f]{64}, size 1000000$/),
    "ranks 0:",
    "ranks 1-999999:",
  ]);
  expect(stdout).toContain("    cron: rank 1 is not in ranks 0\n");
});

test("a lock made twice is the same to the byte, a comment does not change it, another provider does", async () => {
  site('cron.args = ["sync=x"]\n');
  await modprobe("plan", "--size", "4", "--lock", at("a.lock"));
  site('# why\ncron."args" = [\n  "sync=x",\n]\n');
  await modprobe("plan", "--size", "4", "--lock", at("b.lock"));
  expect(readFileSync(at("b.lock"), "utf8")).toBe(readFileSync(at("a.lock"), "utf8"));
  expect((await modprobe("plan", "--size", "4", "--json")).stdout).toBe(readFileSync(at("a.lock"), "utf8"));
  expect(await modprobe("plan", "--check-lock", at("a.lock"))).toMatchObject({ status: 0, stdout: "" });

  site('cron.args = ["sync=x"]\ncontent-files.priority = 900\n');
  const drift = await modprobe("plan", "--check-lock", at("a.lock"));
  expect(drift).toMatchObject({
    status: 1,
    stdout: [
      "ranks 0: content-backing: content-files instead of content-sqlite",
      "  content-sqlite: content-files was picked for content-backing by priority",
      `    priority = 900 of content-files (${at("site/modprobe.d/site.toml")}:2:26)`,
      `    priority = 100 of content-sqlite (${shipped}:${lineOfPriority}:12)`,
      "",
    ].join("\n"),
    stderr: `sluice-modprobe: the plan differs from the plan in ${at("a.lock")}\n`,
  });
  await modprobe("plan", "--size", "4", "--lock", at("c.lock"));
  expect(await modprobe("diff", at("a.lock"), at("c.lock"))).toMatchObject({
    status: 0,
    stdout: drift.stdout.replace(/\n[^]*/, "\n"),
  });
});

describe("fault-G9: beside a lock", () => {
  const file = (line: number, column: number): string =>
    `(${at("site/modprobe.d/site.toml")}:${line}:${column})`;

  test("each difference has its cause, with the place in a file", async () => {
    const old = [
      'cron.args = ["sync=x"]',
      '[[modules]]\nname = "gpu"',
      '[[tasks]]\nname = "probe"\nrequires = ["gpu"]\ncommand = ["true"]',
    ];
    site(old.join("\n"));
    await modprobe("plan", "--size", "4", "--lock", at("a.lock"));
    site(
      [
        'cron.args = ["sync=y"]',
        "content-files.priority = 900",
        'heartbeat.ranks = "0-1"',
        '[[modules]]\nname = "gpu"\ndisabled = true',
        '[[tasks]]\nname = "late"\ncommand = ["true"]',
      ].join("\n"),
    );
    const drift = await modprobe("plan", "--check-lock", at("a.lock"));
    expect(drift.status).toBe(1);
    expect(drift.stdout.split("\n")).toEqual(
      expect.arrayContaining([
        'cron.args: ["sync=y"] instead of ["sync=x"]',
        `    args = ["sync=y"] of cron ${file(1, 13)}`,
        `    disabled = true of gpu ${file(6, 12)}`,
        "  probe: no file defines the unit",
        `    ranks = "0-1" of heartbeat ${file(3, 19)}`,
        `    priority = 900 of content-files ${file(2, 26)}`,
      ]),
    );
    expect(drift.stdout).toMatch(/late is added\n {2}late: late is a root\n {4}.* of late \(.*site\.toml:8:/);

    const json = await modprobe("diff", at("a.lock"), "0", "--json");
    const found = JSON.parse(json.stdout) as { change: { kind: string }; causes: { said: unknown[] }[] }[];
    expect(found.map(({ change }) => change.kind)).toEqual(
      expect.arrayContaining(["in", "out", "key", "provider"]),
    );
    const caused = found.filter(({ change }) => change.kind !== "order");
    for (const { change, causes } of caused) expect([change, causes]).not.toEqual([change, []]);
  });

  test("the cause is found on whichever side was planned now", async () => {
    site('cron.args = ["sync=x"]\n');
    await modprobe("plan", "--rank", "0", "--size", "4", "--lock", at("a.lock"));
    site('cron.disabled = true\nheartbeat.after = ["kvs"]\n');
    const { stdout } = await modprobe("diff", "0", at("a.lock"), "--size", "4");
    expect(stdout).toContain("cron is added\n  cron: disabled by");
    expect(stdout).toContain(`    disabled = true of cron ${file(1, 17)}\n`);
  });

  test("of a plan of several classes, the cause is that of the class", async () => {
    await modprobe("plan", "--size", "4", "--lock", at("a.lock"));
    site('heartbeat.ranks = "0"\n');
    const { stdout } = await modprobe("plan", "--check-lock", at("a.lock"));
    expect(stdout).toContain("  heartbeat: rank 1 is not in ranks 0\n");
    expect(stdout).toContain(`    ranks = "0" of heartbeat ${file(1, 19)}\n`);
  });
});

test("fault-E7: a lock without an end is refused", async () => {
  expect(await modprobe("plan", "--check-lock", "/dev/zero")).toMatchObject({
    status: 1,
    stdout: "",
    stderr: "sluice-modprobe: /dev/zero: has more than 256 MiB\n",
  });
});

test("a lock that was changed by hand, and a file that is none, are refused", async () => {
  await modprobe("plan", "--lock", at("a.lock"));
  const text = readFileSync(at("a.lock"), "utf8");
  writeFileSync(at("a.lock"), text.replace('"size": 1', '"size": 2'));
  const edited = await modprobe("plan", "--check-lock", at("a.lock"));
  expect([edited.status, edited.stderr]).toEqual([
    1,
    expect.stringContaining("its hash does not match its plan"),
  ]);
  writeFileSync(at("b.lock"), "{}");
  const other = await modprobe("plan", "--check-lock", at("b.lock"));
  expect([other.status, other.stderr]).toEqual([1, expect.stringContaining("not a plan locked by")]);
});

test("two ranks and two configurations are compared in words", async () => {
  const ranks = await modprobe("diff", "0", "3", "--size", "4");
  expect(ranks.stdout.split("\n")).toContain("ranks 0 → 3: cron is removed: not for this rank, but for 0");
  expect((await modprobe("diff", "--rank", "0", "--rank", "3", "--size", "4")).stdout).toBe(ranks.stdout);
  writeFileSync(at("a.toml"), "[modules.heartbeat]\nargs = []\n");
  writeFileSync(at("b.toml"), '[modules.heartbeat]\nargs = ["interval=9"]\n');
  const configurations = await modprobe("diff", at("a.toml"), at("b.toml"));
  expect(configurations).toMatchObject({
    status: 0,
    stdout: [
      'heartbeat.args: ["interval=9"] instead of []',
      "  heartbeat: args is set",
      `    args = ["interval=9"] of heartbeat (${at("b.toml")}:2:8)`,
      "",
    ].join("\n"),
  });
  expect((await modprobe("diff", "0")).status).toBe(2);
});

test("ranks that differ are told with the place of what makes them differ", async () => {
  site('cron.ranks = "0-1"\n');
  const { stdout } = await modprobe("diff", "--rank", "1", "--rank", "3", "--size", "4");
  expect(stdout).toBe(
    [
      "ranks 1 → 3: cron is removed: not for this rank, but for 0-1",
      "  cron: rank 3 is not in ranks 0-1",
      `    ranks = "0-1" of cron (${at("site/modprobe.d/site.toml")}:1:14)`,
      "    rank 3 (flag --rank)",
      "",
    ].join("\n"),
  );
  const json = await modprobe("diff", "3", "1", "--size", "4", "--json");
  expect(JSON.parse(json.stdout)).toMatchObject([
    {
      ranks: "3 → 1",
      change: { kind: "in", unit: "cron" },
      causes: [{ unit: "cron", reason: { kind: "rank" }, said: [{ origin: { line: 1 } }, {}] }],
    },
  ]);
});

test("facts of some ranks split the classes, and the matrix shows each", async () => {
  site('[[modules]]\nname = "gpu"\nneeds-attrs = ["gpu"]\n[[tasks]]\nname = "probe"\nrequires = ["gpu"]\n');
  const fleet = ["plan", "--size", "100000", "--rank-attr", "64-127:gpu=a100"];
  const { stdout, status } = await modprobe(...fleet, "--matrix");
  expect(status).toBe(0);
  const lines = stdout.split("\n").map((line) => line.split(/ {1,}/));
  expect(lines[0]).toEqual(["ranks", "0", "1-63,128-99999", "64-127"]);
  expect(lines).toContainEqual(["gpu", "(condition)", "(condition)", "load"]);
  expect(lines).toContainEqual(["cron", "load", "(rank)", "(rank)"]);
  expect(lines).toContainEqual(["probe", "run", "run", "run"]);
  const json = JSON.parse((await modprobe(...fleet, "--matrix", "--json")).stdout) as { rows: object[] };
  expect(json).toMatchObject({ classes: ["0", "1-63,128-99999", "64-127"] });
  expect(json.rows.length).toBe(lines.length - 2);
  expect(
    (await modprobe("plan", "--rank", "70", "--size", "128", "--rank-attr", "64-127:gpu=1")).stdout,
  ).toContain("ranks 70:\n");
  for (const wrong of ["64-127", "3-1:a=b", "1:a"]) {
    expect((await modprobe("plan", "--rank-attr", wrong)).status).toBe(2);
  }
});

test("planning a million ranks takes less than twice the time of planning one", async () => {
  const secondsFor = async (size: string): Promise<number> => {
    const startedAt = performance.now();
    expect((await modprobe("plan", "--size", size)).status).toBe(0);
    return performance.now() - startedAt;
  };
  const fleet: number[] = [];
  const single: number[] = [];
  for (let round = 0; round < 5; round++) {
    single.push(await secondsFor("1"));
    fleet.push(await secondsFor("1000000"));
  }
  // The best of each: what else the machine does can only add to it.
  expect(Math.min(...fleet)).toBeLessThan(2 * Math.min(...single));
});

test("cat prints a unit with the line that set each value, and a service as its providers", async () => {
  site('cron.ranks = "0-1"\n');
  const { stdout } = await modprobe("cat", "cron");
  expect(stdout).toContain(`ranks = "0-1"  # from ${at("site/modprobe.d/site.toml")}:1\n`);
  expect((await modprobe("cat", "content-backing")).stdout.match(/^name = "[\w-]+"/gm)).toEqual([
    'name = "content-files"',
    'name = "content-nats"',
    'name = "content-sqlite"',
  ]);
  expect((await modprobe("cat", "ghost")).status).toBe(1);
});

test("graph prints the same units for Graphviz, for Mermaid and as data", async () => {
  const { stdout } = await modprobe("graph", "--format", "json");
  const { nodes } = JSON.parse(stdout) as { nodes: { name: string; leftOut?: string }[] };
  expect(nodes.find(({ name }) => name === "content-files")?.leftOut).toMatch(/^content-sqlite was picked/);
  const dot = await modprobe("graph");
  expect(dot.stdout.match(/^ {2}"[\w-]+" \[label/gm)?.length).toBe(nodes.length);
  const mermaid = await modprobe("graph", "--format", "mermaid");
  expect(mermaid.stdout.match(/^ {2}u\d+[[(]/gm)?.length).toBe(nodes.length);
  expect((await modprobe("graph", "ghost")).status).toBe(1);
  expect((await modprobe("graph", "--format", "gif")).status).toBe(2);
});

test("fault-F1: in an instance, rc1 --dry-run and --show-deps are as without one, and plan marks what is loaded", async () => {
  const commands = ["rc1 --dry-run", "rc1 --show-deps", "plan"];
  const script = (more: string) =>
    commands.map((each) => `sluice modprobe ${each}${more}; echo ----`).join("\n");
  const parts = ({ stdout }: { stdout: string }) => stdout.split("----\n").map((part) => part.trimEnd());
  const [offlineRun, offlineDeps] = parts(await sandbox.shell(script("")));
  const [run, deps, planned = ""] = parts(await sandbox.run(["start", script("")]));
  expect(run).toMatch(/^load heartbeat$/m);
  expect([run, deps]).toEqual([offlineRun, offlineDeps]);
  expect(planned).toMatch(/^ {2}load heartbeat {2}# loaded$/m);
  expect(planned.match(/^ {2}load /gm)).toHaveLength(planned.match(/# loaded$/gm)?.length ?? 0);
});
