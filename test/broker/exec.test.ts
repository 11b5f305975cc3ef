import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { ERRNO } from "../../src/errors/index.js";
import {
  fields,
  type Handle,
  type OutputStream,
  type Payload,
  RemoteCommand,
  type RemoteCommandOptions,
} from "../../src/messages/index.js";
import { memoryOverlay } from "./support/memory-overlay.js";
import { startBroker, type TestBroker } from "./support/start-broker.js";

const ENV = { PATH: process.env["PATH"] };

async function ranks(size: number): Promise<TestBroker[]> {
  return Promise.all(memoryOverlay(size).map((overlay) => startBroker({}, { overlay, env: ENV })));
}

async function twoRanks(): Promise<[TestBroker, TestBroker]> {
  const [zero, one] = await ranks(2);
  if (zero === undefined || one === undefined) throw new Error("two were started");
  return [zero, one];
}

interface Running {
  readonly command: RemoteCommand;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Resolves when its standard output so far contains the text. */
  readonly printed: (text: string) => Promise<void>;
}

/** Runs a shell line on a rank. */
function shell(
  handle: Handle,
  rank: number,
  line: string,
  more: Partial<RemoteCommandOptions> = {},
): Running {
  const out: Record<OutputStream, Buffer[]> = { stdout: [], stderr: [] };
  const text = (stream: OutputStream): string => Buffer.concat(out[stream]).toString("utf8");
  const watchers = new Set<() => void>();
  const command = new RemoteCommand(handle, rank, {
    command: ["sh", "-c", line],
    onOutput: (stream, bytes) => {
      out[stream].push(bytes);
      watchers.forEach((watch) => watch());
      return undefined;
    },
    ...more,
  });
  const printed = (wanted: string): Promise<void> =>
    new Promise((resolve) => {
      const watch = (): void => {
        if (text("stdout").includes(wanted)) resolve();
      };
      watchers.add(watch);
      watch();
    });
  return { command, stdout: () => text("stdout"), stderr: () => text("stderr"), printed };
}

async function listed(handle: Handle, rank: number): Promise<readonly Payload[]> {
  return fields(await handle.rpc("exec.list", undefined, { rank }), { commands: "array" }).commands;
}

function isAlive(pid: string): boolean {
  try {
    process.kill(Number(pid), 0);
    return true;
  } catch {
    return false;
  }
}

const GONE = { timeout: 10_000 };

