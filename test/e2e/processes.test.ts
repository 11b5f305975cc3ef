import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { cgroupPlaces } from "../../src/processes/cgroups.js";
import { NODE_COMMAND } from "../../src/processes/index.js";
import { Sandbox } from "../helpers/sluice.js";
import { giveTo, isRoot, testUsers } from "../helpers/users.js";

const CHECKOUT = resolve(import.meta.dirname, "../..");

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  box.remove();
});

const SLOW_TO_END = `
import { existsSync } from "node:fs";
export const moduleName = "slow";
export async function modMain(h, file) {
  await h.run();
  h.log("warning", "ending");
  while (!existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 5));
  h.log("warning", "ended");
}`;

test("fault-C14: modprobe remove --cancel-after waits for longer than a timer of Node can", async () => {
  const go = join(box.dir, "go");
  box.write("modprobe.d/slow.toml", `[[modules]]\nname = "slow"\nmodule = "../slow.mjs"\nargs = ["${go}"]\n`);
  box.write("slow.mjs", SLOW_TO_END);
  const script = "sluice modprobe load slow && sluice modprobe remove --cancel-after 3000000 slow";
  const running = box.start(["start", script], { env: { FLUX_MODPROBE_PATH_APPEND: box.dir } });
  await running.waitFor("ending");
  writeFileSync(go, "");
  const { status, stderr } = await running.finished;
  expect(stderr).toContain("slow.warning: ended");
  expect(stderr).not.toMatch(/cancel/i);
  expect(status).toBe(0);
});

test.each(isRoot ? testUsers.filter(({ uid }) => uid !== 0) : [])(
  "fault-C13: a task that has become another user's times out, and the others go on, $title",
  async (user) => {
    // As sudo, it becomes root altogether, so that its starter may not signal it.
    const becomesRoot = join(box.dir, "becomes-root");
    copyFileSync("/usr/bin/setpriv", becomesRoot);
    chmodSync(becomesRoot, 0o4755);
    const go = join(box.dir, "go");
    const plan = box.write(
      "plan.toml",
      `[[tasks]]
name = "privileged"
command = ${JSON.stringify([becomesRoot, "--reuid=0", "--clear-groups", "sleep", "60"])}
timeout = "300ms"
[[tasks]]
name = "other"
command = "until [ -e ${go} ]; do sleep 0.02; done; echo other is done"
`,
    );
    giveTo(user, box.dir, plan);
    const running = box.start(["modprobe", "run", "--keep-going", plan], { prefix: user.prefix });
    await running.waitFor("belongs to another user and continues");
    writeFileSync(go, "");
    const { status, stdout, stderr } = await running.finished;
    expect(stderr).toMatch(/^sluice-modprobe: privileged: timed out after 300ms$/m);
    expect(stdout).toContain("other is done");
    expect(status).toBe(1);
  },
);

/** What a broker, or what it loads, leaves behind in a session and a group of its own; `escaped` finds it. */
const ESCAPE = "setsid sh -c 'sleep 1061; :' > /dev/null 2>&1 &";

/** The processes of the sandbox that run a sleep of this length. */
function sleepers(seconds: string): string[] {
  return box.survivors().filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "latin1") === `sleep\0${seconds}\0`;
    } catch {
      return false;
    }
  });
}

/** As {@link sleepers}, on the whole machine: an environment may be lost. */
function allSleepers(seconds: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "latin1") === `sleep\0${seconds}\0`;
    } catch {
      return false;
    }
  });
}

function parentOf(pid: string): string {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  return text.slice(text.lastIndexOf(")") + 2).split(" ")[1] ?? "";
}

/** Waits until none of the processes of the sandbox is left. */
async function untilNothingIsLeft(): Promise<void> {
  await vi.waitFor(() => expect(box.survivors()).toEqual([]), { timeout: 30_000, interval: 50 });
}

