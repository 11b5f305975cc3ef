/** What tasks print, on its way to the log. */
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";
import { Stack } from "../instance/support/stack.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  expect(box.survivors()).toEqual([]);
  box.remove();
});

const BARE = ["-S", "broker.rc1_path=", "-S", "broker.rc3_path="];

const COMMANDS = `
[[tasks]]
name = "shell"
command = "echo said; echo complained >&2; echo opened > /dev/stderr; echo added >> /dev/stdout"
runlevels = ["rc1"]

[[tasks]]
name = "words"
command = ["sh", "-c", "printf 'no end' > /dev/stderr"]
after = ["shell"]
`;

const TYPESCRIPT = `
import { spawnSync } from "node:child_process";
import { task } from "sluice/rc";
task("script", { after: ["words"] }, async (c) => {
  console.log("said by code");
  console.error("complained by code");
  await c.bash("echo opened by bash > /dev/stderr");
  spawnSync("sh", ["-c", "echo inherited > /dev/stderr"], { stdio: "inherit" });
});
`;

const PYTHON = `
import sys
from sluice.rc import task

@task("snake", after=["script"])
def snake(c):
    print("said by Python")
    print("complained by Python", file=sys.stderr)
    c.bash("echo opened by Python > /dev/stderr")
`;

/** Lines of a log, without their times. */
function linesOf(log: string): string[] {
  return log
    .split("\n")
    .filter(Boolean)
    .map((line) => line.replace(/^\S+ /, ""));
}