describe("a command on another rank", () => {
  test("prints on both outputs, and gives its status", async () => {
    const [zero] = await twoRanks();
    const { command, stdout, stderr } = shell(zero.handle, 1, "echo out; echo err >&2; exit 7");
    expect(await command.ended).toEqual({ status: 7, signal: undefined });
    expect([stdout(), stderr()]).toEqual(["out\n", "err\n"]);
    expect(await listed(zero.handle, 1)).toEqual([]);
  });

  test("runs in the directory and with the environment that it is given, and nothing else", async () => {
    const [zero] = await twoRanks();
    const dir = realpathSync(mkdtempSync(join(tmpdir(), "sluice-exec-")));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    const { command, stdout } = shell(zero.handle, 1, 'pwd; echo "$COLOUR $SLUICE_URI"', {
      cwd: dir,
      env: { ...ENV, COLOUR: "green", SLUICE_URI: "local:///elsewhere" },
    });
    await command.ended;
    expect(stdout()).toBe(`${dir}\ngreen \n`);
  });

  test("is not given what broker.env-blocklist names", async () => {
    const { handle } = await startBroker(
      {},
      { attributes: { "broker.env-blocklist": "SECRET OTHER" }, env: ENV },
    );
    const env = { ...ENV, SECRET: "s", OTHER: "o", KEPT: "k" };
    const { command, stdout } = shell(handle, 0, 'echo "$SECRET$OTHER$KEPT"', { env });
    await command.ended;
    expect(stdout()).toBe("k\n");
  });

  test("is told where its own rank is", async () => {
    const { broker, handle } = await startBroker({}, { socket: true, env: ENV });
    const { command, stdout } = shell(handle, 0, 'echo "$SLUICE_URI"', {
      env: { ...ENV, SLUICE_URI: "local:///elsewhere" },
    });
    await command.ended;
    expect(stdout()).toBe(`${broker.uri ?? ""}\n`);
  });

  test.each([
    ["kill -SEGV $$", 139, "SIGSEGV"],
    ["kill -9 $$", 137, "SIGKILL"],
  ])("that ends by '%s' has status %i", async (line, status, signal) => {
    const [zero] = await twoRanks();
    expect(await shell(zero.handle, 1, line).command.ended).toEqual({ status, signal });
  });

  test("has its standard input passed on, and its end", async () => {
    const [zero] = await twoRanks();
    const { command, stdout } = shell(zero.handle, 1, "cat; echo end", { stdin: true });
    expect(await command.write(Buffer.from("one "))).toBe(true);
    // Cut within a character.
    const [euro] = [Buffer.from("€\n")];
    await command.write(euro.subarray(0, 1));
    await command.write(euro.subarray(1));
    await command.endInput();
    await command.ended;
    expect(stdout()).toBe("one €\nend\n");
    expect(await command.write(Buffer.from("late"))).toBe(false);
  });

  test("without standard input finds it empty", async () => {
    const [zero] = await twoRanks();
    const { command, stdout } = shell(zero.handle, 1, "cat; echo end");
    await command.ended;
    expect(stdout()).toBe("end\n");
  });

  test("that closes its standard input takes no more", async () => {
    const [zero] = await twoRanks();
    const { command, printed } = shell(zero.handle, 1, "exec <&-; echo closed; exec sleep 1000", {
      stdin: true,
    });
    await printed("closed");
    let takes = true;
    while (takes) takes = await command.write(Buffer.alloc(65_536));
    await command.signal("SIGTERM");
    expect((await command.ended).signal).toBe("SIGTERM");
  });

  test("gets signals with all of its process group", async () => {
    const [zero] = await twoRanks();
    const line =
      "(trap 'echo child; exit' TERM; echo ready; while :; do sleep 0.01; done) & trap 'wait; exit 5' TERM; wait";
    const { command, stdout, printed } = shell(zero.handle, 1, line);
    await printed("ready");
    await command.signal("SIGTERM");
    expect(await command.ended).toEqual({ status: 5, signal: undefined });
    expect(stdout()).toBe("ready\nchild\n");
  });

  test("that is signalled before it has started is signalled then", async () => {
    const [zero] = await twoRanks();
    const { command } = shell(zero.handle, 1, "exec sleep 1000");
    await command.signal("SIGTERM");
    expect(await command.ended).toEqual({ status: 143, signal: "SIGTERM" });
  });

  test("has ended only when nobody writes to its outputs any more, and then leaves nothing behind", async () => {
    const [zero] = await twoRanks();
    const line = "sleep 1000 >/dev/null 2>&1 & echo $!; (read x; echo late) < /dev/null & exit 0";
    const { command, stdout } = shell(zero.handle, 1, line);
    await command.ended;
    const [pid = "", late] = stdout().split("\n");
    expect(late).toBe("late");
    await expect.poll(() => isAlive(pid), GONE).toBe(false);
  });

  test("that has exited, and left its outputs to a process out of reach, ends with any signal", async () => {
    const [zero] = await twoRanks();
    let pid = 0;
    const running = shell(zero.handle, 1, "setsid sh -c 'echo $$; exec sleep 1000' & exit 3", {
      onStarted: (started) => (pid = started),
    });
    await running.printed("\n");
    onTestFinished(() => void process.kill(Number(running.stdout()), "SIGKILL"));
    await expect.poll(() => isAlive(String(pid)), GONE).toBe(false);
    await running.command.signal("SIGTERM");
    expect(await running.command.ended).toEqual({ status: 3, signal: undefined });
  });

  test("that is killed has ended, although a process out of reach has its outputs", async () => {
    const [zero] = await twoRanks();
    const running = shell(zero.handle, 1, "setsid sh -c 'echo $$; exec sleep 1000' & wait");
    await running.printed("\n");
    onTestFinished(() => void process.kill(Number(running.stdout()), "SIGKILL"));
    await running.command.signal("SIGKILL");
    expect(await running.command.ended).toEqual({ status: 137, signal: "SIGKILL" });
  });
});