const FORKS = `
import { spawn } from "node:child_process";
export const moduleName = "forks";
export async function modMain(h) {
  spawn("sh", ["-c", "sleep 1062; :"], { detached: true, stdio: "ignore" }).unref();
  h.log("warning", "forked");
  await h.run();
}`;

describe("fault-D1: what an instance started ends with it", () => {
  test.each([
    ["a task in the background", `[[tasks]]\nname = "t"\ncommand = "${ESCAPE}"\n`],
    ["a module's own child, in a thread", `[[modules]]\nname = "forks"\nmodule = "../forks.mjs"\n`],
    [
      "a module's own child, in a process",
      `[[modules]]\nname = "forks"\nmodule = "../forks.mjs"\nexec = true\n`,
    ],
  ])("%s", async (_title, unit) => {
    box.write("forks.mjs", FORKS);
    box.write("plan.toml", unit);
    box.write("modprobe.d/x.toml", unit);
    const run = unit.includes("tasks") ? "sluice modprobe run plan.toml" : "sluice modprobe load forks";
    const running = box.start(["start", `${run} && echo started && read -r line`], {
      env: { FLUX_MODPROBE_PATH_APPEND: box.dir },
    });
    const { status } = await running.finished;
    expect(status).toBe(1);
    expect(running.output()).toContain("started");
    expect(box.survivors()).toEqual([]);
  });

  test("a command in the background of the initial program, and of exec", async () => {
    const { status } = await box.run(["start", `${ESCAPE} sluice exec -r all sh -c "${ESCAPE}"`]);
    expect(status).toBe(0);
    expect(box.survivors()).toEqual([]);
  });

  test("the command of a cron that is cancelled, at once", async () => {
    const create = `{"name":"c","event":"go","command":"setsid sleep 1063; :"}`;
    // In a thread of its own, as to cancel it in the shared one would end all that share it.
    const own = "sluice module remove cron && sluice module load cron";
    const script = `${own} && sluice rpc cron.create '${create}' && sluice event pub go`;
    const gone = "until [ -e go ]; do sleep 0.02; done; sluice module remove --cancel cron; sleep 1064";
    const running = box.start(["start", `${script}; ${gone}`]);
    await vi.waitFor(() => expect(sleepers("1063")).toHaveLength(1), { timeout: 30_000 });
    box.write("go", "");
    await vi.waitFor(() => expect(sleepers("1064")).toHaveLength(1), { timeout: 30_000 });
    await vi.waitFor(() => expect(sleepers("1063")).toEqual([]), { timeout: 30_000 });
    running.kill("SIGTERM");
    await running.finished;
    expect(box.survivors()).toEqual([]);
  });

  test("when the broker is killed", async () => {
    // What is in its group at its end is ended with it: it goes on until the other one has left that.
    const escaping =
      "setsid sh -c ': > there; sleep 1061; :' > /dev/null 2>&1 & until [ -e there ]; do sleep 0.02; done";
    const running = box.start(["start", `${ESCAPE} echo ready; sluice exec sh -c "${escaping}"; sleep 1064`]);
    await vi.waitFor(() => expect(sleepers("1061")).toHaveLength(2), { timeout: 30_000 });
    process.kill(box.processNamed("broker"), "SIGKILL");
    await running.finished;
    expect(box.survivors()).toEqual([]);
  });

  test("when a bare run of a plan is killed", async () => {
    const plan = box.write("plan.toml", `[[tasks]]\nname = "t"\ncommand = "${ESCAPE} sleep 1065"\n`);
    const running = box.start(["modprobe", "run", plan]);
    await vi.waitFor(() => expect(sleepers("1061")).toHaveLength(1), { timeout: 30_000 });
    running.kill("SIGKILL");
    await untilNothingIsLeft();
  });

  test("a program that has left its environment too, when all else is killed, by the next start", async () => {
    const { unified } = cgroupPlaces();
    // Only a cgroup finds what bears no mark.
    const command = unified === undefined ? "exec sleep 1067" : "env -i setsid sleep 1067 & exec sleep 1067";
    const file = box.write("stack.toml", `[[modules]]\nname = "p"\ncommand = "${command}"\n`);
    const running = box.start(["start", "-f", file, "sleep", "1068"]);
    await vi.waitFor(() => expect(sleepers("1068")).toHaveLength(1), { timeout: 30_000 });
    const expected = unified === undefined ? 1 : 2;
    await vi.waitFor(() => expect(allSleepers("1067")).toHaveLength(expected), { timeout: 30_000 });
    const programs = allSleepers("1067");
    const helper = parentOf(sleepers("1067")[0] ?? "");
    const others = [...new Set([...box.survivors(), helper])].filter((pid) => !programs.includes(pid));
    // None of them is to notice the end of another one.
    for (const pid of others) process.kill(Number(pid), "SIGSTOP");
    for (const pid of others) process.kill(Number(pid), "SIGKILL");
    await running.finished;
    expect(allSleepers("1067")).toEqual(programs);
    const { status } = await box.run(["start", "true"]);
    expect(status).toBe(0);
    expect(allSleepers("1067").filter((pid) => programs.includes(pid))).toEqual([]);
  });

  test("when all of it is killed, by the next start", async () => {
    const running = box.start(["start", `${ESCAPE} sleep 1066`]);
    await vi.waitFor(() => expect(sleepers("1061")).toHaveLength(1), { timeout: 30_000 });
    const broker = box.processNamed("broker");
    running.kill("SIGSTOP");
    process.kill(broker, "SIGKILL");
    running.kill("SIGKILL");
    await running.finished;
    expect((await box.run(["start", "true"])).status).toBe(0);
    await untilNothingIsLeft();
  });
});

