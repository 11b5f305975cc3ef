/** User, limits, output, ends and memory of ordinary programs (docs/design/programs.md §1). */
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { ERRNO } from "../../../src/errors/index.js";
import { isAlive, startStage } from "./support.js";

afterEach(() => {
  delete process.env["SLUICE_NO_HELPER"];
});

/** A user that every Debian has, and that is not root. */
const USER = "games";
const [, , UID = "", GID = "", , HOME = "", SHELL = ""] = execFileSync("getent", ["passwd", USER], {
  encoding: "utf8",
})
  .trim()
  .split(":");

describe("the user of a program", () => {
  test("trap-C6 has its own groups, HOME, USER, LOGNAME and SHELL, and the unit's environment wins", async () => {
    const { load, dir, logged } = await startStage();
    chmodSync(dir, 0o777);
    const say = 'echo "$(id -u) $(id -g) $(id -G)|$HOME|$USER|$LOGNAME|$SHELL" > who';
    await load({ command: say, user: USER, environment: { SHELL: "/bin/mine" } });
    await logged("p exited");
    const groups = execFileSync("id", ["-G", USER], { encoding: "utf8" }).trim();
    expect(readFileSync(join(dir, "who"), "utf8")).toBe(
      `${UID} ${GID} ${groups}|${HOME}|${USER}|${USER}|/bin/mine\n`,
    );
    expect(statSync(join(dir, "who")).uid).toBe(Number(UID));
    expect(SHELL).not.toBe("/bin/mine");
  });

  test("may open its output as a file, and be known by number", async () => {
    const { load, dir } = await startStage();
    chownSync(dir, Number(UID), Number(GID));
    await load({
      command: "echo listening > /dev/stdout; exec sleep 1000",
      user: UID,
      ready: { log: "^listening$" },
    });
  });

  test("is also that of the commands of its probes and of its stop", async () => {
    const { load, remove, dir } = await startStage();
    chmodSync(dir, 0o777);
    await load({
      command: ["sleep", "1000"],
      user: USER,
      ready: { command: "id -u > ready" },
      stop: { command: "id -u > stop; kill $MAINPID" },
    });
    await remove();
    const read = (name: string) => readFileSync(join(dir, name), "utf8").trim();
    expect([read("ready"), read("stop")]).toEqual([UID, UID]);
  });

  test("that does not exist fails the load", async () => {
    const { load } = await startStage();
    await expect(load({ command: "true", user: "no-such-user" })).rejects.toMatchObject({
      errnum: ERRNO.ENOENT,
      message: "p: no such user 'no-such-user'",
    });
    await expect(load({ command: "true", group: "no-such-group" })).rejects.toMatchObject({
      message: "p: no such group 'no-such-group'",
    });
  });
});

test("a directory that is missing, or is none, fails the load by its name", async () => {
  const { load, dir, write } = await startStage();
  const file = write("file", "");
  await expect(load({ command: "true", directory: join(dir, "none") })).rejects.toMatchObject({
    errnum: ERRNO.ENOENT,
    message: `p: directory ${join(dir, "none")}: No such file or directory`,
  });
  await expect(load({ command: "true", directory: file })).rejects.toMatchObject({
    errnum: ERRNO.ENOTDIR,
    message: `p: directory ${file}: Not a directory`,
  });
});

test("limits are those of the unit, and others stay as they were", async () => {
  const { load, dir, logged } = await startStage();
  const say = "{ ulimit -Sn; ulimit -Hn; ulimit -Sc; ulimit -Ss; } > limits";
  await load({ command: say, limits: { nofile: "64:128", core: "0:0", stack: "4194304:infinity" } });
  await logged("p exited");
  expect(readFileSync(join(dir, "limits"), "utf8")).toBe("64\n128\n0\n4096\n");
});

test("without the helper what needs it is refused by name", async () => {
  process.env["SLUICE_NO_HELPER"] = "1";
  const { load } = await startStage();
  await expect(
    load({ command: "true", user: USER, limits: { core: "0:0" }, ready: { notify: true } }),
  ).rejects.toMatchObject({
    errnum: ERRNO.ENOSYS,
    message: expect.stringMatching(/^p: no helper sluice-init for user, limits, ready.notify,/) as string,
  });
  await expect(load({ command: "true", watchdogMs: 1000 })).rejects.toMatchObject({
    message: expect.stringMatching(/^p: no helper sluice-init for watchdog,/) as string,
  });
});

describe("the output of a program", () => {
  test("is appended to a file, if that is said", async () => {
    const { load, dir, logged, write } = await startStage();
    write("out.txt", "before\n");
    await load({ command: "echo one; echo two >&2", output: "out.txt" });
    await logged("p exited");
    expect(readFileSync(join(dir, "out.txt"), "utf8")).toBe("before\none\ntwo\n");
  });

  test("is discarded, if that is said", async () => {
    const { load, dir, logged, handle } = await startStage();
    await load({ command: "readlink /proc/self/fd/1 /proc/self/fd/2 > where; echo lost", output: "discard" });
    await logged("p exited");
    expect(existsSync(join(dir, "where"))).toBe(true);
    expect(await handle.rpc("log.programs")).toEqual({
      programs: [{ unit: "p", written: 0, kept: 0, dropped: 0 }],
    });
  });

  test("that cannot be opened fails the load", async () => {
    const { load } = await startStage();
    await expect(load({ command: "true", output: "none/out.txt" })).rejects.toMatchObject({
      errnum: ERRNO.ENOENT,
      message: expect.stringContaining("none/out.txt: No such file") as string,
    });
  });
});

test.each([
  ["a status", "exit 7", [7]],
  ["a signal", "kill -TERM $$", ["SIGTERM"]],
])("%s that counts as success is no failure", async (_what, line, success) => {
  const { load, logged, log } = await startStage();
  await load({ command: ["sh", "-c", line], success });
  await logged("p exited");
  expect(log.filter(({ text }) => text.includes("failure"))).toEqual([]);
});

test("on-exit = shutdown asks for the end of the instance when it exits with status 0, and only then", async () => {
  const { load, broker, logged } = await startStage();
  const asked = new Promise((resolve) => broker.onShutdown(resolve));
  await load({ name: "bad", command: "exit 1", onExit: "shutdown" });
  await logged("bad module runtime failure: exit status 1");
  await load({ command: "true", onExit: "shutdown" });
  expect(await asked).toEqual({ kind: "request" });
});

test("a program over its memory limit is killed, with all that it has started", async () => {
  const { load, logged, processes } = await startStage();
  const eat = `python3 -c "x = b'x' * (64 * 1024 * 1024); import signal; signal.pause()"`;
  await load({ command: `${eat} & wait`, memoryLimitBytes: 32 * 1024 * 1024 });
  const before = await processes();
  await logged("p module runtime failure: over its memory limit of 32 MiB");
  expect(before.filter(isAlive)).toEqual([]);
});
