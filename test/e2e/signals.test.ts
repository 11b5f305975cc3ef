/** Signals to an instance, as service managers, programs and operators send them. */
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
let env: Record<string, string>;
beforeEach(() => {
  box = new Sandbox();
  env = { SLUICE_CONFDIR: `${box.dir}/conf` };
});
afterEach(() => {
  expect(box.leftovers()).toEqual([]);
  expect(box.survivors()).toEqual([]);
  box.remove();
});

const BARE = ["-S", "broker.rc1_path=", "-S", "broker.rc3_path="];

describe("one stop that comes by several ways", () => {
  test.each([1, 3])("of %i ranks is orderly: SIGTERM to every process at once", async (size) => {
    // The program tells where the brokers are; it, too, is a process of the service.
    const script =
      'for r in $(seq 0 $(($(sluice getattr size) - 1))); do sluice rpc -r $r attr.get \'{"name":"broker.pid"}\'; done; echo up; sleep 1000';
    const command = box.start(["start", "-s", String(size), script], { env });
    await command.waitFor("up");
    const pids = [...command.output().matchAll(/"value":"(\d+)"/g)].map(([, pid]) => Number(pid));
    expect(pids).toHaveLength(size);
    for (const pid of [command.pid, ...pids]) process.kill(pid, "SIGTERM");
    const { status, stderr } = await command.finished;
    expect(stderr).not.toContain("was not properly shut down");
    expect(status).toBe(143);
  });

  test("is orderly when start is killed, and rank 0 tells the others", async () => {
    const command = box.start(["start", "-s", "3", "--log-file", "log", "sh -c 'echo up; exec sleep 1000'"], {
      env,
    });
    await command.waitFor("up");
    process.kill(command.pid, "SIGKILL");
    const { stderr } = await command.finished;
    expect(stderr).not.toContain("was not properly shut down");
  });
});

test("two interrupts end a program that ignores them, with the status of the interrupt", async () => {
  const script = "trap 'echo heard' INT TERM; echo up; while :; do read -t 0.1 _ <> <(:); done";
  const window = ["-S", "broker.same-signal-within=0ms"];
  const command = box.start(["start", ...BARE, ...window, "bash", "-c", script], { env });
  await command.waitFor("up");
  command.kill("SIGINT");
  await command.waitFor("heard");
  command.kill("SIGINT");
  expect((await command.finished).status).toBe(130);
});

describe("fault-B3: SIGTERM to every process of a service at once", () => {
  test("leaves the hosts of modules and rc files to clean up in order", async () => {
    const note = (name: string): string => `echo ${name} >> ${box.dir}/notes`;
    box.write(
      "conf/modprobe/modprobe.d/hosts.toml",
      ["node.mjs", "thread.mjs", "snake.py"]
        .map(
          (file) =>
            `[[modules]]\nname = "${file.split(".")[0]}"\nmodule = "./${file}"\nexec = ${file === "node.mjs"}\n`,
        )
        .join(""),
    );
    const script = `import { execSync } from "node:child_process";
      export async function modMain(h) { await h.run(); execSync("${note("$0")}".replace("$0", h.name)); }\n`;
    box.write("conf/modprobe/modprobe.d/node.mjs", script);
    box.write("conf/modprobe/modprobe.d/thread.mjs", script);
    box.write(
      "conf/modprobe/modprobe.d/snake.py",
      `import os\ndef mod_main(h, *args):\n    h.run()\n    os.system("${note("snake")}")\n`,
    );
    box.write("conf/modprobe/rc1.d/hosts.toml", 'load = ["node", "thread", "snake"]\n');
    box.write(
      "conf/modprobe/rc3.d/slow.py",
      `import sluice.rc, time, os\n@sluice.rc.task("slow")\ndef slow(c):\n    c.bash("${note("slow")}")\n`,
    );
    const command = box.start(["start", "echo up; exec sleep 1000"], { env });
    await command.waitFor("up");
    box.signalSurvivors("SIGTERM");
    const { stderr, status } = await command.finished;
    expect(stderr).toBe("");
    expect(status).toBe(143);
    expect(readFileSync(`${box.dir}/notes`, "utf8").trim().split("\n").sort()).toEqual([
      ...["node", "slow", "snake", "thread"],
    ]);
  });
});

