import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  box.remove();
});

interface Listed {
  readonly name: string;
  readonly pid: number;
  readonly uri: string;
  readonly files: readonly string[];
}

async function listed(): Promise<Listed[]> {
  const { stdout } = await box.run(["instances", "--json"]);
  return JSON.parse(stdout) as Listed[];
}

/** Two programs, and a task between them that notes each of its runs. */
const STACK = `
[[modules]]
name = "db"
command = "echo db is up; exec sleep 1000"
ready = { log = "is up" }

[[tasks]]
name = "migrate"
command = ["sh", "-c", "echo ran >> $MIGRATIONS"]
requires = ["db"]
after = ["db"]

[[modules]]
name = "api"
command = "echo api is up; exec sleep 1000"
ready = { log = "is up" }
requires = ["db"]
after = ["db", "migrate"]
`;

/** It prints without a pause. */
const CHATTY = '[[modules]]\nname = "talk"\ncommand = "while echo line; do sleep 0.01; done"\n';

function stack(path = "shop/stack.toml", text = STACK): string {
  return box.write(path, text.replace("$MIGRATIONS", join(box.dir, "migrations")));
}

async function namesIn(uri: string): Promise<string[]> {
  const { stdout } = await box.run(["module", "list", "--json", "--uri", uri]);
  return (JSON.parse(stdout) as { readonly name: string }[]).map(({ name }) => name).sort();
}

function expectNothingLeft(): void {
  expect(box.leftovers()).toEqual([]);
  expect(box.survivors()).toEqual([]);
}

describe("start -f", () => {
  test("trap-C2: in a pipe prints plain lines, ends by Ctrl-C with 130, and works again after kill -9", async () => {
    const file = stack();
    const killed = box.start(["start", "-f", file]);
    await killed.waitFor("api | api is up");
    box.signalSurvivors("SIGKILL");
    await killed.finished;
    const running = box.start(["start", "-f", file]);
    await running.waitFor("api | api is up");
    running.kill("SIGINT");
    const { status, stdout } = await running.finished;
    expect(status).toBe(130);
    const lines = stdout.trimEnd().split("\n");
    const texts = lines.map((line) => line.replace(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /, ""));
    expect(texts).toEqual(["db | db is up", "api | api is up"]);
    expect(readdirSync(dirname(file))).toEqual(["stack.toml"]);
    expectNothingLeft();
  });

  test("stops the programs in their order when the reader of its output has gone", async () => {
    const file = box.write("chatty.toml", CHATTY);
    const { stdout, stderr } = await box.shell(
      `sluice start -f ${file} | head -1 > first; echo \${PIPESTATUS[0]}`,
    );
    expect(stderr).not.toContain("lost the supervisor");
    expect(stdout).toBe("143\n");
    expectNothingLeft();
  });

  test("reports a full disk of its output once, and the instance runs on", async () => {
    const file = box.write("chatty.toml", CHATTY);
    const running = box.start(["start", "-f", file], {
      prefix: ["bash", "-c", 'exec "$@" > /dev/full', "bash"],
    });
    await running.waitFor("No space left on device");
    expect((await box.run(["stop"])).status).toBe(0);
    const { stderr } = await running.finished;
    expect(stderr.split("\n").filter((line) => /No space|lost the supervisor/.test(line))).toEqual([
      "sluice-start: standard output: No space left on device",
    ]);
    expectNothingLeft();
  });

  test("runs a command with its own status, with the modules of the files alone, and none that is disabled", async () => {
    const more = '[[modules]]\nname = "off"\ncommand = "exec sleep 1000"\ndisabled = true\n';
    const files = ["-f", stack(), "-f", stack("shop/more.toml", more)];
    const { status, stdout } = await box.run([
      "start",
      ...files,
      "sluice module list | cut -d' ' -f1; exit 7",
    ]);
    expect([status, stdout]).toEqual([7, "Module\ndb\napi\n"]);
    expectNothingLeft();
  });

  test("fails with status 1 when a program does not get ready, and says why, in the foreground and detached", async () => {
    const file = stack(
      "shop/bad.toml",
      '[[modules]]\nname = "web"\ncommand = "echo no port >&2; exit 3"\n' + 'ready = { log = "never" }\n',
    );
    for (const flags of [[], ["--detach"]]) {
      const { status, stderr } = await box.run(["start", ...flags, "-f", file]);
      expect(status).toBe(1);
      expect(stderr).toContain("rc1 failed: web: ");
      expect(stderr).toContain("no port");
      expectNothingLeft();
    }
  });

  test("refuses a file that is missing, and a command beside --detach", async () => {
    const missing = await box.run(["start", "-f", "none.toml"]);
    expect(missing.status).toBe(1);
    expect(missing.stderr).toBe(`sluice-start: ${join(box.dir, "none.toml")}: No such file or directory\n`);
    const both = await box.run(["start", "-f", stack(), "--detach", "true"]);
    expect([both.status, both.stderr.split("\n")[0]]).toEqual([
      2,
      "sluice-start: --detach starts no command: an instance in the background runs until 'sluice stop'",
    ]);
  });
});

