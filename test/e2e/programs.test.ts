/** Ordinary programs in a whole instance: unit files, `module list`, `sluice logs` (docs/design/programs.md §1). */
import { existsSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { programText } from "../../src/cli/terminal/program-text.js";
import { Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  box.remove();
});

const BARE = ["-S", "broker.rc1_path=", "-S", "broker.rc3_path="];

/** Runs a script in an instance that has only the units of a file. */
async function within(units: string, script: string, options: readonly string[] = []) {
  box.write("units/modprobe.d/stack.toml", units);
  return box.run(["start", ...BARE, ...options, "bash", "-c", script], {
    env: { FLUX_MODPROBE_PATH: join(box.dir, "units") },
  });
}

const STACK = `
[[modules]]
name = "db"
command = ["sh", "-c", "echo db is up; exec sleep 1000"]
ready = { log = "is up" }
[[modules]]
name = "api"
command = "echo $PORT in $PWD; [ -e ../../data ] && exec sleep 1000"
requires = ["db"]
after = ["db"]
environment = { PORT = "3000" }
ready = { started = true }
on-failure = "log"
`;

describe("a stack of programs", () => {
  test("is planned, loaded in order, listed with states, explained, and removed", async () => {
    const { stdout, stderr, status } = await within(
      STACK,
      `mkdir data; sluice modprobe load api; echo "load $?"
       sluice module list | awk '{print $1, $3}'
       sluice modprobe show api | grep -o '"directory":"[^"]*"\\|"environment":{[^}]*}'
       sluice modprobe cat api | grep '^directory\\|^command'
       sluice modprobe remove api db; echo "remove $?"
       sluice module list | wc -l`,
    );
    expect(stderr).toBe("");
    const place = join(box.dir, "units/modprobe.d");
    expect(stdout.split("\n")).toEqual([
      "load 0",
      "Module S",
      "db R",
      "api R",
      `"directory":"${place}"`,
      '"environment":{"PORT":"3000"}',
      expect.stringMatching(/^command = .*stack.toml:8$/),
      expect.stringMatching(/^directory = ".*modprobe.d" {2}# from .*stack.toml:8$/),
      "remove 0",
      "1",
      "",
    ]);
    expect(status).toBe(0);
  });

  test("tells by its exit status and words that a program is not ready", async () => {
    const units = `[[modules]]\nname = "never"\ncommand = "echo hm; sleep 1000"\nready = { file = "no", interval = "10ms" }\ntimeout = "4s"\n`;
    const { stdout, stderr } = await within(units, "sluice modprobe load never; echo $?");
    expect(stdout).toBe("1\n");
    expect(stderr).toMatch(/never: not ready within 3.6 s: .*\/no: No such file or directory$/m);
  });
});

/** A program that notes when it was asked to end and when it has, and takes its time for that. */
const noting = (name: string, more: string): string => `
[[modules]]
name = "${name}"
command = ["bash", "-c", "trap 'echo ${name} asked >> $HOME/stops; sleep 1.5; echo ${name} gone >> $HOME/stops; exit' TERM; echo up; while :; do sleep 0.02; done"]
ready = { log = "up" }
${more}`;

describe("the way down", () => {
  const units =
    noting("db", 'stop = { timeout = "30s" }') + noting("api", 'stop = { timeout = "30s" }\nafter = ["db"]');

  test("trap-B15 stops a program when those that came after it have gone, and SIGINT leaves them the time of their units", async () => {
    box.write("units/modprobe.d/stack.toml", units);
    const env = { FLUX_MODPROBE_PATH: join(box.dir, "units"), HOME: box.dir };
    const script = "sluice modprobe load db api; echo loaded; exec sleep 1000";
    const running = box.start(["start", "-S", "broker.rc1_path=", "bash", "-c", script], { env });
    await running.waitFor("loaded");
    running.kill("SIGINT");
    await running.finished;
    expect(readFileSync(join(box.dir, "stops"), "utf8")).toBe("api asked\napi gone\ndb asked\ndb gone\n");
  });
});

test("kill -9 of the broker leaves nothing of its programs", async () => {
  const { stdout } = await within(
    `[[modules]]\nname = "p"\ncommand = "(setsid sleep 1000 &); echo up; sleep 1000; :"\nready = { log = "up" }\n`,
    "sluice modprobe load p; sluice rpc p.status; kill -KILL $(sluice getattr broker.pid); exec sleep 1000",
  );
  const { processes } = JSON.parse(stdout) as { processes: readonly { pid: number }[] };
  expect(processes.length).toBeGreaterThan(2);
  const isThere = ({ pid }: { pid: number }): boolean => existsSync(`/proc/${pid}`);
  await expect.poll(() => processes.filter(isThere), { timeout: 20_000 }).toEqual([]);
});

test("trap-A10 a broker that was stopped for longer than an interval of alive restarts nothing when it goes on", async () => {
  const { stdout } = await within(
    `[[modules]]\nname = "p"\ncommand = "sleep 1000"\nalive = { command = "true", interval = "300ms", timeout = "300ms", failures = 1 }\n`,
    `sluice modprobe load p; before=$(sluice rpc p.status)
     pid=$(sluice getattr broker.pid); kill -STOP $pid; sleep 3; kill -CONT $pid
     sluice ping -c 4 -i 0.5 p > /dev/null
     test "$before" = "$(sluice rpc p.status)" && echo same; sluice dmesg | grep -c 'not alive'`,
  );
  expect(stdout).toBe("same\n0\n");
});

describe("sluice logs", () => {
  test("prints what programs have written, by unit, number and age, as text and as JSON", async () => {
    const { stdout } = await within(
      STACK,
      `mkdir data; sluice modprobe load api
       until sluice logs api 2> /dev/null | grep -q 3000; do :; done
       sluice logs | sed 's/^[^ ]* //'; echo --; sluice logs -n 1 db --json; echo --
       sluice logs --stats db; echo --; sluice logs no; echo $?; sluice logs -n x; echo $?; sluice logs --since 1h | wc -l`,
    );
    const [all, json, stats, errors] = stdout.split("--\n");
    expect(all).toBe(`db | db is up\napi | 3000 in ${join(box.dir, "units/modprobe.d")}\n`);
    expect(JSON.parse(json ?? "")).toEqual({
      time: expect.any(Number) as number,
      unit: "db",
      stream: "stdout",
      text: "db is up",
    });
    expect(stats).toBe("db: 9 bytes written, 9 kept, 0 dropped\n");
    expect(errors).toBe("1\n2\n2\n");
  });

  test("has its lines in the log file of the broker, too", async () => {
    const file = join(box.dir, "log");
    await within(STACK, `sluice modprobe load db; until grep -q 'db is up' ${file}; do :; done`, [
      `--log-file=${file}`,
    ]);
    const line =
      readFileSync(file, "utf8")
        .split("\n")
        .find((text) => text.includes("db is up")) ?? "";
    expect(JSON.parse(line)).toMatchObject({ level: "info", name: "db", text: "db is up", rank: 0 });
  });
});

describe("the log file of an instance", () => {
  const LINES = (text: string, count: number): string =>
    program(
      `i=1; while [ $i -le ${count} ]; do echo ${text} $i; i=$((i+1)); done; echo ${text} end; exec sleep 1000`,
    );
  const program = (line: string): string =>
    `[[modules]]\nname = "chatty"\ncommand = ${JSON.stringify(line)}\nready = { log = "end$" }\n`;

  /** The numbered lines of files, in their order. */
  function linesIn(files: readonly string[]): string[] {
    return files.flatMap(
      (file) => readFileSync(join(box.dir, file), "utf8").match(/line (?:\d+|end)/g) ?? [],
    );
  }

  test("is moved away when it is full, and loses no line", async () => {
    const flags = ["--log-file=log", "--log-file-max=40kB", "--log-file-keep=99"];
    const { status } = await box.run([
      "start",
      ...flags,
      "-f",
      box.write("stack.toml", LINES("line", 3000)),
      "true",
    ]);
    expect(status).toBe(0);
    const older = readdirSync(box.dir).flatMap((name) => /^log\.(\d+)$/.exec(name)?.[1] ?? []);
    expect(older.length).toBeGreaterThan(3);
    const files = older.sort((a, b) => Number(b) - Number(a)).map((number) => `log.${number}`);
    expect(linesIn([...files, "log"])).toEqual([
      ...Array.from({ length: 3000 }, (_, at) => `line ${at + 1}`),
      "line end",
    ]);
  });

  test("is opened anew on SIGUSR2, which the supervisor passes on", async () => {
    const file = box.write("stack.toml", LINES("line", 1));
    const running = box.start(["start", "--log-file=log", "-f", file]);
    await running.waitFor("line end");
    renameSync(join(box.dir, "log"), join(box.dir, "moved"));
    running.kill("SIGUSR2");
    await expect.poll(() => existsSync(join(box.dir, "log"))).toBe(true);
    expect((await box.run(["module", "reload", "chatty"])).status).toBe(0);
    running.kill("SIGINT");
    await running.finished;
    expect([linesIn(["moved"]), linesIn(["log"])]).toEqual([
      ["line 1", "line end"],
      ["line 1", "line end"],
    ]);
  });

  test("is what the flags of its size are about", async () => {
    const alone = await box.run(["start", "--log-file-max=1MB", "true"]);
    expect([alone.status, alone.stderr.split("\n")[0]]).toEqual([
      2,
      "sluice-start: --log-file-max and --log-file-keep go with --log-file",
    ]);
    const bad = await box.run(["start", "--log-file=log", "--log-file-max=much", "true"]);
    expect([bad.status, bad.stderr.includes("write a size such as 64MiB")]).toEqual([2, true]);
  });
});

test("trap-C8 colours pass on a terminal and are removed elsewhere, every other control is shown", () => {
  const text = "\u001b[31mred\u001b[0m \u001b[2Jclear \u001b]0;title\u0007 tab\t bell\u0007 \u202e";
  const shown = String.raw` \x1b[2Jclear \x1b]0;title\x07 tab${"\t"} bell\x07 \u202e`;
  expect(programText(text, false)).toBe(`red${shown}`);
  expect(programText(text, true)).toBe(`\u001b[31mred\u001b[0m${shown}\u001b[0m`);
});