describe("fault-G11: the output of tasks", () => {
  test("is in the log with their names, both streams; what was meant for people is on standard error", async () => {
    box.write("site/rc1.d/commands.toml", COMMANDS);
    box.write("site/rc1.d/script.ts", TYPESCRIPT);
    box.write("site/rc1.d/snake.py", PYTHON);
    const env = { FLUX_MODPROBE_PATH_APPEND: join(box.dir, "site") };
    const { status, stdout, stderr } = await box.run(["start", "sluice dmesg | grep rc1.info"], { env });
    const lines = linesOf(stdout);
    const from = (unit: string): string[] => lines.filter((line) => line.startsWith(`rc1.info: ${unit}: `));
    expect([...from("shell")].sort()).toEqual([
      "rc1.info: shell: added",
      "rc1.info: shell: complained",
      "rc1.info: shell: opened",
      "rc1.info: shell: said",
    ]);
    expect(from("words")).toEqual(["rc1.info: words: no end"]);
    expect([...from("script")].sort()).toEqual([
      "rc1.info: script: complained by code",
      "rc1.info: script: opened by bash",
      "rc1.info: script: said by code",
    ]);
    expect(from("snake")).toHaveLength(3);
    expect(lines).toContain("rc1.info: inherited");
    expect(stderr.split("\n")).toEqual(
      expect.arrayContaining(["shell: complained", "script: complained by code", "words: no end"]),
    );
    expect(stderr).not.toContain("said");
    expect(status).toBe(0);
  });

  test("that the log shows on standard error anyway is not repeated there", async () => {
    box.write("site/rc1.d/commands.toml", COMMANDS);
    const env = { FLUX_MODPROBE_PATH_APPEND: join(box.dir, "site") };
    const { stderr } = await box.run(["start", "-S", "log-stderr-level=6", "true"], { env });
    expect(stderr.split("\n").filter((line) => line.endsWith("complained"))).toEqual([
      "rc1.info: shell: complained",
    ]);
  });

  test("is kept with the output of programs", async () => {
    box.write("site/rc1.d/commands.toml", COMMANDS);
    const env = { FLUX_MODPROBE_PATH_APPEND: join(box.dir, "site") };
    const script =
      "sluice logs words shell; sluice logs --json words; sluice logs --stats words; sluice logs other";
    const { stdout, stderr, status } = await box.run(["start", "bash", "-c", script], { env });
    const [json, stats] = stdout.trimEnd().split("\n").slice(-2);
    expect(linesOf(stdout).slice(0, -2).sort()).toEqual([
      "shell | added",
      "shell | complained",
      "shell | opened",
      "shell | said",
      "words | no end",
    ]);
    expect(JSON.parse(json ?? "")).toMatchObject({
      unit: "words",
      stream: "stderr",
      text: "no end",
      task: true,
    });
    expect(stats).toBe("words: 7 bytes written, 7 kept, 0 dropped");
    expect(stderr).toContain("other: no started program and no task with output has this name");
    expect(status).toBe(1);
  });

  test("keeps a line of a mebibyte whole, whatever its characters", async () => {
    const command = "head -c 1000000 /dev/zero | tr '\\\\0' '\\\\001'; echo end";
    box.write("site/rc1.d/long.toml", `[[tasks]]\nname = "long"\ncommand = "${command}"\n`);
    const env = { FLUX_MODPROBE_PATH_APPEND: join(box.dir, "site") };
    const { stdout } = await box.run(["start", "sluice logs --json long; sluice dmesg | wc -c"], { env });
    const lines = stdout
      .trimEnd()
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as { text: string });
    expect(lines.map(({ text }) => text).join("")).toBe(`${"\u0001".repeat(1_000_000)}end`);
  });

  test("is shown once in the foreground of an instance of files, on the stream that the task wrote it to", async () => {
    const files = box.write(
      "own.toml",
      `${COMMANDS}
[[tasks]]
name = "last"
command = "echo goodbye"
runlevels = ["rc3"]

[[modules]]
name = "web"
command = "echo serving; exec sleep 1000"
after = ["words"]
`,
    );
    const running = box.start(["start", "-f", files]);
    await running.waitFor("serving");
    running.kill("SIGTERM");
    const { stdout, stderr } = await running.finished;
    expect(linesOf(stdout).sort()).toEqual([
      "last | goodbye",
      "shell | added",
      "shell | said",
      "web | serving",
    ]);
    const said = stderr.split("\n").filter((line) => /complained|opened|no end/.test(line));
    expect(said.sort()).toEqual(["shell: complained", "shell: opened", "words: no end"]);
  });

  test("is in the log with their names in an embedded instance too", async () => {
    const lines: string[] = [];
    const broker = await new Stack(COMMANDS).start({
      roots: ["words"],
      onLog: ({ name, level, text }) => void lines.push(`${name}.${level}: ${text}`),
    });
    await broker.shutdown();
    expect(lines).toContain("rc1.info: words: no end");
  });
});

describe("fault-G11: a command whose output is read", () => {
  test("is not waited for by what it leaves in the background, and loses nothing that it wrote itself", async () => {
    box.write(
      "many.toml",
      `[[tasks]]
name = "many"
command = "seq 1 20000; sleep 1000 & true"
`,
    );
    const { stdout, status } = await box.run(["start", ...BARE, "sluice modprobe run ./many.toml"]);
    expect(stdout.trimEnd().split("\n")).toHaveLength(20_000);
    expect(status).toBe(0);
  });

  test("fails as it does without pipes when it cannot be started", async () => {
    box.write("bad.sh", "#!/no/such/interpreter\n");
    box.write(
      "bad.toml",
      `[[tasks]]
name = "bad"
command = ["./bad.sh"]
`,
    );
    const { stderr } = await box.shell("chmod +x bad.sh; sluice modprobe run ./bad.toml");
    expect(stderr).toContain("bad: ./bad.sh: its interpreter /no/such/interpreter is missing");
  });

  test("of exec can be opened, and lasts until each of its writers has gone", async () => {
    const { stdout, stderr } = await box.run([
      "start",
      ...BARE,
      "sluice exec sh -c 'echo late > /dev/stderr & wait; echo opened > /dev/stdout'",
    ]);
    expect(stdout).toContain("opened\n");
    expect(stderr).toContain("late\n");
  });
});
