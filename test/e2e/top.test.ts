import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { liveInstance, type LiveInstance } from "../helpers/live-instance.js";
import { Sandbox } from "../helpers/sluice.js";
import { Terminal } from "../helpers/terminal.js";

let box: Sandbox;
let instance: LiveInstance;
let terminal: Terminal | undefined;
beforeEach(async () => {
  box = new Sandbox();
  const idle = "export async function modMain(h) { await h.run(); }\n";
  for (const name of ["alpha", "beta"]) box.write(`${name}.mjs`, idle);
  instance = await liveInstance(box);
  await instance.run("module", "load", "./beta.mjs");
  await instance.run("module", "load", "--exec", "./alpha.mjs");
});
afterEach(async () => {
  terminal?.close();
  terminal = undefined;
  await instance.stop();
  await vi.waitFor(() => expect(box.survivors()).toEqual([]), { timeout: 5000 });
  expect(box.leftovers()).toEqual([]);
  box.remove();
});

const HEAD = "Module                    Idle  S Sendq Recvq    Rx/s    Tx/s  CPU%      Mem Service";

/** Names of the modules on the screen, from top to bottom. */
function namesIn(lines: readonly string[]): string[] {
  return lines.map((line) => /^(alpha|beta|gamma) /.exec(line)?.[1] ?? "").filter((name) => name !== "");
}

describe("sluice top for pipes", () => {
  test("prints one table", async () => {
    const { status, stdout, stderr } = await instance.run("top", "--sort", "name");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toMatch(/^rank 0 of 1, up \d\d:\d\d:\d\d, 2 modules, 2 clients, \d+ requests? pending$/);
    expect(lines[1]).toMatch(/^broker \d+: [\d.]+% cpu, \d+ MiB; modules: [\d.]+ rx\/s, [\d.]+ tx\/s$/);
    expect(lines.slice(2, 4)).toEqual(["", HEAD]);
    expect(lines[4]).toMatch(/^alpha {20,}\d+ {2}R +0 +0 +[\d.]+ +[\d.]+ +[\d.]+ +\d+ MiB$/);
    expect(lines[5]).toMatch(/^beta {20,}\d+ {2}R +0 +0 +[\d.]+ +[\d.]+ +- +-$/);
    expect(lines).toHaveLength(6);
  });

  test("prints as many as it is told with --batch, one object a line with --json", async () => {
    const batch = await instance.run("top", "-b", "-n", "3", "-i", "0.1");
    expect(batch.stdout.split("\n").filter((line) => line === HEAD)).toHaveLength(3);
    const json = await instance.run("top", "--json", "--batch", "--iterations=2", "--interval=0.1");
    const samples = json.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { time: number });
    expect(samples).toHaveLength(2);
    expect(samples[0]).toMatchObject({
      broker: { rank: 0, size: 1, clients: 2 },
      modules: [
        { name: "beta", state: "R", rxPerSecond: expect.any(Number) as number },
        { name: "alpha", pid: expect.any(Number) as number, rssBytes: expect.any(Number) as number },
      ],
    });
    expect(samples[0]).not.toHaveProperty("modules.0.pid");
    // The clock of the samples is that of the day: it may be a few milliseconds behind a timer.
    expect((samples[1]?.time ?? 0) - (samples[0]?.time ?? 0)).toBeGreaterThan(0.09);
  });

  test("goes on with --batch until Ctrl-C", async () => {
    const top = instance.start("top", "--batch", "-i", "0.1");
    await top.waitFor(`\n\nrank 0`);
    top.kill("SIGINT");
    const { status, stderr } = await top.finished;
    expect({ status, stderr }).toEqual({ status: 130, stderr: "" });
  });

  test.each([
    [["-n", "0"], "argument '0' is invalid. must be at least 1."],
    [["-i", "0"], "argument '0' is invalid. must be at least 0.1."],
    [["--sort", "size"], "Allowed choices are load, name, idle, queue, rx, tx, cpu, memory."],
  ])("refuses %s with status 2", async (args, says) => {
    const { status, stderr } = await instance.run("top", ...args);
    expect(status).toBe(2);
    expect(stderr.split("\n")[0]).toContain(says);
  });
});

