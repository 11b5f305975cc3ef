import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";

let sandbox: Sandbox;
let env: Record<string, string>;

beforeEach(() => {
  sandbox = new Sandbox();
  mkdirSync(join(sandbox.dir, "site/modprobe.d"), { recursive: true });
  env = { FLUX_MODPROBE_PATH_APPEND: join(sandbox.dir, "site") };
});
afterEach(() => sandbox.remove());

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
    stdout: "ranks 0: content-backing: content-files instead of content-sqlite\n",
    stderr: `sluice-modprobe: the plan is not the one locked in ${at("a.lock")}\n`,
  });
  await modprobe("plan", "--size", "4", "--lock", at("c.lock"));
  expect(await modprobe("diff", at("a.lock"), at("c.lock"))).toMatchObject({
    status: 0,
    stdout: drift.stdout,
  });
});

test("a lock that was changed by hand, and a file that is none, are refused", async () => {
  await modprobe("plan", "--lock", at("a.lock"));
  const text = readFileSync(at("a.lock"), "utf8");
  writeFileSync(at("a.lock"), text.replace('"size": 1', '"size": 2'));
  const edited = await modprobe("plan", "--check-lock", at("a.lock"));
  expect([edited.status, edited.stderr]).toEqual([
    1,
    expect.stringContaining("its hash is not that of its plan"),
  ]);
  writeFileSync(at("b.lock"), "{}");
  const other = await modprobe("plan", "--check-lock", at("b.lock"));
  expect([other.status, other.stderr]).toEqual([1, expect.stringContaining("not a plan locked by")]);
});

test("two ranks and two configurations are compared in words", async () => {
  const ranks = await modprobe("diff", "0", "3", "--size", "4");
  expect(ranks.stdout.split("\n")).toContain("ranks 0 → 3: cron goes out: not for this rank, but for 0");
  expect((await modprobe("diff", "--rank", "0", "--rank", "3", "--size", "4")).stdout).toBe(ranks.stdout);
  writeFileSync(at("a.toml"), "[modules.heartbeat]\nargs = []\n");
  writeFileSync(at("b.toml"), '[modules.heartbeat]\nargs = ["interval=9"]\n');
  const configurations = await modprobe("diff", at("a.toml"), at("b.toml"));
  expect(configurations).toMatchObject({
    status: 0,
    stdout: 'heartbeat.args: ["interval=9"] instead of []\n',
  });
  expect((await modprobe("diff", "0")).status).toBe(2);
});

test("cat prints a unit with the line that set each value, and a service as its providers", async () => {
  site('cron.ranks = "0-1"\n');
  const { stdout } = await modprobe("cat", "cron");
  expect(stdout).toContain(`ranks = "0-1"  # from ${at("site/modprobe.d/site.toml")}:1\n`);
  expect((await modprobe("cat", "content-backing")).stdout.match(/^name = "[\w-]+"/gm)).toEqual([
    'name = "content-files"',
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
