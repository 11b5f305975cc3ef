import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { liveInstance, type LiveInstance } from "../helpers/live-instance.js";
import { Sandbox } from "../helpers/sluice.js";
import { Terminal } from "../helpers/terminal.js";

let box: Sandbox;
let instance: LiveInstance;
let terminal: Terminal | undefined;
async function begin(size = 1): Promise<void> {
  box = new Sandbox();
  const idle = "export async function modMain(h) { await h.run(); }\n";
  for (const name of ["alpha", "beta"]) box.write(`${name}.mjs`, idle);
  instance = await liveInstance(box, { size });
  await instance.run("module", "load", "./beta.mjs");
  await instance.run("module", "load", "--exec", "./alpha.mjs");
}
beforeEach(({ task }) => begin(task.name.includes("ranks") ? 3 : 1));
afterEach(async () => {
  terminal?.close();
  terminal = undefined;
  await instance.stop();
  await vi.waitFor(() => expect(box.survivors()).toEqual([]), { timeout: 5000 });
  expect(box.leftovers()).toEqual([]);
  box.remove();
});

const HEAD =
  "Module                    Idle  S Sendq Recvq    Rx/s    Tx/s  CPU%      Mem Rst Health    Service";

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
    expect(lines[4]).toMatch(/^alpha {20,}\d+ {2}R +0 +0 +[\d.]+ +[\d.]+ +[\d.]+ +\d+ MiB +0 -$/);
    expect(lines[5]).toMatch(/^beta {20,}\d+ {2}R +0 +0 +[\d.]+ +[\d.]+ +- +- +0 -$/);
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
    [
      ["--sort", "size"],
      "Allowed choices are load, name, idle, queue, rx, tx, cpu, memory, restarts, health.",
    ],
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
      env: box.environment({ SLUICE_URI: instance.uri, NO_COLOR: "" }),
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
    expect(small).toContain(
      HEAD.replace(/^Module {20}/, "Module ")
        .slice(0, 40)
        .trimEnd(),
    );
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
      "sluice-top: the connection to the broker has ended",
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

  test("marks a module that does not answer, one whose probe fails and one that waits for a restart, in red", async () => {
    box.write(
      "stuck.mjs",
      "export async function modMain(h) { h.handle('spin', () => { for (;;); }); await h.run(); }\n",
    );
    const load = (module: object): Promise<unknown> =>
      instance.run("rpc", "module.load", JSON.stringify({ onFailure: "log", ...module }));
    const probed = { name: "probed", path: "probed", command: "exec sleep 1000" };
    await load({ ...probed, alive: { command: "false", intervalMs: 50, failures: 100_000 } });
    const restart = { delayMs: 1_000_000, longestMs: 1_000_000 };
    const again = { name: "again", path: "again", command: "exec sleep 1000", onFailure: "restart", restart };
    await load(again);
    const pid = JSON.parse((await instance.run("rpc", "again.status")).stdout) as { pid: number };
    process.kill(pid.pid, "SIGKILL");
    await load({ path: `${box.dir}/stuck.mjs`, exec: true, watchdogMs: 8000 });
    const screen = open(COMMAND);
    const spin = instance.run("rpc", "stuck.spin");
    await screen.shows((lines) =>
      [/^stuck .* R! .* 0 silent/, /^probed .* 0 fails \d+\/10000/, /^again .* 1 backoff/].every((row) =>
        lines.some((line) => row.test(line)),
      ),
    );
    // eslint-disable-next-line no-control-regex -- colours are such characters
    const red = [...screen.styled().matchAll(/\u001b\[31m([^\u001b]*)/g)]
      .map(([, text = ""]) => text)
      .join("\n");
    expect(red.match(/^(?:stuck|probed|again|alpha|beta) /gm)).toEqual(["probed ", "again ", "stuck "]);
    screen.press("h");
    await screen.shows((lines) => lines[4]?.startsWith("again ") === true);
    await spin;
  });

  test("shows several ranks in one table, and names one that has gone", async () => {
    await instance.run("exec", "-r", "1", "sluice", "module", "load", "-n", "gamma", `${box.dir}/beta.mjs`);
    const screen = open("sluice top -r all -i 0.2");
    const first = await screen.shows((lines) => lines[0]?.startsWith("ranks 0-2 of 3, 3 modules, ") === true);
    expect(first.some((line) => /^ {3}1 gamma /.test(line))).toBe(true);
    expect(first[1]).toMatch(/^brokers: /);
    expect(first[3]).toMatch(/^Rank Module +Idle/);
    expect(first.filter((line) => /^ {3}0 (alpha|beta) /.test(line))).toHaveLength(2);
    const sample = await instance.run("top", "-r", "2", "--json");
    const { broker } = JSON.parse(sample.stdout) as { broker: { pid: number } };
    process.kill(broker.pid, "SIGKILL");
    const later = await screen.shows((lines) => lines.some((line) => line.startsWith("rank 2: ")));
    expect(later[0]).toMatch(/^ranks 0-1 of 3, 3 modules, /);
    screen.press("q");
  });

  test("shows as many as it is told", async () => {
    const screen = open('sluice top -n 2 -i 0.1; echo "status $?"; exec sleep 1000');
    const lines = await screen.shows((shown) => shown.includes("status 0"));
    expect(lines.filter((line) => line !== "")).toEqual(["status 0"]);
  });
});
