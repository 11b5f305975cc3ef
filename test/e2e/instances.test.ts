import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { liveInstance } from "../helpers/live-instance.js";
import { type RunningCommand, Sandbox } from "../helpers/sluice.js";
import { giveTo, testUsers } from "../helpers/users.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  box.remove();
});

interface Listed {
  readonly id: string;
  readonly name: string;
  readonly pid: number;
  readonly uri: string;
  readonly rundir: string;
}

async function listed(): Promise<Listed[]> {
  const { stdout } = await box.run(["instances", "--json"]);
  return JSON.parse(stdout) as Listed[];
}

const BARE = ["-S", "broker.rc1_path=", "-S", "broker.rc3_path="];
const DEBUG = ["-S", "log-stderr-level=debug"];

/** A broker without a supervisor, in a directory that the user has chosen. */
async function loneBroker(rundir: string): Promise<RunningCommand> {
  const broker = box.start(["broker", `--rundir=${rundir}`, ...BARE, ...DEBUG, "-S", "instance-id=lone"]);
  await broker.waitFor("state run");
  return broker;
}

describe("fault-G15: in another shell", () => {
  test("the only instance of the user is found by itself, and by its pid, its id and its directory", async () => {
    const instance = await liveInstance(box);
    const [one, ...others] = await listed();
    expect(others).toEqual([]);
    expect(one?.uri).toBe(instance.uri);
    const ask = async (...args: readonly string[]): Promise<string> =>
      (await box.run(["getattr", ...args, "local-uri"])).stdout;
    const brokerPid = String(box.processNamed("broker"));
    const names = [String(one?.pid), brokerPid, one?.id ?? "", one?.rundir ?? "", instance.uri];
    expect(await ask()).toBe(`${instance.uri}\n`);
    for (const name of names) expect([name, await ask("--uri", name)]).toEqual([name, `${instance.uri}\n`]);
    await instance.stop();
    expect(await listed()).toEqual([]);
    expect(box.leftovers()).toEqual([]);
  });

  test("the only instance of the user is also that of analyze, of completion and of the page", async () => {
    const file = box.write("stack.toml", '[[modules]]\nname = "db"\ncommand = "exec sleep 1000"\n');
    expect((await box.run(["start", "-f", file, "--detach"])).status).toBe(0);
    const page = box.start(["web", "--listen", `unix:${join(box.dir, "web.sock")}`]);
    await page.waitFor("unix:");
    const analyzed = await box.run(["modprobe", "analyze"]);
    const completed = await box.run(["complete", "--", "module", "remove", ""]);
    await box.run(["stop"]);
    expect([analyzed.status, analyzed.stderr]).toEqual([0, ""]);
    expect(completed.stdout).toContain("db");
    expect(await page.finished).toMatchObject({ status: 1, stderr: "sluice-web: the instance has ended\n" });
  });

  test("ping ends at the first Ctrl-C, also while an answer is missing", async () => {
    const instance = await liveInstance(box, { size: 2 });
    const pid = Number((await instance.run("getattr", "-r", "1", "broker.pid")).stdout);
    const ping = instance.start("ping", "-i", "0.001", "1!broker");
    await ping.waitFor("seq=1 ");
    process.kill(pid, "SIGSTOP");
    ping.kill("SIGINT");
    const { status, stderr } = await ping.finished;
    process.kill(pid, "SIGCONT");
    expect(status).toBe(130);
    expect(stderr).toMatch(/^\d+ answered, min\/mean\/max .* ms\n$/);
    await instance.stop();
  });

  test("a name that nothing has, and an empty SLUICE_URI, are refused with status 1", async () => {
    const instance = await liveInstance(box);
    const missing = await box.run(["module", "list", "--uri", "nothing"]);
    expect([missing.status, missing.stderr]).toEqual([
      1,
      "sluice-module: no instance 'nothing' runs; 'sluice instances' lists the running instances\n",
    ]);
    const none = await box.run(["module", "list"], { env: { SLUICE_URI: "" } });
    expect([none.status, none.stderr]).toEqual([
      1,
      "sluice-module: no instance: SLUICE_URI is not set; run the command under 'sluice start', or give --uri\n",
    ]);
    await instance.stop();
  });

  test("of two none is taken, and the message names both; a pid tells them apart", async () => {
    const [one, two] = await Promise.all([liveInstance(box), liveInstance(box)]);
    const { status, stderr } = await box.run(["module", "list"]);
    expect(status).toBe(1);
    const both = await listed();
    const names = both.map(({ name, pid }) => `${name} (pid ${pid})`).join(", ");
    expect(stderr).toBe(
      `sluice-module: no instance is named: SLUICE_URI is not set, and 2 instances run: ${names}; give --uri\n`,
    );
    for (const { pid, uri } of both) {
      expect((await box.run(["getattr", "--uri", String(pid), "local-uri"])).stdout).toBe(`${uri}\n`);
    }
    await Promise.all([one.stop(), two.stop()]);
  });

  test("a broker by itself is found in its own directory, and by a killed one nothing is hidden", async () => {
    const rundir = join(box.dir, "elsewhere");
    mkdirSync(rundir, { mode: 0o700 });
    const killed = await loneBroker(rundir);
    killed.kill("SIGKILL");
    await killed.finished;
    expect(await listed()).toEqual([]);
    const broker = await loneBroker(rundir);
    expect((await listed()).map(({ name, pid }) => [name, pid])).toEqual([["lone", broker.pid]]);
    const relative = await box.run(["getattr", "--uri", "elsewhere", "rank"], { cwd: box.dir });
    expect(relative.stdout).toBe("0\n");
    const here = await box.run(["getattr", "--uri", ".", "rank"], { cwd: rundir });
    expect(here.stdout).toBe("0\n");
    broker.kill("SIGTERM");
    await broker.finished;
    expect(await listed()).toEqual([]);
  });

  test("what a killed broker left for its directory goes at the next start, when that directory is gone", async () => {
    const links = (): string[] => readdirSync(box.runtimeDir).filter((name) => name.startsWith("sluice-at-"));
    const [gone, rundir] = ["gone", "elsewhere"].map((name) => join(box.dir, name)) as [string, string];
    for (const directory of [gone, rundir]) mkdirSync(directory, { mode: 0o700 });
    const killed = await loneBroker(gone);
    killed.kill("SIGKILL");
    await killed.finished;
    const [left] = links();
    expect(left).toBeDefined();
    rmSync(gone, { recursive: true });
    const broker = await loneBroker(rundir);
    expect(links()).toHaveLength(1);
    expect(links()).not.toContain(left);
    broker.kill("SIGTERM");
    await broker.finished;
    expect(links()).toEqual([]);
  });

  test("is loaded into by modprobe load, while what only plans is planned without it", async () => {
    const instance = await liveInstance(box);
    expect((await box.run(["modprobe", "load", "-q", "heartbeat"])).status).toBe(0);
    expect((await instance.run("module", "list")).stdout).toMatch(/^heartbeat /m);
    const planned = await box.run(["modprobe", "load", "--dry-run", "heartbeat"]);
    expect(planned.stdout).toBe("load heartbeat\n");
    await instance.stop();
  });

  test("the table has a line for each instance, with its pid and URI", async () => {
    const instance = await liveInstance(box);
    const [one] = await listed();
    const lines = (await box.run(["instances"])).stdout.trimEnd().split("\n");
    expect(lines).toHaveLength(2);
    expect(lines[0]?.split(/\s+/)).toEqual(["Name", "Pid", "Size", "Since", "File", "Uri"]);
    const [name, pid, size, since, file, uri] = lines[1]?.split(/\s+/) ?? [];
    expect([name, pid, size, file, uri]).toEqual([one?.name, String(one?.pid), "1", "-", instance.uri]);
    expect(since).toMatch(/^\d{4}-.*Z$/);
    await instance.stop();
  });
});