describe("fault-B4: a second signal within 500 ms of the first", () => {
  test.each(["SIGTERM", "SIGINT"] as const)(
    "is the same one: %s twice during rc1 ends in order",
    async (signal) => {
      box.write(
        "conf/modprobe/rc1.d/slow.toml",
        '[[tasks]]\nname = "slow"\ncommand = "echo up >&2; sleep 0.3; sleep 0.3"\nafter = ["kvs"]\n',
      );
      const command = box.start(["start", "true"], { env });
      await command.waitFor("up");
      command.kill(signal);
      command.kill(signal);
      const { stderr, status } = await command.finished;
      expect(stderr).not.toContain("was not properly shut down");
      expect(stderr).not.toContain("cancelling the running units");
      expect(status).toBe(signal === "SIGINT" ? 130 : 143);
    },
  );
});

describe("fault-B5: SIGTERM of a service manager", () => {
  const orderly = [
    ["INVOCATION_ID", "0123456789abcdef0123456789abcdef"],
    ["NOTIFY_SOCKET", "/nonexistent/notify"],
  ];
  test.each(orderly)("ends in order with status 0 where %s is set", async (name, value) => {
    const script = ["-v", "-S", "log-stderr-level=debug"];
    const broker = box.start(["broker", ...BARE, ...script], { env: { ...env, [name]: value } });
    await broker.waitFor("state run");
    broker.kill("SIGTERM");
    expect((await broker.finished).status).toBe(0);
  });

  test("is 143 without one, and SIGINT is 130 with one", async () => {
    for (const [signal, status, more] of [
      ["SIGTERM", 143, {}],
      ["SIGINT", 130, { INVOCATION_ID: "x" }],
    ] as const) {
      const broker = box.start(["broker", ...BARE, "-S", "log-stderr-level=debug"], {
        env: { ...env, ...more },
      });
      await broker.waitFor("state run");
      broker.kill(signal);
      expect((await broker.finished).status).toBe(status);
    }
  });

  test("is no orderly end when a module did not go in order", async () => {
    const end = ["-S", "broker.rc3_path=exit 1"];
    const broker = box.start(
      ["broker", BARE[0] ?? "", BARE[1] ?? "", ...end, "-S", "log-stderr-level=debug"],
      {
        env: { ...env, INVOCATION_ID: "x" },
      },
    );
    await broker.waitFor("state run");
    broker.kill("SIGTERM");
    expect((await broker.finished).status).toBe(1);
  });
});

test.each([
  ["start", []],
  ["exec", ["sluice", "exec", "-r", "all"]],
])("SIGUSR1 and SIGUSR2 to %s are the program's, as often as they come", async (_command, through) => {
  box.write(
    "tell.mjs",
    `let twos = 0;
     process.on("SIGUSR1", () => console.log("one"));
     process.on("SIGUSR2", () => { console.log("two", ++twos); if (twos === 2) process.exit(0); });
     setInterval(() => undefined, 1000);
     console.log("up");`,
  );
  const command = box.start(["start", ...BARE, ...through, process.execPath, "tell.mjs"], { env });
  await command.waitFor("up");
  command.kill("SIGUSR1");
  await command.waitFor("one");
  command.kill("SIGUSR2");
  await command.waitFor("two 1");
  command.kill("SIGUSR2");
  const { stderr, status } = await command.finished;
  expect(stderr).not.toContain("Debugger");
  expect(status).toBe(0);
});

test("a tiny limit for payloads refuses what is larger, and nothing else", async () => {
  const script =
    "sluice rpc broker.ping '{\"n\":1}'; sluice rpc broker.ping '\"" +
    "x".repeat(200) +
    "\"' || echo refused; sluice getattr size";
  const { stdout, status } = await box.run(["start", ...BARE, "-S", "broker.max-payload=100", script], {
    env,
  });
  expect(stdout).toBe('{"n":1}\nrefused\n1\n');
  expect(status).toBe(0);
});

test("an attribute set while the instance runs says what its rc3 is", async () => {
  const { status, stderr } = await box.run(
    ["start", "-S", "broker.rc1_path=", "sluice setattr broker.rc3_path 'echo custom >&2; exit 3'"],
    { env },
  );
  expect(stderr).toContain("custom\n");
  expect(status).toBe(1);
});

test("a module in a thread finds its instance in its environment", async () => {
  box.write(
    "env.mjs",
    'export async function modMain(h) { h.handle("uri", () => process.env.SLUICE_URI ?? null); await h.run(); }',
  );
  const script =
    'sluice module load ./env.mjs && sluice rpc env.uri; echo "\\"$SLUICE_URI\\""; sluice module remove env';
  const { stdout } = await box.run(["start", ...BARE, script], { env });
  const [found, uri] = stdout.trimEnd().split("\n");
  expect(found).toBe(uri);
});

test("more ranks than a machine can have are refused before anything is made", async () => {
  const { status, stderr } = await box.run(["start", "-s", "99999999", "true"], { env });
  expect(stderr).toContain("at most 10000 ranks");
  expect(status).toBe(2);
});