describe("what cannot be run", () => {
  test.each([
    ["no such command", { command: ["no-such-command"] }, ERRNO.ENOENT],
    ["a file that is not executable", { command: ["/etc/passwd"] }, ERRNO.EACCES],
    ["no such directory", { command: ["true"], cwd: "/no/such/directory" }, ERRNO.ENOTDIR],
    ["a directory that is none", { command: ["true"], cwd: "/etc/passwd" }, ERRNO.ENOTDIR],
    ["a relative directory", { command: ["true"], cwd: "." }, ERRNO.EINVAL],
    ["no word", { command: [] }, ERRNO.EINVAL],
    ["a zero byte", { command: ["true", "a\0b"] }, ERRNO.EINVAL],
    ["a variable that no environment can hold", { command: ["true"], env: { "A=B": "c" } }, ERRNO.EINVAL],
    ["a window of nothing", { command: ["true"], window: 0 }, ERRNO.EINVAL],
  ])("%s", async (_, request, errnum) => {
    const [zero] = await twoRanks();
    const stream = zero.handle.rpcStream("exec.run", request, { rank: 1 });
    await expect(stream.next()).rejects.toMatchObject({ errnum });
    expect(await listed(zero.handle, 1)).toEqual([]);
  });

  test("a rank that is not there, and a guest", async () => {
    const [zero] = await twoRanks();
    await expect(shell(zero.handle, 5, "true").command.ended).rejects.toMatchObject({
      errnum: ERRNO.EHOSTUNREACH,
    });
    const guest = await zero.broker.connect({ guest: true });
    await expect(shell(guest, 1, "true").command.ended).rejects.toMatchObject({ errnum: ERRNO.EPERM });
  });

  test.each([
    ["exec.write", { id: 99, data: "x" }, ERRNO.ENOENT],
    ["exec.kill", { id: 99, signum: 15 }, ERRNO.ENOENT],
    ["exec.kill", { id: 99, signum: 65 }, ERRNO.EINVAL],
    ["exec.credit", { id: 99, stream: "log", bytes: 1 }, ERRNO.EINVAL],
    ["exec.credit", { id: 99, stream: "stdout", bytes: -1 }, ERRNO.EINVAL],
    ["exec.run", { command: ["true"] }, ERRNO.EPROTO],
  ])("%s %o", async (topic, request, errnum) => {
    const { handle } = await startBroker();
    await expect(handle.rpc(topic, request)).rejects.toMatchObject({ errnum });
  });
});

describe("much output", () => {
  test("comes through unharmed and in order", async () => {
    const [zero] = await twoRanks();
    const numbers = Array.from({ length: 200_000 }, (_, n) => `${n + 1}\n`).join("");
    const { command, stdout } = shell(zero.handle, 1, "seq 200000");
    await command.ended;
    expect(stdout()).toBe(numbers);
  });

  test("waits at its source while the reader has not taken it, and the other output goes on", async () => {
    const [zero, one] = await twoRanks();
    // Time for output that does not wait for its reader to come; without any the test holds all the same.
    const line = "head -c 20000000 /dev/zero & sleep 0.3; echo complaint >&2; wait";
    let taken = 0;
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    let heard = (): void => undefined;
    const complaint = new Promise<void>((resolve) => (heard = resolve));
    const { command } = shell(zero.handle, 1, line, {
      onOutput: (stream, bytes) => {
        if (stream === "stderr") {
          heard();
          return undefined;
        }
        taken += bytes.length;
        return held;
      },
    });
    await complaint;
    expect(taken).toBeGreaterThan(0);
    // The window, what one read brings over it, and nothing more.
    expect(taken).toBeLessThanOrEqual(256 * 1024 + 64 * 1024);
    expect(await listed(one.handle, 1)).toHaveLength(1);
    release();
    expect((await command.ended).status).toBe(0);
    expect(taken).toBe(20_000_000);
  });
});

