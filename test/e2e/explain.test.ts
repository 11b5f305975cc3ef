import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";

let sandbox: Sandbox;

beforeEach(() => {
  sandbox = new Sandbox();
});
afterEach(() => sandbox.remove());

function explain(...args: string[]) {
  return sandbox.run(["modprobe", "explain", ...args]);
}

test("explain tells of each name in turn, and of an unknown one with status 1", async () => {
  const { stdout, stderr, status } = await explain("kvs", "kv", "cron");
  expect(stdout.split("\n").filter((line) => /^\S/.test(line))).toEqual([
    expect.stringMatching(/^kvs: planned, to load, defined at .*modprobe\.toml:\d+:\d+$/),
    expect.stringMatching(/^cron: planned, to load/),
  ]);
  expect(stderr).toBe("sluice-modprobe: no such task or module kv; did you mean 'kvs'?\n");
  expect(status).toBe(1);
});

test("explain names the flag that gives the rank, and the rank that a plan would have the unit on", async () => {
  const { stdout, status } = await explain("--rank", "3", "--size", "16", "--json", "cron");
  const account: unknown = JSON.parse(stdout);
  expect(account).toMatchObject({
    unit: "cron",
    status: "left-out",
    causes: [{ reason: { kind: "rank", rank: 3 }, said: [{}, { origin: { label: "flag --rank" } }] }],
    advice: { isExhaustive: true },
  });
  expect(status).toBe(0);
});

test("a change that explain suggests, made in a file, brings the unit in", async () => {
  const asked = await explain("--json", "content-files");
  const account = JSON.parse(asked.stdout) as {
    advice: { remedies: { changes: { text: string }[]; thenOut: string[] }[] };
  };
  const [remedy] = account.advice.remedies;
  expect(remedy?.thenOut).toEqual(["content-sqlite"]);
  const directory = join(sandbox.dir, "site/modprobe.d");
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "site.toml"), (remedy?.changes ?? []).map(({ text }) => text).join("\n"));
  const env = { FLUX_MODPROBE_PATH_APPEND: join(sandbox.dir, "site") };
  const { stdout } = await sandbox.run(["modprobe", "explain", "content-files"], { env });
  expect(stdout).toMatch(/^content-files: planned, to load/);
});

test("fault-F11: FLUX_SCHED_MODULE=none disables the providers of sched and feasibility, and explain names it", async () => {
  const site = resolve(import.meta.dirname, "../../examples/batch/modprobe");
  const env = { FLUX_MODPROBE_PATH_APPEND: site, FLUX_SCHED_MODULE: "none" };
  const { stdout } = await sandbox.run(["modprobe", "rc1", "--dry-run"], { env });
  expect(stdout).toMatch(/^load job-manager/m);
  expect(stdout).not.toMatch(/^load sched-/m);
  const other = await sandbox.run(["modprobe", "rc1", "--dry-run"], {
    env: { ...env, FLUX_SCHED_MODULE: "simple" },
  });
  expect(other.stdout).toMatch(/^load sched-/m);
  for (const name of ["sched", "feasibility", "sched-fifo"]) {
    const explained = await sandbox.run(["modprobe", "explain", name], { env });
    expect(explained.stdout).toContain("environment FLUX_SCHED_MODULE");
  }
  const none = await sandbox.run(["modprobe", "rc1", "--dry-run"], { env: { FLUX_SCHED_MODULE: "none" } });
  expect([none.status, none.stderr]).toEqual([0, ""]);
});