describe("fault-D2: as process 1", () => {
  const asInit = ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child"];

  test.each(isRoot ? ["start"] : [])("%s reaps what others leave behind", async (command) => {
    const script =
      'for i in 1 2 3; do sh -c "sleep 0.2 & exit 0"; done; until ! pgrep -x sleep; do :; done; ps -eo stat | grep -c Z';
    const { status, stdout } = await box.run([command, script], { prefix: asInit });
    expect([status, stdout.trim().split("\n").at(-1)]).toEqual([1, "0"]);
  });

  test.each(
    isRoot
      ? ([
          ["SIGTERM", 143],
          ["SIGINT", 130],
          ["SIGHUP", 129],
          ["SIGQUIT", 143],
        ] as const)
      : [],
  )("%s takes the instance down in order", async (signal, expected) => {
    const running = box.start(["start", "echo ready; sleep 1067"], { prefix: asInit });
    await running.waitFor("ready");
    const init = readFileSync(`/proc/${running.pid}/task/${running.pid}/children`, "latin1").trim();
    process.kill(Number(init), signal);
    expect((await running.finished).status).toBe(expected);
  });
});

test("fault-D4: what an instance starts has the soft limit of open files that sluice was started with", async () => {
  const limits = "sluice exec sh -c 'ulimit -Sn; ulimit -Hn'; ulimit -Sn; ulimit -Hn";
  box.write("plan.toml", `[[tasks]]\nname = "t"\ncommand = "ulimit -Sn; ulimit -Hn"\n`);
  const script = `sluice modprobe run plan.toml; ${limits}`;
  const { stdout } = await box.shell(
    `prlimit --nofile=256:1024 sluice start '${script.replaceAll("'", "'\\''")}'`,
  );
  expect(stdout.trim().split("\n")).toEqual(["256", "1024", "256", "1024", "256", "1024"]);
});

test("fault-D4: ordinary programs have it too, unless their units say otherwise", async () => {
  const program = (name: string, more = ""): string =>
    `[[modules]]\nname = "${name}"\ncommand = "ulimit -Sn; ulimit -Hn; exec sleep 1000"\nready = { log = "1024|512" }\n${more}\n`;
  const file = box.write("stack.toml", program("plain") + program("own", 'limits = { nofile = "64:512" }'));
  const { stdout } = await box.shell(
    `prlimit --nofile=256:1024 sluice start -f ${file} 'sluice logs plain; sluice logs own'`,
  );
  const said = stdout.split("\n").flatMap((line) => / (\w+ \| \d+)$/.exec(line)?.[1] ?? []);
  expect(said).toEqual(["plain | 256", "plain | 1024", "own | 64", "own | 512"]);
});

