/** `sluice exec` on an instance of one rank: what one command does, whatever the number of ranks. */
import { createHash, randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Finished, type RunningCommand, type RunOptions, Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
let broker: RunningCommand;
let uri: string;
beforeEach(async () => {
  box = new Sandbox();
  const rundir = join(box.runtimeDir, "instance");
  uri = `local://${rundir}/local-0`;
  broker = box.start(
    ["broker", "-v", `--rundir=${rundir}`, "-S", "log-stderr-level=7"].concat(
      ["rc1", "rc3"].flatMap((phase) => ["-S", `broker.${phase}_path=`]),
    ),
  );
  await broker.waitFor("state run");
});
afterEach(async () => {
  broker.kill("SIGTERM");
  await broker.finished;
  await expect.poll(() => box.survivors(), GONE).toEqual([]);
  expect(box.leftovers()).toEqual([]);
  box.remove();
});

const GONE = { timeout: 10_000 };

function start(args: readonly string[], options: RunOptions = {}): RunningCommand {
  return box.start(args, { ...options, env: { SLUICE_URI: uri, ...options.env } });
}

function exec(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return start(["exec", ...args], options).finished;
}

test("a command runs in the caller's directory with the caller's environment, and asks its own rank", async () => {
  const { stdout, stderr, status } = await exec(["sh", "-c", 'pwd; echo "$COLOUR"; sluice getattr rank'], {
    env: { COLOUR: "green" },
  });
  expect({ stdout, stderr, status }).toEqual({ stdout: `${box.dir}\ngreen\n0\n`, stderr: "", status: 0 });
});

test("-d gives another directory", async () => {
  box.write("below/file", "");
  expect((await exec(["-d", "below", "pwd"])).stdout).toBe(`${box.dir}/below\n`);
});

test("with -l every line of both outputs begins with its rank, one without an end too", async () => {
  const line = "printf 'a\\n\\nb'; printf 'c\\nd' >&2";
  const { stdout, stderr } = await exec(["-l", "sh", "-c", line]);
  expect(stdout).toBe("0: a\n0: \n0: b\n");
  expect(stderr).toBe("0: c\n0: d\n");
});

test("without -l bytes come as they are", async () => {
  expect((await exec(["printf", "no end"])).stdout).toBe("no end");
});

describe("the status", () => {
  test.each([
    [["sh", "-c", "exit 3"], 3, "sluice-exec: 0: Exit 3\n"],
    [["sh", "-c", "kill -SEGV $$"], 139, "sluice-exec: 0: Segmentation fault\n"],
    [["no-such-command"], 127, "sluice-exec: rank 0: no-such-command: command not found\n"],
    [
      ["/etc/passwd"],
      126,
      "sluice-exec: rank 0: /etc/passwd: not an executable file; try: chmod +x /etc/passwd\n",
    ],
    [
      ["-d", "/no/such", "true"],
      126,
      "sluice-exec: rank 0: cannot change directory to /no/such: No such file or directory\n",
    ],
    [["-r", "0-3", "true"], 68, "sluice-exec: ranks 1-3: not in this instance, which has rank 0 alone\n"],
    [["-x", "0", "true"], 1, "sluice-exec: --exclude leaves no rank to run the command on\n"],
  ])("of %o is %i, and why is said", async (args, status, stderr) => {
    expect(await exec(args)).toMatchObject({ status, stderr, stdout: "" });
  });

  test.each([["-r", "3-1", "true"], ["-r", "x", "true"], []])("of wrong usage is 2", async (...args) => {
    const finished = await exec(args);
    expect(finished.status).toBe(2);
    expect(finished.stderr).toContain("Usage: sluice exec");
  });

  test("without an instance is 1", async () => {
    const { status, stderr } = await exec(["true"], { env: { SLUICE_URI: "" } });
    expect(status).toBe(1);
    expect(stderr).toContain("sluice-exec: no instance: SLUICE_URI is not set");
  });
});

describe("standard input", () => {
  test("is passed on, to its end", async () => {
    expect(await exec(["-l", "cat"], { input: "one\ntwo" })).toMatchObject({
      stdout: "0: one\n0: two\n",
      status: 0,
    });
  });

  test.each(["-n", "--no-input", "--noinput"])("is empty with %s", async (flag) => {
    expect((await exec([flag, "cat"], { input: "text" })).stdout).toBe("");
  });

  test("that the command does not read does not keep it, nor us", async () => {
    const { stdout } = await box.shell("yes | sluice exec true; echo status $?", { SLUICE_URI: uri });
    expect(stdout).toBe("status 0\n");
  });
});

test("many random bytes come through unharmed in both directions", async () => {
  const bytes = randomBytes(20_000_000);
  writeFileSync(join(box.dir, "in"), bytes);
  const { stdout } = await box.shell("sluice exec cat < in > out; echo $?", { SLUICE_URI: uri });
  expect(stdout).toBe("0\n");
  const digest = (data: Buffer): string => createHash("sha256").update(data).digest("hex");
  expect(digest(readFileSync(join(box.dir, "out")))).toBe(digest(bytes));
});

test("a reader that has had enough ends the command", async () => {
  const { stdout } = await box.shell("sluice exec -n yes | head -n 2", { SLUICE_URI: uri });
  expect(stdout).toBe("y\ny\n");
});

describe("signals", () => {
  test.each([
    ["SIGINT", 130, "Interrupt"],
    ["SIGTERM", 143, "Terminated"],
    ["SIGHUP", 129, "Hangup"],
  ] as const)("%s ends the command, and the status is %i", async (signal, status, text) => {
    const command = start(["exec", "sh", "-c", "echo go; exec sleep 1000"]);
    await command.waitFor("go");
    command.kill(signal);
    expect(await command.finished).toMatchObject({ status, stderr: `sluice-exec: 0: ${text}\n` });
  });

  test("a command may take one for something else; the same one again kills it", async () => {
    const line = "trap 'echo caught' INT; echo go; while :; do sleep 0.01; done";
    const command = start(["exec", "sh", "-c", line]);
    await command.waitFor("go");
    command.kill("SIGINT");
    await command.waitFor("caught");
    command.kill("SIGINT");
    expect(await command.finished).toMatchObject({ status: 137, stdout: "go\ncaught\n" });
  });

  test("when the client is killed, the command and what it started are ended", async () => {
    const command = start(["exec", "sh", "-c", "sleep 1000 & echo go; wait"]);
    await command.waitFor("go");
    command.kill("SIGKILL");
    await command.finished;
    await expect.poll(() => box.survivors(), GONE).toEqual([String(broker.pid)]);
  });
});

test("when the broker goes down the command is ended, which is logged, and its client learns how", async () => {
  const command = start(["exec", "sh", "-c", "echo go; exec sleep 1000"]);
  await command.waitFor("go");
  broker.kill("SIGTERM");
  expect(await command.finished).toMatchObject({ status: 143 });
  expect((await broker.finished).stderr).toMatch(/exec: 'sh -c .*' \(pid \d+\) still runs at shutdown/);
});

test("when the broker is killed the command dies with what it started, and its client fails naming the rank", async () => {
  const command = start(["exec", "sh", "-c", "(sleep 1000; :) & echo go; wait"]);
  await command.waitFor("go");
  broker.kill("SIGKILL");
  const { status, stderr } = await command.finished;
  expect(status).toBe(68);
  expect(stderr).toMatch(/^sluice-exec: rank 0: /);
  await expect.poll(() => box.survivors(), GONE).toEqual([]);
  // A killed broker leaves its run directory, and the link by which it is found.
  await box.shell(`rm -r "${join(box.runtimeDir, "instance")}" "${box.runtimeDir}"/sluice-at-*`);
});

test("-v says where a command starts, and how it ends", async () => {
  const { stderr } = await exec(["-v", "true"]);
  expect(stderr).toMatch(/^sluice-exec: rank 0: started as process \d+\nsluice-exec: rank 0: Exit 0\n$/);
});

describe("with -r other commands", () => {
  async function run(...args: readonly string[]): Promise<Finished> {
    return start(args).finished;
  }

  test("print for one rank what they print without", async () => {
    await run("module", "load", "-r", "0", "heartbeat");
    const list = await run("module", "list", "-r", "all");
    expect(list.stdout).toMatch(/^Module {20}Idle {2}S Sendq Recvq Service\nheartbeat {2}.*R.*\n$/);
    expect((await run("getattr", "-r", "all", "rank")).stdout).toBe("0\n");
    expect((await run("module", "debug", "-r", "0", "heartbeat")).stdout).toBe("0x0\n");
    expect(
      (await run("module", "stats", "-r", "0", "-p", "tx.event", "-t", "int", "heartbeat")).stdout,
    ).toMatch(/^\d+\n$/);
    expect(JSON.parse((await run("module", "list", "-r", "0", "--json")).stdout)).toMatchObject([
      { rank: 0, name: "heartbeat" },
    ]);
    expect(await run("modprobe", "remove", "-r", "0", "heartbeat")).toMatchObject({ status: 0, stderr: "" });
  });

  test.each([
    ["module", "load", "heartbeat"],
    ["module", "list"],
    ["modprobe", "load", "heartbeat"],
    ["getattr", "rank"],
    ["ping", "broker"],
  ])("%s %s refuses ranks that the instance does not have", async (...words) => {
    const at = words[0] === "getattr" || words[0] === "ping" ? 1 : 2;
    const { status, stderr } = await run(...words.slice(0, at), "-r", "7", ...words.slice(at));
    expect(status).toBe(1);
    expect(stderr).toContain("rank 7: not in this instance, which has rank 0 alone");
  });

  test("name the rank that failed", async () => {
    const { status, stderr } = await run("module", "remove", "-r", "0", "nothing");
    expect(status).toBe(1);
    expect(stderr).toMatch(/^sluice-module: rank 0: .*nothing.*: No such file or directory\n$/);
  });

  test("ping takes a rank before the name, and a rank alone for its broker", async () => {
    expect((await run("ping", "-c", "1", "0!broker")).stdout).toMatch(/^0!broker\.ping seq=0 time=/);
    expect((await run("ping", "-c", "1", "0")).stdout).toMatch(/^0!broker\.ping seq=0 time=/);
    expect(JSON.parse((await run("ping", "-c", "1", "--json", "-r", "0", "broker")).stdout)).toMatchObject({
      rank: 0,
      seq: 0,
      topic: "broker.ping",
    });
    expect((await run("ping", "-r", "0", "0!broker")).status).toBe(2);
    expect((await run("rpc", "-r", "0", "broker.ping", "1")).stdout).toBe("1\n");
  });
});
