/** Start, readiness by `started`, stop and end of ordinary programs, with the helper and without (docs/design/programs.md §1). */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ERRNO } from "../../../src/errors/index.js";
import { fields } from "../../../src/messages/index.js";
import { isAlive, startStage } from "./support.js";

/** A program that tells when it has set itself up, and obeys SIGTERM only as its first argument says. */
const TRAPS = `trap 'echo term >> stopped' TERM; trap 'echo int >> stopped; exit 0' INT; echo up
while :; do sleep 0.02; done`;

const UP = { ready: { log: "^up$" } };

describe.each([
  ["with the helper", ""],
  ["without the helper", "1"],
])("an ordinary program, %s,", (_name, noHelper) => {
  beforeEach(() => {
    process.env["SLUICE_NO_HELPER"] = noHelper;
  });
  afterEach(() => {
    delete process.env["SLUICE_NO_HELPER"];
  });

  test("is a module: it is loaded, listed, answers, and is gone when it was removed", async () => {
    const { load, handle, pid, remove } = await startStage();
    await load({ command: ["sleep", "1000"] });
    const { modules } = fields(await handle.rpc("module.list"), { modules: "array" });
    expect(modules).toEqual([expect.objectContaining({ name: "p", path: "sleep 1000", state: "R" })]);
    expect(await handle.rpc("p.ping", { a: 1 })).toEqual({ a: 1 });
    expect(await handle.rpc("p.stats-get")).toHaveProperty("tx");
    const main = await pid();
    expect(readFileSync(`/proc/${main}/comm`, "utf8")).toBe("sleep\n");
    await remove();
    expect(isAlive(main)).toBe(false);
    await expect(handle.rpc("p.ping")).rejects.toMatchObject({ errnum: ERRNO.ENOSYS });
  });

  test("has its arguments appended, to an argv and to a shell line", async () => {
    const { load, dir, logged } = await startStage();
    const args = ["a b", "it's", "$HOME"];
    await load({ name: "argv", command: ["sh", "-c", 'printf "%s\\n" "$@" > argv', "sh"], args });
    await load({ name: "line", command: 'printf "%s\\n" > line', args });
    await logged("argv exited");
    await logged("line exited");
    for (const file of ["argv", "line"]) {
      expect(readFileSync(join(dir, file), "utf8")).toBe("a b\nit's\n$HOME\n");
    }
  });

  test("has the environment of the instance with its own over it, and runs in its directory", async () => {
    const { load, dir, logged, broker } = await startStage();
    broker.environment.update({ INHERITED: "yes", UNWANTED: "yes" });
    await load({
      command: 'echo "$PWD|$OWN|$INHERITED|${UNWANTED-unset}|${EMPTY-unset}" > out',
      environment: { OWN: "a=b c", EMPTY: "" },
      unset: ["UNWANTED"],
    });
    await logged("p exited");
    expect(readFileSync(join(dir, "out"), "utf8")).toBe(`${dir}|a=b c|yes|unset|\n`);
  });

  test.each([
    [
      "a command that does not exist",
      ["no-such-program"],
      ERRNO.ENOENT,
      "no-such-program: command not found",
    ],
    ["a path that does not exist", ["./no-such-program"], ERRNO.ENOENT, "No such file"],
  ])("that is %s fails its load, and leaves the name free", async (_what, command, errnum, text) => {
    const { load } = await startStage();
    await expect(load({ command })).rejects.toMatchObject({
      errnum,
      message: expect.stringContaining(text) as string,
    });
    await load({ command: ["sleep", "1000"] });
  });

  const SIGNALS = "HUP INT QUIT ILL ABRT BUS FPE KILL USR1 SEGV PIPE ALRM TERM".split(" ");

  test.each([
    ["exit 1", "p module runtime failure: exit status 1"],
    ["exit 143", "p module runtime failure: exit status 143"],
    ...SIGNALS.map((signal): [string, string] => [
      `kill -${signal} $$`,
      "p module runtime failure: killed by ",
    ]),
  ] as [string, string][])("that ends by itself with '%s' has failed", async (line, text) => {
    const { load, logged, handle } = await startStage();
    await load({ command: ["sh", "-c", line] });
    await logged(text);
    await expect(handle.rpc("p.ping")).rejects.toMatchObject({ errnum: ERRNO.ENOSYS });
  });

  test("that ends by itself with status 0 has not failed", async () => {
    const { load, logged, log } = await startStage();
    await load({ command: ["true"] });
    await logged("p exited");
    expect(log.filter(({ text }) => text.includes("failure"))).toEqual([]);
  });

  test("that obeys its signal is stopped by it, and by nothing else", async () => {
    const { load, remove, dir, log } = await startStage();
    await load({ command: ["bash", "-c", TRAPS], ...UP, stop: { signal: "SIGINT" } });
    await remove();
    expect(readFileSync(join(dir, "stopped"), "utf8")).toBe("int\n");
    expect(log.filter(({ text }) => text.includes("killed"))).toEqual([]);
  });

  test("that ignores its signal is killed after the time-out, and a log line says so", async () => {
    const { load, remove, pid, logged, dir } = await startStage();
    await load({ command: ["bash", "-c", TRAPS], ...UP, stop: { timeoutMs: 150 } });
    const main = await pid();
    await remove();
    await logged("did not end within 0.15 s of its stop, killed");
    expect(isAlive(main)).toBe(false);
    expect(readFileSync(join(dir, "stopped"), "utf8")).toBe("term\n");
  });

  test("trap-B4 has its stop signal sent to the group of a shell line, to the main process of an argv", async () => {
    const { load, remove, dir } = await startStage();
    const child = `bash -c "trap 'echo child >> stopped; exit' TERM; echo up; while :; do sleep 0.02; done"`;
    await load({ name: "line", command: `${child}; echo done`, ...UP });
    await remove("line");
    expect(readFileSync(join(dir, "stopped"), "utf8")).toBe("child\n");
    const parent = `trap 'echo parent >> stopped; exit' TERM; ${child} & wait`;
    await load({ name: "argv", command: ["bash", "-c", parent], ...UP });
    await remove("argv");
    expect(readFileSync(join(dir, "stopped"), "utf8")).toBe("child\nparent\nchild\n");
  });

  test("that has a stop command is stopped by it, which knows the main process", async () => {
    const { load, remove, dir } = await startStage();
    await load({
      command: ["bash", "-c", TRAPS],
      ...UP,
      stop: { command: 'echo "asked $MAINPID" >> asked; kill -INT $MAINPID' },
    });
    await remove();
    expect(readFileSync(join(dir, "asked"), "utf8")).toMatch(/^asked \d+\n$/);
    expect(readFileSync(join(dir, "stopped"), "utf8")).toBe("int\n");
  });

  test("whose stop command fails gets its stop signal, and the log has how the command ended", async () => {
    const { load, remove, log } = await startStage();
    await load({ command: ["sleep", "1000"], stop: { command: "echo no luck; exit 3" } });
    await remove();
    expect(log.map(({ text }) => text)).toContain("the stop command failed: exit status 3: no luck");
    expect(log.map(({ text }) => text)).not.toContain("did not end within 10 s of its stop, killed");
  });

  test("trap-B1 is stopped only when all of it has gone, what its main process leaves too", async () => {
    const { load, remove, processes } = await startStage();
    const stubborn = `bash -c "trap '' TERM; echo up; while :; do sleep 0.02; done"`;
    await load({ command: ["bash", "-c", `${stubborn} & wait`], ...UP, stop: { timeoutMs: 200 } });
    const before = await processes();
    expect(before.length).toBeGreaterThan(1);
    await remove();
    expect(before.filter(isAlive)).toEqual([]);
  });

  test("that forks twice and calls setsid is found, shown and stopped", async () => {
    const { load, remove, processes, pid, dir } = await startStage();
    // The shell between ends at once, so that the last one has lost its parent, session and group.
    const away = `(setsid bash -c 'echo $BASHPID > away; echo up; exec sleep 1000' &)`;
    await load({ command: ["bash", "-c", `${away}; while :; do sleep 0.02; done`], ...UP });
    const escaped = Number(readFileSync(join(dir, "away"), "utf8"));
    expect(await processes()).toContain(escaped);
    expect(await pid()).not.toBe(escaped);
    await remove();
    expect(isAlive(escaped)).toBe(false);
  });

  test("trap-B5 that leaves its work to the background is stopped, with a line that names the remedy", async () => {
    const { load, logged, dir } = await startStage();
    const daemon = `setsid bash -c 'echo $BASHPID > away; exec sleep 1000' & `;
    await load({ command: ["bash", "-c", `${daemon} until [ -s away ]; do sleep 0.02; done; exit 0`] });
    await logged(/^the main process ended \(exit status 0\) and left \d+ \(sleep\).*in the foreground$/);
    await logged("p exited");
    expect(isAlive(Number(readFileSync(join(dir, "away"), "utf8")))).toBe(false);
  });

  test("that is cancelled is killed with all that it has started", async () => {
    const { load, handle, processes } = await startStage();
    await load({ command: "trap '' TERM; (trap '' TERM; echo up; sleep 1000; :); :", ...UP });
    const before = await processes();
    await handle.rpc("module.remove", { name: "p", cancel: true });
    expect(before.filter(isAlive)).toEqual([]);
  });

  test("is ended with the broker", async () => {
    const { load, broker, processes } = await startStage();
    await load({ command: "sleep 1000 & sleep 1000" });
    const before = await processes();
    await broker.close();
    expect(before.filter(isAlive)).toEqual([]);
  });
});