describe("fault-E1: SIGUSR1 opens no debugger", () => {
  test("of any process of an instance, and ends none", async () => {
    box.write("quiet.mjs", `export const moduleName = "quiet";\nexport const modMain = (h) => h.run();\n`);
    const load = "sluice module load --exec ./quiet.mjs && echo ready";
    const ask = "until [ -e go ]; do sleep 0.02; done; sluice exec -r all true && sluice ping -c 1 quiet";
    // Hosts of rc1 that end meanwhile could not be signalled.
    const running = box.start([
      "start",
      "-s",
      "2",
      "-S",
      "broker.host-linger=60s",
      `trap '' USR1; ${load} && ${ask} && sleep 1068`,
    ]);
    await running.waitFor("ready");
    const nodes = box.survivors().filter((pid) => isNode(pid));
    expect(nodes.length).toBeGreaterThanOrEqual(4);
    for (const pid of nodes) process.kill(Number(pid), "SIGUSR1");
    box.write("go", "");
    await vi.waitFor(() => expect(sleepers("1068")).toHaveLength(1), { timeout: 30_000 });
    expect(listeners(nodes)).toEqual([]);
    running.kill("SIGTERM");
    await running.finished;
  });

  test("at any moment from the start on of what is started as all our processes are", async () => {
    const [node, ...flags] = NODE_COMMAND;
    for (let delayMs = 0; delayMs < 240; delayMs += 20) {
      const main = join(CHECKOUT, "dist/cli/main.cjs");
      const child = spawn(node, [...flags, main, "modprobe", "show", "kvs"], {
        env: box.environment(),
        stdio: ["ignore", "ignore", "pipe"],
      });
      // It may have ended before the signal.
      const closed = once(child, "close");
      let stderr = "";
      child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
      await sleep(delayMs);
      child.kill("SIGUSR1");
      expect(listeners([String(child.pid)])).toEqual([]);
      await closed;
      expect(stderr).not.toContain("ebugger listening");
    }
  });
});