describe("who runs a command and goes away", () => {
  test("by cancelling ends it", async () => {
    const [zero] = await twoRanks();
    const stream = zero.handle.rpcStream("exec.run", { command: ["sleep", "1000"] }, { rank: 1 });
    const started: IteratorResult<Payload, undefined> = await stream.next();
    const { pid } = fields(started.value, { pid: "integer" });
    await stream.return?.();
    await expect.poll(() => isAlive(String(pid)), GONE).toBe(false);
    await expect.poll(() => listed(zero.handle, 1), GONE).toEqual([]);
  });

  test("by closing the connection ends it, although its output waits to be taken", async () => {
    const [zero, one] = await twoRanks();
    const client = await zero.broker.connect();
    const { command } = shell(client, 1, "exec yes", {
      onOutput: () => new Promise<void>(() => undefined),
    });
    command.ended.catch(() => undefined);
    await expect.poll(() => listed(one.handle, 1), GONE).toHaveLength(1);
    await client.close();
    await expect.poll(() => listed(one.handle, 1), GONE).toEqual([]);
  });

  test("with the rank that it came through ends it", async () => {
    const [zero, one] = await twoRanks();
    const { command, printed } = shell(zero.handle, 1, "echo go; exec sleep 1000");
    const lost = expect(command.ended).rejects.toMatchObject({ errnum: ERRNO.ECONNRESET });
    await printed("go");
    await zero.broker.close();
    await lost;
    await expect.poll(() => listed(one.handle, 1), GONE).toEqual([]);
  });

  test("and a command that does not mind SIGTERM is killed after five seconds", async () => {
    const [zero, one] = await twoRanks();
    const client = await zero.broker.connect();
    const { command, printed } = shell(client, 1, "trap '' TERM; echo go; while :; do sleep 0.01; done");
    command.ended.catch(() => undefined);
    await printed("go");
    await client.close();
    await expect.poll(() => one.clock.delays, GONE).toEqual([5000]);
    expect(await listed(one.handle, 1)).toHaveLength(1);
    one.clock.advance(5000);
    await expect.poll(() => listed(one.handle, 1), GONE).toEqual([]);
  });
});

test("what runs when the broker goes down is ended and logged, and its requester learns how", async () => {
  const [zero, one] = await twoRanks();
  const { command, printed } = shell(
    zero.handle,
    1,
    "trap 'echo bye; exit 4' TERM; echo go; while :; do sleep 0.01; done",
  );
  await printed("go");
  const closed = one.broker.close();
  expect(await command.ended).toEqual({ status: 4, signal: undefined });
  await closed;
  expect(one.log.map(({ level, text }) => [level, text.replace(/\d+/g, "N")])).toContainEqual([
    "warning",
    expect.stringMatching(/^exec: 'sh -c .*' \(pid N\) still runs at shutdown; terminating it$/),
  ]);
});

test("the list has what runs", async () => {
  const [zero, one] = await twoRanks();
  const { command, printed } = shell(zero.handle, 1, "echo go; exec sleep 1000");
  await printed("go");
  one.clock.advance(2500);
  expect(await listed(zero.handle, 1)).toEqual([
    {
      id: 1,
      pid: expect.any(Number) as number,
      command: ["sh", "-c", "echo go; exec sleep 1000"],
      seconds: 2.5,
    },
  ]);
  await command.signal("SIGTERM");
  await command.ended;
});
