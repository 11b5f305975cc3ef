/** `examples/stack`: PostgreSQL, Redis, an HTTP service with two workers, and a dump, all of it run for real. */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Finished, Sandbox } from "../helpers/sluice.js";
import { freePort } from "../helpers/ports.js";

/** Whom PostgreSQL runs as where the tests are root's, which it refuses to run as. */
const USER = "sluice-stack-test";
const EXAMPLE = new URL("../../examples/stack", import.meta.url).pathname;
const isRoot = process.getuid?.() === 0;
const prefix = isRoot ? ["setpriv", `--reuid=${USER}`, `--regid=${USER}`, "--init-groups", "--"] : [];

const SOON = { timeout: 60_000, interval: 50 };

let box: Sandbox;
let dir: string;
let port: number;

beforeAll(async () => {
  box = new Sandbox();
  dir = join(box.dir, "stack");
  port = await freePort();
  cpSync(EXAMPLE, dir, { recursive: true, filter: (path) => !path.startsWith(join(EXAMPLE, "data")) });
  // Each second instead of each night, and on a port that is free.
  edit("'30 2 * * *'", "'* * * * * *'");
  edit("3000", String(port));
  mkdirSync(join(box.dir, "run"), { mode: 0o700 });
  if (!isRoot) return;
  chmodSync(box.dir, 0o711);
  if (spawnSync("id", [USER]).status !== 0) execFileSync("useradd", ["--system", "--user-group", USER]);
  execFileSync("chown", ["-R", `${USER}:${USER}`, dir, join(box.dir, "run")]);
});
afterAll(() => {
  box.remove();
  if (isRoot) execFileSync("userdel", [USER]);
});

function edit(before: string, after: string): void {
  const file = join(dir, "stack.toml");
  const text = readFileSync(file, "utf8");
  expect(text).toContain(before);
  writeFileSync(file, text.replaceAll(before, after));
}

/** Runs `sluice` as that user, in the directory of the stack. */
function sluice(...args: readonly string[]): Promise<Finished> {
  const env = { XDG_RUNTIME_DIR: join(box.dir, "run"), HOME: dir };
  return box.run(args, { prefix, cwd: dir, env });
}

async function printed(...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await sluice(...args);
  expect([args, status, stderr]).toEqual([args, 0, ""]);
  return stdout;
}

/** A dump of each second may run at that moment. */
async function stop(): Promise<void> {
  const { status, stdout, stderr } = await sluice("stop");
  expect([status, stdout]).toEqual([0, ""]);
  expect(stderr).toMatch(/^(?:cron\.err: dump: died by signal 15\n)?$/);
}

interface Done {
  readonly job: string;
  readonly worker: string;
}

/** What the service answers; undefined while nothing does. */
async function ask(path: string, job?: string): Promise<unknown> {
  const request = job === undefined ? {} : { method: "POST", body: job };
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, request).catch(() => undefined);
  return answer?.ok === true ? answer.json() : undefined;
}

async function jobsDone(): Promise<string[]> {
  const done = (await ask("/jobs")) as readonly Done[] | undefined;
  return (done ?? []).map(({ job }) => job).sort();
}

const NAMES = ["db", "queue", "api", "worker-1", "worker-2"] as const;

/** Main process of each program, once all are ready. */
async function pidsWhenReady(): Promise<Record<string, number>> {
  let pids: Record<string, number> = {};
  await expect
    .poll(async () => {
      const told = await Promise.all(NAMES.map((name) => sluice("rpc", `${name}.status`)));
      if (told.some(({ status }) => status !== 0)) return ["no answer"];
      const read = told.map(
        ({ stdout }) => JSON.parse(stdout) as { readonly pid: number; readonly stage: string },
      );
      pids = Object.fromEntries(NAMES.map((name, at) => [name, read[at]?.pid ?? 0]));
      return read.filter(({ stage }) => stage !== "ready").map(({ stage }) => stage);
    }, SOON)
    .toEqual([]);
  return pids;
}

function changed(before: Record<string, number>, after: Record<string, number>): string[] {
  return NAMES.filter((name) => before[name] !== after[name]);
}

test("the stack starts, does its jobs, outlives a crash, takes a changed line, and ends with nothing left", async () => {
  const started = await sluice("start", "-f", "stack.toml", "--detach");
  expect([started.status, started.stdout.startsWith("SLUICE_URI=")]).toEqual([0, true]);
  expect(await ask("/healthz")).toEqual({ title: "a small stack", queue: "PONG" });

  const jobs = Array.from({ length: 12 }, (_, at) => `job ${String(at).padStart(2, "0")}`);
  for (const job of jobs) await ask("/jobs", job);
  await expect.poll(jobsDone, SOON).toEqual(jobs);

  const before = await pidsWhenReady();
  process.kill(before["db"] ?? 0, "SIGKILL");
  await expect
    .poll(async () => changed(before, await pidsWhenReady()), SOON)
    .toEqual([...["db", "api", "worker-1", "worker-2"]]);
  await expect
    .poll(() => ask("/jobs", "after the crash"), SOON)
    .toEqual({ waiting: expect.any(Number) as number });
  await expect.poll(jobsDone, SOON).toEqual(["after the crash", ...jobs]);

  const running = await pidsWhenReady();
  edit('TITLE = "a small stack"', 'TITLE = "another title"');
  const applied = await printed("modprobe", "apply");
  expect(applied).toMatch(/^~ reload +api +environment: .*another title.*\n5 modules stay as they are\n$/);
  expect(await ask("/healthz")).toEqual({ title: "another title", queue: "PONG" });
  expect(changed(running, await pidsWhenReady())).toEqual(["api"]);

  expect(await printed("modprobe", "explain", "--file=stack.toml", "api")).toContain("api");
  const chain = await printed("modprobe", "analyze", "critical-chain", "--uri=stack.toml");
  expect(chain).toMatch(/initdb|schema/);
  expect(await printed("logs", "-n", "1000", "db")).toContain("database system is ready");

  const dump = join(dir, "data/dump.sql");
  await expect.poll(() => existsSync(dump) && readFileSync(dump, "utf8"), SOON).toContain("COPY public.done");
  await stop();
  expect(box.survivors()).toEqual([]);
  expect(existsSync(join(dir, "data/db/postmaster.pid"))).toBe(false);
});

test("the stack starts again with what its database had", async () => {
  expect((await sluice("start", "-f", "stack.toml", "--detach")).status).toBe(0);
  expect(await jobsDone()).toContain("after the crash");
  await stop();
  expect(box.survivors()).toEqual([]);
});