describe("fault-C1: without descriptors", () => {
  test.each([1, 2, 3, 4, 5])(
    "to spare but %d a load fails, cron counts, and the broker lives",
    async (spare) => {
      box.write("quiet.mjs", `export const moduleName = "quiet";\nexport const modMain = (h) => h.run();\n`);
      const create = `{"name":"c","event":"go","command":"true"}`;
      const prepare = `sluice rpc cron.create '${create}' && echo ready`;
      const load = "sluice module load --exec ./quiet.mjs; echo loaded $?; sluice event pub go";
      const wait = (file: string): string => `until [ -e ${file} ]; do sleep 0.02; done`;
      const script = `${prepare}; ${wait("go")}; ${load}; echo done; ${wait("on")}; ${load}; sluice rpc cron.list && sluice module remove quiet`;
      const running = box.start(["start", script]);
      await running.waitFor("ready");
      const broker = box.processNamed("broker");
      const used = readdirSync(`/proc/${broker}/fd`).map(Number);
      const limit = firstFree(used, spare);
      spawnSync("prlimit", ["--pid", String(broker), `--nofile=${limit}:`]);
      box.write("go", "");
      await running.waitFor("done");
      expect(running.output()).toContain("loaded 1");
      spawnSync("prlimit", ["--pid", String(broker), "--nofile=1024:"]);
      box.write("on", "");
      const { status, stdout, stderr } = await running.finished;
      expect(stderr).not.toContain("unhandled");
      expect(stdout).toContain("loaded 0");
      expect(status).toBe(0);
    },
  );

  test("a restart counts as failed and is tried again, cron says so and counts, and connections wait", async () => {
    box.write("quiet.mjs", "export const modMain = (h) => h.run();\n");
    box.write(
      "modprobe.d/quiet.toml",
      `[[modules]]\nname = "quiet"\nmodule = "../quiet.mjs"\nexec = true\non-failure = "restart"
restart = { delay = "20ms", longest = "20ms", tries = "infinity" }\n`,
    );
    const wait = (file: string): string => `until [ -e ${file} ]; do sleep 0.02; done`;
    const create = `{"name":"c","interval":0.05,"command":"true"}`;
    const script = `sluice modprobe load quiet && sluice rpc cron.create '${create}' && sluice rpc module.usage && echo ready
      ${wait("go")}; (echo asks; sluice uptime) &
      ${wait("on")}; until sluice module list | grep -q "quiet.* R "; do :; done
      sluice rpc module.usage; sluice rpc cron.list; sluice rpc cron.delete '{"name":"c"}'; wait`;
    const running = box.start(["start", script], { env: { FLUX_MODPROBE_PATH_APPEND: box.dir } });
    await running.waitFor("ready");
    const broker = box.processNamed("broker");
    // No new descriptor at all; those that it has stay open.
    spawnSync("prlimit", ["--pid", String(broker), "--nofile=3:"]);
    const pid = /"pid":(\d+)[^{]*$/.exec(running.output())?.[1];
    process.kill(Number(pid), "SIGKILL");
    await running.waitFor("EMFILE");
    await running.waitFor("cron.err: c: ");
    box.write("go", "");
    await running.waitFor("asks");
    spawnSync("prlimit", ["--pid", String(broker), "--nofile=1024:"]);
    box.write("on", "");
    const { status, stdout, stderr } = await running.finished;
    expect(stderr).not.toMatch(/unhandled|uncaught/i);
    expect(stdout).toContain("1 of 1 ranks online");
    expect(stdout).toMatch(/"name":"quiet"[^{]*"restarts":[1-9][^]*"failures":[1-9]/);
    expect(status).toBe(0);
  });

  test("of its own a program that connects or listens has an error with its number, and lives", () => {
    const library = new URL("../../dist/index.js", import.meta.url).href;
    const script = `
      import { closeSync, openSync } from "node:fs";
      import { Broker, connect } from ${JSON.stringify(library)};
      const broker = await Broker.start({});
      const full = [];
      try { for (;;) full.push(openSync("/dev/null")); } catch {}
      const failed = async (run) => { try { await run(); return "done"; } catch (error) { return [error.code, error.errnum]; } };
      console.log(JSON.stringify(await failed(() => connect(broker.uri))));
      console.log(JSON.stringify(await failed(() => Broker.start({}))));
      full.forEach((fd) => closeSync(fd));
      const handle = await connect(broker.uri);
      console.log(handle.rank);
      await handle.close();
      await broker.close();`;
    const file = box.write("full.mjs", script);
    const { stdout, stderr } = spawnSync("prlimit", ["--nofile=1024:1024", process.execPath, file], {
      encoding: "utf8",
      env: { ...process.env, TMPDIR: box.dir, XDG_RUNTIME_DIR: "" },
    });
    expect([stdout.split("\n"), stderr]).toEqual([
      ['["BROKER_UNREACHABLE",24]', expect.stringMatching(/^\["[A-Z_]+",24\]$/), "0", ""],
      "",
    ]);
  });
});

/** The limit under which so many more descriptors than these can be opened. */
function firstFree(used: readonly number[], spare: number): number {
  let limit = 0;
  for (let free = 0; free < spare; limit++) if (!used.includes(limit)) free++;
  return limit;
}

function isNode(pid: string): boolean {
  return readFileSync(`/proc/${pid}/cmdline`, "latin1").startsWith(process.execPath);
}

/** What listens in processes, as ss prints it. */
function listeners(pids: readonly string[]): string[] {
  const { stdout } = spawnSync("ss", ["-Hltnp"], { encoding: "utf8" });
  return stdout.split("\n").filter((line) => pids.some((pid) => line.includes(`pid=${pid},`)));
}