describe("sluice top on a terminal", () => {
  /** What follows shows how top has ended, and what it has made of the terminal. */
  const COMMAND =
    'echo before; sluice top -i 0.2; echo "status $?"; stty -a | grep -oE -- "-?(icanon|echo)\\b" | tr "\\n" " "; exec sleep 1000';

  function open(command: string): Terminal {
    return (terminal = new Terminal(["sh", "-c", command], {
      env: box.environment({ SLUICE_URI: instance.uri }),
      cwd: box.dir,
      rows: 16,
    }));
  }

  const isUp = (lines: readonly string[]): boolean => lines.includes(HEAD) && namesIn(lines).length === 2;

  test("shows modules as they come and go, sorts by key, fits the window, and leaves with q", async () => {
    const screen = open(COMMAND);
    const first = await screen.shows(isUp);
    expect(first).not.toContain("before");
    expect(namesIn(first)).toEqual(["beta", "alpha"]);
    screen.press("n");
    await screen.shows((lines) => namesIn(lines).join() === "alpha,beta");
    screen.press("R");
    await screen.shows((lines) => namesIn(lines).join() === "beta,alpha");
    await instance.run("module", "load", "-n", "gamma", "./beta.mjs");
    await screen.shows((lines) => namesIn(lines).join() === "gamma,beta,alpha");
    screen.resize(40, 9);
    const small = await screen.shows((lines) => lines.includes("2 more"));
    expect(namesIn(small)).toEqual(["gamma"]);
    expect(small).toContain(HEAD.slice(0, 40).trimEnd());
    expect(small.every((line) => line.length <= 40)).toBe(true);
    screen.resize(120, 20);
    await screen.shows((lines) => namesIn(lines).length === 3 && lines.includes(HEAD));
    await instance.run("module", "remove", "gamma");
    await screen.shows((lines) => namesIn(lines).join() === "beta,alpha");
    screen.press("Up", "x", "q");
    const after = await screen.shows((lines) => lines.some((line) => line.includes("icanon")));
    expect(after.filter((line) => line !== "")).toEqual(["before", "status 0", "icanon echo"]);
  });

  test("Ctrl-C leaves the terminal as it was, with status 130", async () => {
    const screen = open(COMMAND);
    await screen.shows(isUp);
    screen.press("C-c");
    const after = await screen.shows((lines) => lines.some((line) => line.includes("icanon")));
    expect(after.filter((line) => line !== "")).toEqual(["before", "status 130", "icanon echo"]);
  });

  test("so does the end of the instance, with the reason", async () => {
    const screen = open(COMMAND);
    await screen.shows(isUp);
    await instance.stop();
    const after = await screen.shows((lines) => lines.some((line) => line.includes("icanon")));
    expect(after.filter((line) => line !== "")).toEqual([
      "before",
      "sluice-top: the connection to the broker has gone",
      "status 1",
      "icanon echo",
    ]);
  });

  test("Ctrl-Z gives the terminal back to the shell, and fg takes it again", async () => {
    const screen = open("bash --norc -i");
    screen.press("sluice top -i 0.2", "Enter");
    await screen.shows(isUp);
    screen.press("C-z");
    await screen.shows((lines) => lines.some((line) => line.includes("Stopped")) && !lines.includes(HEAD));
    screen.press("fg", "Enter");
    await screen.shows(isUp);
    screen.press("q");
    await screen.shows((lines) => lines.some((line) => line.includes("Stopped")) && !lines.includes(HEAD));
  });

  test("shows as many as it is told", async () => {
    const screen = open('sluice top -n 2 -i 0.1; echo "status $?"; exec sleep 1000');
    const lines = await screen.shows((shown) => shown.includes("status 0"));
    expect(lines.filter((line) => line !== "")).toEqual(["status 0"]);
  });
});
