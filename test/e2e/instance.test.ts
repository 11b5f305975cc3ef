import { execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Finished, Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  expect(box.leftovers()).toEqual([]);
  expect(box.survivors()).toEqual([]);
  box.remove();
});

const NO_RC = ["-S", "broker.rc1_path=", "-S", "broker.rc3_path="];

describe("the configuration", () => {
  /** Notes each configuration that it is given; refuses one with `bad`. */
  const WATCHER = `export async function modMain(h) {
    const seen = [];
    h.handle("config-reload", ({ payload }) => {
      seen.push(payload.v);
      if (payload.bad) throw Object.assign(new Error("bad is not for me"), { errnum: 22 });
      return null;
    });
    h.handle("seen", () => ({ seen, v: h.conf("v") }));
    await h.run();
  }\n`;

  test("reload reads the files again and tells every module, or changes nothing", async () => {
    const file = box.write("site.toml", "v = 1\n");
    box.write("a.mjs", WATCHER);
    const script = [
      "sluice module load ./a.mjs && sluice module load -n b ./a.mjs",
      "echo 'v = 2' > site.toml && sluice config reload && sluice config get v",
      // Against the schema: no module hears of it.
      "printf 'v = 3\\n[loaders.x]\\ncomand = []\\n' > site.toml; sluice config reload; echo $?",
      // Refused by modules: put back.
      "printf 'v = 4\\nbad = true\\n' > site.toml; sluice config reload; echo $?",
      "chmod o+w site.toml; sluice config reload; echo $?",
      "sluice config get; sluice rpc b.seen; sluice module remove a; sluice module remove b",
    ];
    const result = await box.run(["start", ...NO_RC, "-c", file, script.join("\n")]);
    const lines = result.stdout.trimEnd().split("\n");
    expect(lines.slice(0, 5)).toEqual(["2", "1", "1", "1", '{"v":2}']);
    const { seen, v } = JSON.parse(lines[5] ?? "") as { readonly seen: number[]; readonly v: number };
    expect(v).toBe(2);
    // One of the two refused first, so that the other may or may not have taken the new one before.
    expect([seen[0], seen.includes(3), seen.includes(4)]).toEqual([2, false, true]);
    expect(result.stderr).toContain(`${file}:3:1: invalid config key comand [BROKER_CONFIG]`);
    expect(result.stderr).toMatch(/sluice-config: [ab]: bad is not for me/);
    expect(result.stderr).toContain(`${file}:1:1: may be written by others; try: chmod o-w ${file}`);
    expect(result.status).toBe(0);
  });

  test("load takes TOML, JSON and YAML, and points at what is wrong", async () => {
    const script = [
      "printf 'v = 1\\n[a]\\nb = \"x\"\\n' | sluice config load && sluice config get -r a.b",
      "echo '{\"v\": 2}' | sluice config load && sluice config get",
      "printf 'v: 3\\nlist: [1, 2]\\n' | sluice config load && sluice config get list",
      "printf 'v = 1\\nv = 2\\n' | sluice config load; echo $?",
      "printf 'kinds:\\n  sched: new\\nloaders: 3\\n' | sluice config load; echo $?",
      "sluice config get v; sluice config get nothing; echo $?; sluice config reload; echo $?",
    ];
    const result = await box.run(["start", ...NO_RC, script.join("\n")]);
    expect(result.stdout).toBe('x\n{"v":2}\n[1,2]\n1\n1\n3\n1\n1\n');
    const places = [...result.stderr.matchAll(/^<stdin>:\d+:\d+: .*\[(\w+)\]$/gm)].map(([line]) => line);
    expect(places.map((line) => line.replace(/: .*\[/, " ["))).toEqual([
      "<stdin>:2:1 [UNIT_SYNTAX]",
      "<stdin>:2:10 [BROKER_CONFIG]",
      "<stdin>:3:10 [BROKER_CONFIG]",
    ]);
  });

  test("load warns of a table for a unit that no file defines, with its place", async () => {
    const script = [
      "printf '[modules.kvsx]\nafter = [\"content\"]\n' | sluice config load; echo $?",
      "printf '[modules.kvs]\nafter = [\"content\"]\n' | sluice config load; echo $?",
    ];
    const { stdout, stderr, status } = await box.run(["start", ...NO_RC, script.join("\n")]);
    expect(stdout).toBe("0\n0\n");
    expect(stderr.split("\n")).toEqual([
      "<stdin>:1:1: warning: no such module or task 'kvsx' [UNIT_UNKNOWN_UNIT]",
      "  [modules.kvsx]",
      "  ^^^^^^^^^^^^^^",
      "  hint: did you mean 'kvs'?",
      "",
    ]);
    expect(status).toBe(0);
  });

  test("flags and files are merged in the order in which they stand", async () => {
    box.write("conf.d/1.toml", "a = 1\nb = 1\nc = 1\nd = 1\n");
    box.write("conf.d/2.yaml", "b: 2\nc: 2\nd: 2\n");
    const last = box.write("last.json", '{"d": 4}');
    const flags = [
      "--conf=c=0",
      "--conf=e.f=0",
      "-c",
      join(box.dir, "conf.d"),
      "--conf=c=3",
      `--conf=${last}`,
    ];
    const { stdout } = await box.run(["start", ...NO_RC, ...flags, "sluice", "config", "get"]);
    expect(JSON.parse(stdout)).toEqual({ a: 1, b: 2, c: 3, d: 4, e: { f: 0 } });
  });

  test("builtin prints directories, and environment variables move them", async () => {
    const env = { SLUICE_DATADIR: "/d", SLUICE_LIBEXECDIR: "/l", SLUICE_CONFDIR: "/c" };
    const all = await box.run(["config", "builtin", "--json"], { env });
    expect(JSON.parse(all.stdout)).toMatchObject({ datadir: "/d", libexecdir: "/l", confdir: "/c" });
    expect(await box.run(["config", "builtin", "confdir"], { env })).toMatchObject({ stdout: "/c\n" });
    const unset = { SLUICE_DATADIR: "", SLUICE_LIBEXECDIR: "", SLUICE_CONFDIR: "" };
    expect(await box.run(["config", "builtin", "confdir"], { env: unset })).toMatchObject({
      stdout: "/etc/sluice\n",
    });
    expect(await box.run(["config", "builtin", "nothing"])).toMatchObject({ status: 1 });
  });
});

test("attributes are read, set, made, listed and removed, and what is read-only says so", async () => {
  const script = [
    "sluice getattr rank; sluice getattr --json hostname; sluice setattr rank 3; echo $?",
    "sluice setattr site north && sluice getattr site && sluice lsattr -v | grep ^site",
    "sluice lsattr --json; sluice lsattr | wc -l",
    "sluice setattr -e site; sluice getattr site; echo $?; sluice setattr -e rank; echo $?",
    "sluice setattr broker.shutdown-timeout never; echo $?; sluice setattr site; echo $?",
  ];
  const { stdout, stderr, status } = await box.run(["start", ...NO_RC, script.join("\n")]);
  const lines = stdout.trimEnd().split("\n");
  expect(lines.slice(0, 5)).toEqual([
    "0",
    expect.stringMatching(/^"/),
    "1",
    "north",
    expect.stringMatching(/^site +north$/),
  ]);
  const listed = JSON.parse(lines[5] ?? "") as Readonly<Record<string, string>>;
  expect(listed).toMatchObject({ rank: "0", size: "1", site: "north", "broker.shutdown-timeout": "30s" });
  expect(lines.slice(6)).toEqual([String(Object.keys(listed).length), "1", "1", "1", "2"]);
  expect(stderr).toContain("sluice-setattr: attribute rank is read-only");
  expect(status).toBe(0);
});

test("a broker is not started with a shutdown time-out that is none", async () => {
  const result = await box.run(["start", "-S", "broker.shutdown-timeout=soon", "true"]);
  expect(result).toMatchObject({ status: 1, stdout: "" });
  expect(result.stderr).toMatch(
    /^sluice-broker: attribute broker.shutdown-timeout must be seconds, a duration/,
  );
});

test("a shutdown that takes longer than broker.shutdown-timeout is cut short", async () => {
  const start = box.start([
    ...["start", "-S", "broker.rc1_path=", "-S", "broker.rc3_path=echo finalizing >&2; sleep 1000"],
    ...["bash", "-c", "sluice setattr broker.shutdown-timeout 300ms; echo ready; sleep 1000"],
  ]);
  await start.waitFor("ready");
  start.kill("SIGTERM");
  expect(await start.finished).toMatchObject({
    status: 143,
    stderr: expect.stringContaining("finalizing") as string,
  });
});

describe("the environment", () => {
  test("what rc1 sets and unsets, the initial program and rc3 see; what is blocked, nobody", async () => {
    box.write(
      "site/rc1.d/a.mjs",
      `import { task } from "sluice/rc";
       task("a", {}, async (c) => {
         await c.setenv({ SITE: "from rc1", GONE: null, SECRET_A: "x" });
         await c.bash("sluice rpc broker.setenv '{\\"env\\":{\\"SITE_LATE\\":\\"1\\"}}' && sluice setattr broker.env-blocklist 'SECRET_*'");
       });\n`,
    );
    const print = 'echo "$SITE ${GONE-gone} ${SITE_LATE-none} ${SECRET_A-blocked} ${SECRET_B-blocked}"';
    const env = {
      FLUX_MODPROBE_PATH: join(box.dir, "site"),
      SLUICE_LIBEXECDIR: join(box.dir, "none"),
      GONE: "still here",
      SECRET_B: "y",
    };
    const args = ["start", "-S", `broker.rc3_path=${print} >&2`, "bash", "-c", print];
    const result = await box.run(args, { env });
    expect(result.stdout).toBe("from rc1 gone 1 blocked blocked\n");
    expect(result.stderr).toBe("from rc1 gone 1 blocked blocked\n");
  });

  test("getenv of rc files in both languages follows what any of them and others set", async () => {
    box.write(
      "site/rc1.d/1.mjs",
      `import { task } from "sluice/rc";
       task("ts-first", { before: ["py"] }, async (c) => {
         await c.setenv({ ONE: "ts", TWO: "ts", INHERITED: null });
       });
       task("ts-last", { after: ["py"] }, async (c) => {
         console.log("ts", c.getenv("ONE"), c.getenv("TWO"), c.getenv("INHERITED", "unset"), c.getenv("OTHER", "unset"));
         await c.rpc("broker.setenv", { env: { OTHER: null } });
         console.log("ts", c.getenv("OTHER", "unset"));
       });\n`,
    );
    box.write(
      "site/rc1.d/2.py",
      [
        "from sluice.rc import task",
        '@task("py")',
        "def py(c):",
        '    print("py", c.getenv("ONE"), c.getenv("TWO"), c.getenv("INHERITED", "unset"), c.getenv("OTHER", "unset"))',
        '    c.setenv("TWO", "py")',
        `    c.bash('sluice rpc broker.setenv \\'{"env":{"OTHER":"bash"}}\\'')`,
        '    print("py", c.getenv("TWO"), c.getenv("OTHER", "unset"))',
        "",
      ].join("\n"),
    );
    const env = {
      FLUX_MODPROBE_PATH: join(box.dir, "site"),
      SLUICE_LIBEXECDIR: join(box.dir, "none"),
      INHERITED: "x",
    };
    const result = await box.run(["start", "sluice", "dmesg"], { env });
    const said = result.stdout.split("\n").flatMap((line) => /rc1\.info: (.*)/.exec(line)?.[1] ?? []);
    expect(said).toEqual([
      "py: py ts ts unset unset",
      "py: py py bash",
      "ts-last: ts ts py unset bash",
      "ts-last: ts unset",
    ]);
  });
});

describe("the log", () => {
  test("goes to a file as JSON lines, which is appended to", async () => {
    const file = join(box.dir, "site.log");
    writeFileSync(file, '{"text":"before"}\n');
    const log = 'sluice rpc log.append \'{"level":"notice","text":"two\\nlines %s"}\'';
    await box.run(["start", ...NO_RC, `--log-file=${file}`, log]);
    const lines = readFileSync(file, "utf8").trimEnd().split("\n");
    const entries = lines.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
    expect(entries[0]).toEqual({ text: "before" });
    expect(entries.find(({ level }) => level === "notice")).toEqual({
      time: expect.any(Number) as number,
      level: "notice",
      name: "client-1",
      text: "two\nlines %s",
      rank: 0,
    });
    expect(entries.at(-1)).toMatchObject({ level: "debug", name: "broker", text: "state goodbye" });
  });

  test("a file that cannot be opened is told before anything starts", async () => {
    const result = await box.run(["start", `--log-file=${join(box.dir, "none/x.log")}`, "echo started"]);
    expect(result).toMatchObject({ status: 1, stdout: "" });
    expect(result.stderr).toMatch(/^sluice-broker: cannot open log file .*: No such file or directory$/m);
  });

  test("fault-E4: is for its owner alone", async () => {
    await box.run(["start", ...NO_RC, "--log-file=new.log", "true"]);
    expect(statSync(join(box.dir, "new.log")).mode & 0o777).toBe(0o600);
  });

  test.each(["fifo", "/dev/null", "."])(
    "fault-E4: %s, which is no regular file, is refused at once",
    async (file) => {
      execFileSync("mkfifo", [join(box.dir, "fifo")]);
      const result = await box.run(["start", ...NO_RC, `--log-file=${file}`, "echo started"]);
      expect(result).toMatchObject({ status: 1, stdout: "" });
      expect(result.stderr).toMatch(/^sluice-broker: cannot open log file .*: is not a regular file$/m);
    },
  );

  test("a file that cannot grow is told once and stops nothing", async () => {
    const file = box.write("full.log", "x".repeat(1024));
    // In units of 1,024 bytes.
    const prefix = ["bash", "-c", 'ulimit -f 1; exec "$@"', "limited"];
    const result = await box.run(["start", ...NO_RC, `--log-file=${file}`, "echo ran"], { prefix });
    expect(result).toMatchObject({ status: 0, stdout: "ran\n" });
    expect(result.stderr.match(/cannot write log file/g)).toHaveLength(1);
  });

  test("log-stderr-level says what reaches standard error", async () => {
    const log = (level: string): string => `sluice rpc log.append '{"level":"${level}","text":"a ${level}"}'`;
    const script = [log("info"), "sluice setattr log-stderr-level info", log("info"), log("debug")].join(
      "; ",
    );
    const { stderr } = await box.run(["start", ...NO_RC, "-S", "log-stderr-level=err", script]);
    expect(stderr.match(/a (info|debug)/g)).toEqual(["a info"]);
  });

  test.each(["dmesg -f", "dmesg -f --json", "event sub"])(
    "%s ends when its reader has gone, with nothing more to print",
    async (follower) => {
      const feed = follower.startsWith("event")
        ? "until sluice event pub a.b; [ -e done ]; do :; done"
        : "true";
      const script = `sluice ${follower} | { head -1 >&2; touch done; } & ${feed}; wait`;
      const result = await box.run(["start", ...NO_RC, "-S", "log-stderr-level=0", "bash", "-c", script]);
      expect(result.status).toBe(0);
      expect(result.stderr.trimEnd().split("\n")).toHaveLength(1);
      expect(existsSync(join(box.dir, "done"))).toBe(true);
    },
  );

  test("dmesg remembers the last 1,024 lines, and is cleared", async () => {
    box.write(
      "chatty.mjs",
      `export async function modMain(h) {
         for (let i = 1; i <= 1100; i++) h.log("info", "line " + i);
         await h.run();
       }\n`,
    );
    const script =
      "sluice module load ./chatty.mjs; sluice dmesg --json > all; sluice dmesg -C; sluice module remove chatty; sluice dmesg | wc -l";
    const { stdout } = await box.run(["start", ...NO_RC, script]);
    const texts = readFileSync(join(box.dir, "all"), "utf8").trimEnd().split("\n");
    expect(texts).toHaveLength(1024);
    expect(JSON.parse(texts.at(-1) ?? "")).toMatchObject({ name: "chatty", text: "line 1100" });
    expect(Number(stdout)).toBeLessThan(10);
  });
});

/** Of the clock that does not jump. */
const uptimeUsec = (): number => Math.floor(Number(process.hrtime.bigint()) / 1000);

describe("a service manager", () => {
  /** Prints each message of a datagram socket as a line of JSON, the first line once it listens. */
  const LISTENER = [
    "import json, socket, sys",
    "address = sys.argv[1]",
    "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)",
    "s.bind('\\0' + address[1:] if address.startswith('@') else address)",
    "print('[]', flush=True)",
    "while True: print(json.dumps(s.recv(4096).decode().split('\\n')), flush=True)",
  ].join("\n");

  /** What a manager hears from a broker that ends with `STOPPING` and goodbye. */
  async function heard(
    address: string,
    env: Readonly<Record<string, string>>,
    until: (message: readonly string[]) => boolean = (message) => message.includes("STATUS=run"),
    args: readonly string[] = [],
  ): Promise<string[][]> {
    const listener = spawn("python3", ["-c", LISTENER, address], { stdio: ["ignore", "pipe", "inherit"] });
    try {
      const lines = createInterface({ input: listener.stdout })[Symbol.asyncIterator]();
      await lines.next();
      const broker = box.start(["broker", ...NO_RC, ...args], { env: { NOTIFY_SOCKET: address, ...env } });
      const messages: string[][] = [];
      for (;;) {
        const line = await lines.next();
        const message = JSON.parse(String(line.value)) as string[];
        if (message.some((line) => /^(READY|RELOADING|STATUS|STOPPING|WATCHDOG)=/.test(line)))
          messages.push(message);
        if (until(message)) broker.kill("SIGTERM");
        if (message.includes("STATUS=goodbye")) break;
      }
      expect(await broker.finished).toMatchObject({ status: 0, stderr: "" });
      return messages;
    } finally {
      listener.kill();
    }
  }

  const EXPECTED = [
    ["STATUS=join"],
    ["STATUS=init"],
    ["STATUS=quorum"],
    ["READY=1", "STATUS=run"],
    ["STOPPING=1", "STATUS=cleanup"],
    ["STATUS=shutdown"],
    ["STATUS=finalize"],
    ["STATUS=goodbye"],
  ];

  test("hears of every state", async () => {
    expect(await heard(join(box.dir, "notify"), {})).toEqual(EXPECTED);
  });

  test("hears of it through Python where there is no systemd-notify, on an abstract socket too", async () => {
    const python = await box.shell(
      "mkdir bin && ln -s \"$(python3 -c 'import sys; print(sys.executable)')\" bin/python3",
    );
    expect(python.status).toBe(0);
    const address = `@sluice-test-${process.pid}`;
    expect(await heard(address, { PATH: join(box.dir, "bin") })).toEqual(EXPECTED);
  });

  test("hears that the broker answers, as often as it wants to", async () => {
    let count = 0;
    const messages = await heard(
      join(box.dir, "notify"),
      { WATCHDOG_USEC: "400000" },
      (message) => message.includes("WATCHDOG=1") && ++count === 3,
    );
    expect(messages.filter(([first]) => first === "WATCHDOG=1").length).toBeGreaterThanOrEqual(3);
    expect(messages.filter(([first]) => first !== "WATCHDOG=1")).toEqual(EXPECTED);
  });

  test("is asked for more time while a start or a stop takes long, on its socket", async () => {
    const messages: string[] = [];
    const args = ["broker.rc1-timeout=60s", "broker.waiting-after=100ms", "broker.waiting-every=100ms"];
    await heard(
      join(box.dir, "notify"),
      {},
      (message) => {
        messages.push(...message);
        return messages.filter((one) => one === "EXTEND_TIMEOUT_USEC=300000").length === 2;
      },
      [
        "-S",
        "broker.rc1_path=exec sleep 1000",
        "-S",
        "broker.rc3_path=sleep 1",
        ...args.flatMap((one) => ["-S", one]),
      ],
    );
    const stopping = messages.indexOf("STOPPING=1");
    expect(messages.indexOf("EXTEND_TIMEOUT_USEC=300000")).toBeLessThan(stopping);
    expect(messages.lastIndexOf("EXTEND_TIMEOUT_USEC=300000")).toBeGreaterThan(stopping);
    expect(messages).not.toContain("READY=1");
  });

  test("does not hear it for another process than it means, and nothing that the broker starts gets the variables", async () => {
    const address = join(box.dir, "notify");
    expect(await heard(address, { WATCHDOG_USEC: "100", WATCHDOG_PID: "1" })).toEqual(EXPECTED);
    const env = { NOTIFY_SOCKET: join(box.dir, "none"), WATCHDOG_USEC: "100" };
    const { stdout } = await box.run(
      ["start", ...NO_RC, "-S", "log-stderr-level=0", 'echo "${WATCHDOG_USEC-unset}"'],
      { env },
    );
    expect(stdout).toBe("unset\n");
  });

  test("hears of a reload, with its time, and that the broker is ready again, whether it was taken or refused", async () => {
    const config = box.write("conf/site.toml", "[site]\na = 1\n");
    const rundir = join(box.dir, "rundir");
    const reload = (): Promise<Finished> => box.run(["config", "reload", `--uri=local://${rundir}/local-0`]);
    const uptimes: number[] = [];
    const reloads: Promise<Finished>[] = [];
    let ready = 0;
    const messages = await heard(
      join(box.dir, "notify"),
      {},
      (message) => {
        if (message.includes("RELOADING=1")) uptimes.push(uptimeUsec());
        if (!message.includes("READY=1")) return false;
        ready += 1;
        uptimes.push(uptimeUsec());
        if (ready === 2) writeFileSync(config, "[site");
        if (ready < 3) reloads.push(reload());
        return ready === 3;
      },
      ["-c", join(box.dir, "conf"), `--rundir=${rundir}`],
    );
    expect((await Promise.all(reloads)).map(({ status }) => status)).toEqual([0, 1]);
    const told = messages.flatMap(([first, second]) =>
      first === "RELOADING=1" || first === "READY=1"
        ? [[first, /^MONOTONIC_USEC=(\d+)$/.exec(second ?? "")?.[1]]]
        : [],
    );
    expect(told.map(([first]) => first)).toEqual([
      "READY=1",
      "RELOADING=1",
      "READY=1",
      "RELOADING=1",
      "READY=1",
    ]);
    // The manager's clock: each reload began after the message before it was read, and before its own was.
    for (const at of [1, 3]) {
      const begun = Number(told[at]?.[1]);
      expect(begun).toBeGreaterThan(uptimes[at - 1] ?? NaN);
      expect(begun).toBeLessThanOrEqual(uptimes[at] ?? NaN);
    }
  });

  test("that cannot be reached keeps nothing from running, and is told of in the log", async () => {
    const env = { NOTIFY_SOCKET: join(box.dir, "nobody"), PATH: "/nonexistent" };
    const broker = box.start(["broker", ...NO_RC], { env });
    await broker.waitFor("NOTIFY_SOCKET needs systemd-notify or python3, which this host lacks");
    broker.kill("SIGTERM");
    expect(await broker.finished).toMatchObject({ status: 0 });
  });

  test("is no business of what the broker starts", async () => {
    const env = { NOTIFY_SOCKET: join(box.dir, "nobody") };
    const { stdout } = await box.run(
      ["start", ...NO_RC, "-S", "log-stderr-level=0", 'echo "${NOTIFY_SOCKET-unset}"'],
      { env },
    );
    expect(stdout).toBe("unset\n");
  });
});

describe("the journal of a service manager", () => {
  const toJournal = (named: string, program: string): Promise<Finished> =>
    box.shell(
      `exec 2>log; export JOURNAL_STREAM="${named}"; exec sluice start ${NO_RC.join(" ")} -S log-stderr-level=info ${program}`,
    );
  const logged = (): string[] => readFileSync(join(box.dir, "log"), "utf8").trimEnd().split("\n");

  test("gets a priority with each line, also of a text of several", async () => {
    box.write(
      "two.mjs",
      `export async function modMain(h) { h.log("warning", "one\\ntwo"); await h.run(); }\n`,
    );
    await toJournal(
      "$(stat -Lc %d:%i /dev/stderr)",
      `sh -c "sluice module load ./two.mjs; sluice module load absent; sluice module remove two"`,
    );
    expect(logged()).toEqual(
      expect.arrayContaining([
        "<4>two.warning: one",
        expect.stringMatching(/^<4> +two$/),
        expect.stringMatching(/^<3>sluice-module: .*absent/),
      ]),
    );
    expect(logged().filter((line) => !/^<[0-7]>/.test(line))).toEqual([]);
  });

  test("that standard error is not any more gets lines as any file does", async () => {
    await toJournal("1:1", `sh -c "sluice module load absent"`);
    expect(logged()).toEqual(expect.arrayContaining([expect.stringMatching(/^sluice-module: .*absent/)]));
  });
});

describe("a module that computes as soon as it has said that it runs", () => {
  const BUSY = `export async function modMain(h) {
    h.setRunning();
    for (;;);
  }\n`;

  const BUSY_PYTHON = "def mod_main(h):\n    h.set_running()\n    while True:\n        pass\n";

  test.each([
    ["in a thread", "./busy.mjs"],
    ["in a process", "--exec ./busy.mjs"],
    ["in Python", "./busy.py"],
  ])("has been loaded, and can be cancelled, %s", async (_where, what) => {
    box.write("busy.mjs", BUSY);
    box.write("busy.py", BUSY_PYTHON);
    const script = `sluice module load ${what}; sluice module list | cut -c1-35; sluice module remove --cancel busy; echo $?`;
    const { stdout, status } = await box.run(["start", ...NO_RC, script]);
    const [, busy = "", removed] = stdout.split("\n");
    expect(busy).toMatch(/^busy +\d+ {2}R/);
    expect(removed).toBe("0");
    expect(status).toBe(0);
  });
});