describe("start -f --detach", () => {
  test("trap-C3: returns 0 once all is ready and the tasks have ended; trap-C4: once more, it names the instance and changes nothing", async () => {
    const file = stack();
    const first = await box.run(["start", "-f", file, "--detach"]);
    expect(first.status).toBe(0);
    const [instance] = await listed();
    const { pid = 0, uri = "", name, files } = instance ?? {};
    expect([name, files]).toEqual(["stack", [file]]);
    expect(first.stdout).toBe(`SLUICE_URI=${uri}\n`);
    expect(first.stderr).toBe(`sluice-start: stack runs (pid ${pid}); 'sluice stop' ends the instance\n`);
    expect(await namesIn("shop/stack.toml")).toEqual(["api", "db"]);
    const again = await box.run(["start", "-f", "shop/stack.toml", "--detach"]);
    expect([again.status, again.stdout]).toEqual([0, first.stdout]);
    const words = `${file} runs already: instance stack (pid ${pid}); nothing changes`;
    expect(again.stderr).toContain(words);
    const foreground = await box.run(["start", "-f", file]);
    expect([foreground.status, foreground.stderr]).toEqual([1, `sluice-start: ${words}\n`]);
    expect((await box.shell(`cat ${box.dir}/migrations`)).stdout).toBe("ran\n");
    expect((await listed()).map((one) => one.pid)).toEqual([pid]);
    const stopped = await box.run(["stop", "-f", file]);
    expect([stopped.status, stopped.stderr]).toEqual([0, ""]);
    expectNothingLeft();
  });

  test("trap-C1: two files in one directory are two instances, and each is stopped by its own", async () => {
    const [dev, live] = [stack("shop/dev.toml"), stack("shop/live.toml")];
    const other = stack("other/dev.toml");
    await Promise.all([dev, live, other].map((file) => box.run(["start", "-f", file, "--detach"])));
    const byFile = async (): Promise<(string | undefined)[]> =>
      (await listed()).map(({ files: [file] }) => file).sort();
    expect(await byFile()).toEqual([other, dev, live].sort());
    const vague = await box.run(["stop", "shop"]);
    expect(vague.status).toBe(1);
    expect(vague.stderr).toMatch(
      /^sluice-stop: 'shop' names several instances: .*dev \(pid \d+\).*; give a pid\n$/,
    );
    expect((await box.run(["stop"])).stderr).toMatch(
      /^sluice-stop: 3 instances run: .*dev \(pid \d+\).*; name one\n$/,
    );
    expect((await box.run(["stop", "-f", dev])).status).toBe(0);
    expect(await byFile()).toEqual([other, live].sort());
    expect((await box.run(["stop", "live"])).status).toBe(0);
    expect((await box.run(["stop"])).status).toBe(0);
    const none = await box.run(["stop", "-f", dev]);
    expect([none.status, none.stderr]).toEqual([
      1,
      `sluice-stop: no instance of ${dev} runs; 'sluice instances' lists the running instances\n`,
    ]);
    expectNothingLeft();
  });

  test("trap-C9: with load the other units stay in the catalog, and module load starts them", async () => {
    const file = stack("shop/stack.toml", `load = ["db"]\n${STACK}`);
    const { stdout } = await box.run(["modprobe", "plan", "--file", file]);
    expect(stdout).toContain("db");
    expect((await box.run(["start", "-f", file, "--detach"])).status).toBe(0);
    expect(await namesIn("stack")).toEqual(["db"]);
    const loaded = await box.run(["module", "load", "api"]);
    expect([loaded.status, loaded.stderr]).toEqual([0, ""]);
    expect(await namesIn("stack")).toEqual(["api", "db"]);
    expect((await box.run(["stop"])).status).toBe(0);
    expectNothingLeft();
  });

  test("trap-C10: a stop that takes long says once which modules and pids it waits for", async () => {
    const stubborn = `
[[modules]]
name = "slow"
command = ["bash", "-c", "trap '' TERM; echo up; while :; do sleep 0.1; done"]
ready = { log = "up" }
stop = { timeout = "2s" }
`;
    const file = stack("shop/slow.toml", stubborn);
    const after = ["-S", "broker.stopping-after=200ms"];
    expect((await box.run(["start", ...after, "-f", file, "--detach"])).status).toBe(0);
    const { status, stderr } = await box.run(["stop"]);
    expect(status).toBe(0);
    expect(stderr.match(/^broker\.warning: the shutdown waits for slow \(pid \d+\)$/gm)).toHaveLength(1);
    expectNothingLeft();
  });
});
