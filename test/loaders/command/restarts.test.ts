/** Restarts of ordinary programs and of what follows them, and what asks whether they live (docs/design/programs.md §1). */
import { readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { describe, expect, test } from "vitest";
import { ERRNO } from "../../../src/errors/index.js";
import { fields, type JsonValue } from "../../../src/messages/index.js";
import { isAlive, type Stage, startStage } from "./support.js";

const AMPLE_MS = 50_000;

/** Restarts at once, more often than any test needs. */
const AT_ONCE = { onFailure: "restart", restart: { delayMs: 0, tries: 1000 } };

/** A program that counts its starts in a file of its name. */
const counting = (name: string, then: string): string => `echo x >> ${name}.starts; ${then}`;

/** One that lives, and has counted when it is ready. */
const living = (name: string) => ({
  name,
  command: counting(name, "echo up; exec sleep 1000"),
  ready: { log: "^up$" },
});

function startsOf({ dir }: Stage, name: string): number {
  return readFileSync(join(dir, `${name}.starts`), "utf8").length / 2;
}

function isMatching(module: JsonValue, wanted: Readonly<Record<string, unknown>>): boolean {
  const fieldsOf = module as Readonly<Record<string, unknown>>;
  return Object.entries(wanted).every(([key, value]) => isDeepStrictEqual(fieldsOf[key], value));
}

/** A promise for the next `module.reloaded` of a module, asked for before what causes it. */
async function reloads(stage: Stage): Promise<(name: string, count?: number) => Promise<void>> {
  const seen: string[] = [];
  const watchers = new Set<() => void>();
  await stage.handle.subscribe("module.reloaded", ({ payload }) => {
    seen.push((payload as { name: string }).name);
    watchers.forEach((watch) => watch());
  });
  return (name, count = 1) =>
    new Promise((resolve) => {
      const watch = (): void => {
        if (seen.filter((one) => one === name).length >= count) resolve();
      };
      watchers.add(watch);
      watch();
    });
}

describe("a program that is restarted", () => {
  test("runs again after a failure, with a delay of none if its unit says so", async () => {
    const stage = await startStage();
    const again = await reloads(stage);
    await stage.load({ ...living("p"), ...AT_ONCE });
    process.kill(await stage.pid(), "SIGKILL");
    await again("p");
    expect(startsOf(stage, "p")).toBe(2);
    expect(isAlive(await stage.pid())).toBe(true);
  });

  test("trap-B12 gives up when its tries are used up, and is only logged if its unit says so", async () => {
    const stage = await startStage({ attributes: {} });
    const panics: unknown[] = [];
    stage.broker.onShutdown((reason) => panics.push(reason));
    await stage.load({
      command: counting("p", "exit 3"),
      onFailure: "restart",
      restart: { delayMs: 0, tries: 2, then: "log" },
    });
    await stage.logged("p module runtime failure: exit status 3; no more restarts");
    expect(startsOf(stage, "p")).toBe(3);
    expect(panics).toEqual([]);
    await stage.load({
      name: "q",
      command: "exit 3",
      onFailure: "restart",
      restart: { delayMs: 0, tries: 1 },
    });
    await stage.logged("q module runtime failure: exit status 3");
    await new Promise((resolve) => stage.broker.onShutdown(resolve));
    expect(panics).toEqual([
      { kind: "panic", message: expect.stringContaining("no more restarts") as string },
    ]);
  });

  test("trap-B13 has the same delays and tries after an exit with status 0", async () => {
    const stage = await startStage();
    await stage.load({
      command: counting("p", "exit 0"),
      onExit: "restart",
      restart: { delayMs: 0, tries: 3, then: "log" },
    });
    await stage.logged("p exited; no more restarts");
    expect(startsOf(stage, "p")).toBe(4);
  });

  test("trap-A12 that exits before it is ready is tried again, and the load answers when it is ready", async () => {
    const stage = await startStage();
    const untilThird = '[ "$(wc -l < p.starts)" -ge 3 ] || exit 1; echo up; exec sleep 1000';
    await stage.load({ command: counting("p", untilThird), ready: { log: "up" }, ...AT_ONCE });
    expect(startsOf(stage, "p")).toBe(3);
    const failed = stage.load({
      name: "q",
      command: counting("q", "exit 4"),
      ready: { log: "up" },
      onFailure: "restart",
      restart: { delayMs: 0, tries: 2 },
    });
    await expect(failed).rejects.toThrow("q: exit status 4 before it was ready");
    expect(startsOf(stage, "q")).toBe(3);
  });

  test("and removed while it waits for the next try is not tried again", async () => {
    const stage = await startStage();
    const loading = stage.load({
      command: counting("p", "exit 1"),
      ready: { log: "up" },
      onFailure: "restart",
      restart: { delayMs: 1_000_000, longestMs: 1_000_000 },
    });
    const failed = expect(loading).rejects.toMatchObject({ errnum: ERRNO.ECANCELED });
    await stage.logged("p starts again in 1000 s");
    await stage.remove();
    await failed;
    expect(startsOf(stage, "p")).toBe(1);
  });
});

describe("a program that is asked whether it lives", () => {
  test("fails after so many failed attempts in a row, and is killed", async () => {
    const stage = await startStage();
    await stage.load({
      command: "touch alive; trap '' TERM; while :; do sleep 0.02; done",
      alive: { file: "alive", intervalMs: 30, failures: 2 },
      ready: { file: "alive", intervalMs: 5 },
    });
    const before = await stage.processes();
    const main = await stage.pid();
    stage.write("x", "");
    process.kill(main, 0);
    await stage.handle.rpc("p.ping");
    rmSync(join(stage.dir, "alive"));
    await stage.logged(/^p module runtime failure: not alive: .*alive: No such file or directory$/);
    expect(before.filter(isAlive)).toEqual([]);
  });

  test("fails by a command that the system refuses, like by any other that cannot run", async () => {
    const stage = await startStage();
    symlinkSync("check", join(stage.dir, "check"));
    await stage.load({
      command: "exec sleep 1000",
      alive: { command: ["./check"], intervalMs: 20, failures: 2 },
    });
    await stage.logged(/^p module runtime failure: not alive: .*check: Too many levels of symbolic links$/);
  });

  test("stops by its signal if the system refuses its command for the stop", async () => {
    const stage = await startStage();
    symlinkSync("quit", join(stage.dir, "quit"));
    await stage.load({ command: "exec sleep 1000", stop: { command: ["./quit"] } });
    const main = await stage.pid();
    await stage.remove();
    expect(isAlive(main)).toBe(false);
    await stage.logged(/cannot run the stop command: .*quit: Too many levels of symbolic links$/);
  });

  test("is failing in module.watch while attempts fail, ok before and after, and failed while it waits for a restart", async () => {
    const stage = await startStage();
    stage.write("up", "");
    await stage.load({
      command: "exec sleep 1000",
      alive: { file: "up", intervalMs: 20, failures: 1000 },
      onFailure: "restart",
      restart: { delayMs: 1_000_000, longestMs: 1_000_000 },
    });
    const stream = stage.handle.rpcStream("module.watch", { periodMs: 100 })[Symbol.asyncIterator]();
    const shows = async (wanted: Readonly<Record<string, unknown>>): Promise<void> => {
      for (;;) {
        const next: IteratorResult<unknown, unknown> = await stream.next();
        const { modules } = fields(next.value as JsonValue, { modules: "array" });
        if (modules.some((module) => isMatching(module, wanted))) return;
      }
    };
    await shows({ phase: "up", restarts: 0, health: "ok", probe: { failures: 0, limit: 1000 } });
    rmSync(join(stage.dir, "up"));
    await shows({ health: "failing" });
    stage.write("up", "");
    await shows({ health: "ok", probe: { failures: 0, limit: 1000 } });
    process.kill(await stage.pid(), "SIGKILL");
    await shows({ phase: "backoff", health: "failed" });
    await stream.return?.();
  });

  test("lives on through failures that are not in a row", async () => {
    const stage = await startStage();
    const flap = "n=$(cat n); echo $((n + 1)) > n; [ $((n % 2)) = 0 ]";
    stage.write("n", "0\n");
    await stage.load({ command: "sleep 1000", alive: { command: flap, intervalMs: 5, failures: 2 } });
    const until = `until [ "$(cat n)" -ge 20 ]; do sleep 0.02; done`;
    await stage.load({ name: "q", command: "sleep 1000", ready: { command: until, timeoutMs: AMPLE_MS } });
    expect(isAlive(await stage.pid())).toBe(true);
  });

  test("trap-A2 is first asked one interval after it was ready", async () => {
    const stage = await startStage();
    const slow = "sleep 0.5; touch up; exec sleep 1000";
    await stage.load({
      command: slow,
      ready: { file: "up", intervalMs: 10 },
      alive: { file: "up", intervalMs: 20, failures: 1 },
    });
    await stage.load({ name: "q", command: "sleep 1000", ready: { afterMs: 200 } });
    expect(isAlive(await stage.pid())).toBe(true);
  });

  test("owes WATCHDOG=1 if its unit has a watchdog", async () => {
    const stage = await startStage();
    const beat =
      'echo "$WATCHDOG_USEC" > usec; systemd-notify --ready; while [ ! -e mute ]; do systemd-notify WATCHDOG=1; sleep 0.02; done; exec sleep 1000';
    await stage.load({ command: beat, ready: { notify: true, deadlineMs: AMPLE_MS }, watchdogMs: 2000 });
    await stage.load({ name: "q", command: "sleep 1000", ready: { afterMs: 3000 } });
    expect(isAlive(await stage.pid())).toBe(true);
    expect(readFileSync(join(stage.dir, "usec"), "utf8")).toBe("2000000\n");
    stage.write("mute", "");
    await stage.logged("p module runtime failure: not alive: the program has not sent WATCHDOG=1");
  });
});

/** A module of the tests of threads and processes. */
const STATION = join(import.meta.dirname, "../../broker/fixtures/station.mjs");

test("modules of every loader are restarted as their units say, and follow each other", async () => {
  const stage = await startStage();
  const again = await reloads(stage);
  const pidOf = async (name: string): Promise<number> => {
    const { modules } = fields(await stage.handle.rpc("module.usage"), { modules: "array" });
    const all = modules.map((one) => fields(one, { name: "string", pid: "integer?" }));
    return all.find((one) => one.name === name)?.pid ?? 0;
  };
  const load = (request: Readonly<Record<string, JsonValue>>) =>
    stage.handle.rpc("module.load", { path: STATION, onFailure: "log", ...request });
  await load({ name: "source", exec: true, ...AT_ONCE });
  await load({ name: "thread", follows: ["source"] });
  await stage.load({ ...living("p"), follows: ["thread"] });
  process.kill(await pidOf("source"), "SIGKILL");
  await again("p");
  expect(startsOf(stage, "p")).toBe(2);
});

describe("a module that follows another", () => {
  const follower = { ...living("f"), follows: ["p"] };

  test.each<[string, (stage: Stage) => Promise<unknown>]>([
    ["a crash", async (stage) => process.kill(await stage.pid(), "SIGKILL")],
    ["a reload", (stage) => stage.handle.rpc("module.reload", { name: "p" })],
    [
      "another provider",
      async (stage) => {
        await stage.remove();
        await stage.load({ name: "other", provides: ["p"], command: "sleep 1000" });
      },
    ],
  ])("trap-B9 is restarted after %s", async (_what, restart) => {
    const stage = await startStage();
    const again = await reloads(stage);
    await stage.load({ ...living("p"), ...AT_ONCE });
    await stage.load(follower);
    const first = await stage.pid("f");
    await restart(stage);
    await again("f");
    expect(startsOf(stage, "f")).toBe(2);
    expect(isAlive(first)).toBe(false);
  });

  test("is not restarted by the first start of what it follows", async () => {
    const stage = await startStage();
    await stage.load(follower);
    await stage.load(living("p"));
    await stage.handle.rpc("module.list");
    expect(startsOf(stage, "f")).toBe(1);
    const again = await reloads(stage);
    await stage.handle.rpc("module.reload", { name: "p" });
    await again("f");
    expect(startsOf(stage, "f")).toBe(2);
  });

  test("and is still to be loaded keeps its tries when what it follows starts for the first time", async () => {
    const stage = await startStage();
    let outcome = "waiting";
    const tries = { onFailure: "restart", restart: { delayMs: 1_000_000, longestMs: 1_000_000 } };
    const loading = stage
      .load({ ...follower, command: "exit 1", ...tries })
      .catch(() => (outcome = "failed"));
    await stage.logged("f starts again in");
    await stage.load(living("p"));
    await stage.handle.rpc("module.list");
    expect(outcome).toBe("waiting");
    await stage.remove("f");
    await loading;
  });

  test("trap-B7 is restarted once by one cause, in a ring too", async () => {
    const stage = await startStage();
    const again = await reloads(stage);
    await stage.load({ ...living("p"), follows: ["f"] });
    await stage.load(follower);
    // The start of f is the first that p has seen of it.
    await stage.handle.rpc("module.reload", { name: "p" });
    await again("f");
    await stage.handle.rpc("module.reload", { name: "f" });
    await again("p", 2);
    expect([startsOf(stage, "p"), startsOf(stage, "f")]).toEqual([3, 3]);
  });

  test("trap-B8 has its tries for itself: a restart by what it follows is none", async () => {
    const stage = await startStage();
    const again = await reloads(stage);
    await stage.load(living("p"));
    await stage.load({ ...follower, onFailure: "restart", restart: { delayMs: 0, tries: 1, then: "log" } });
    for (let i = 1; i <= 3; i++) {
      await stage.handle.rpc("module.reload", { name: "p" });
      await again("f", i);
    }
    process.kill(await stage.pid("f"), "SIGKILL");
    await again("f", 4);
    process.kill(await stage.pid("f"), "SIGKILL");
    await stage.logged("no more restarts");
  });

  test("trap-B10 that failed while its source was down starts again with it, and one that was removed does not", async () => {
    const stage = await startStage();
    const gate = "until [ -e go ]; do sleep 0.02; done; exec sleep 1000";
    stage.write("go", "");
    await stage.load({ command: counting("p", gate), ready: { command: "test -e go" }, ...AT_ONCE });
    await stage.load(follower);
    await stage.load({ ...living("g"), follows: ["p"] });
    rmSync(join(stage.dir, "go"));
    process.kill(await stage.pid(), "SIGKILL");
    await stage.logged("p restarts in 0 s");
    process.kill(await stage.pid("f"), "SIGKILL");
    await stage.logged("f module runtime failure: killed by Killed");
    await stage.remove("g");
    stage.write("go", "");
    await stage.logged("f starts again, because it follows p");
    await stage.logged("p runs again");
    await stage.load({
      name: "q",
      command: "sleep 1000",
      ready: { command: "test $(wc -l < f.starts) = 2", intervalMs: 10 },
    });
    expect(startsOf(stage, "g")).toBe(1);
  });

  test("trap-B14 waits until its source is ready: one that never is restarts none", async () => {
    const stage = await startStage();
    stage.write("up", "");
    await stage.load({
      command: counting("p", "[ -e up ] || exit 1; exec sleep 1000"),
      ready: { file: "up" },
      onFailure: "restart",
      restart: { delayMs: 0, tries: 5, then: "log" },
    });
    await stage.load(follower);
    rmSync(join(stage.dir, "up"));
    process.kill(await stage.pid(), "SIGKILL");
    await stage.logged("no more restarts");
    expect(startsOf(stage, "p")).toBe(6);
    expect(startsOf(stage, "f")).toBe(1);
  });

  test("trap-B6 that is still starting is restarted once that is decided", async () => {
    const stage = await startStage();
    const again = await reloads(stage);
    await stage.load(living("p"));
    const loading = stage.load({
      ...follower,
      ready: { command: "test -e go", intervalMs: 10 },
    });
    await stage.logged("module-exec f");
    await stage.handle.rpc("module.reload", { name: "p" });
    stage.write("go", "");
    await loading;
    await again("f");
    expect(startsOf(stage, "f")).toBe(2);
  });
});