describe("fault-G15: what others put where run directories are", () => {
  const ENTRY = { id: "x", name: "trap", uri: "local:///nowhere", size: 1, rank: 0, startTime: 1, files: [] };

  test("is left out if it is open to others, damaged, of a process that has gone, or no directory", async () => {
    const { pid } = spawnSync("true");
    const put = (name: string, text: string, mode = 0o700): void => {
      const rundir = join(box.runtimeDir, name);
      mkdirSync(rundir);
      writeFileSync(join(rundir, "instance.json"), text.replace("RUNDIR", rundir));
      chmodSync(rundir, mode);
    };
    const running = JSON.stringify({ ...ENTRY, pid: process.pid, rundir: "RUNDIR" });
    put("sluice-sound", running);
    put("sluice-open", running, 0o777);
    put("sluice-gone", JSON.stringify({ ...ENTRY, pid, rundir: "RUNDIR" }));
    put("sluice-half", running.slice(0, 20));
    put("sluice-other", JSON.stringify({ pid: "no" }));
    writeFileSync(join(box.runtimeDir, "sluice-file"), running);
    symlinkSync(box.runtimeDir, join(box.runtimeDir, "sluice-link"));
    expect((await listed()).map(({ rundir }) => rundir)).toEqual([join(box.runtimeDir, "sluice-sound")]);
  });

  // Only root can give a directory away.
  const others = testUsers.filter(({ uid }) => uid !== process.getuid?.());
  test.each(others)("is left out if another user owns it", async (other) => {
    const rundir = join(box.runtimeDir, "sluice-theirs");
    mkdirSync(rundir, { mode: 0o700 });
    writeFileSync(join(rundir, "instance.json"), JSON.stringify({ ...ENTRY, pid: process.pid, rundir }));
    giveTo(other, rundir);
    expect(await listed()).toEqual([]);
  });
});
