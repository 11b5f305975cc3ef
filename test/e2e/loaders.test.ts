import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Finished, Sandbox } from "../helpers/sluice.js";

const ROOT = join(import.meta.dirname, "../..");
const MESSAGES = pathToFileURL(join(ROOT, "dist/messages/index.js")).href;

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  box.remove();
});

function put(name: string, text: string, mode = 0o644): string {
  const path = join(box.dir, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

/** Runs a script in an instance without shipped modules, which would only take time. */
function inInstance(script: string, ...options: string[]): Promise<Finished> {
  const bare = ["-S", "broker.rc1_path=", "-S", "broker.rc3_path="];
  return box.run(["start", ...bare, ...options, "bash", put("script.sh", `set -e\n${script}\n`)]);
}

/** A loader of files that hold one word: their module answers `NAME.say` with it. */
const WORD_LOADER = `#!${process.execPath}
  const { readFileSync } = require("node:fs");
  const word = readFileSync(process.argv.at(-1), "utf8").trim();
  const socket = new (require("node:net").Socket)({ fd: 3, readable: true, writable: true });
  import(${JSON.stringify(MESSAGES)}).then(async ({ socketChannel, runModuleMain }) => {
    await runModuleMain(socketChannel(socket), async () => (h) => {
      h.handle("say", () => ({ word, argv: process.argv.slice(2, -1) }));
      return h.run();
    });
    socket.once("close", () => process.exit());
  });`;

describe("a loader from the configuration", () => {
  test("takes files by its suffix, versions too, and by its magic, and is given their path", async () => {
    put("site/bin/word-loader", WORD_LOADER, 0o755);
    const config = put(
      "site/config.toml",
      `[loaders.word]\nsuffixes = [".word"]\nmagic = "W!"\ncommand = ["bin/word-loader", "--loud"]\n`,
    );
    put("a.word", "alpha");
    put("b.word.1.2", "beta");
    put("c", "W! gamma");
    const { status, stdout, stderr } = await inInstance(
      `sluice module load ./a.word; sluice rpc a.say
       sluice module load ./b.word.1.2; sluice rpc b.say
       sluice module load ./c; sluice rpc c.say
       sluice module load -n d --loader=word ./script.sh
       sluice dmesg | grep -o 'module-exec .*'
       for m in a b c d; do sluice module remove $m; done`,
      "-c",
      config,
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout.split("\n")).toEqual([
      '{"word":"alpha","argv":["--loud"]}',
      '{"word":"beta","argv":["--loud"]}',
      '{"word":"W! gamma","argv":["--loud"]}',
      "module-exec a",
      "module-exec b",
      "module-exec c",
      "module-exec d",
      "",
    ]);
    expect(box.survivors()).toEqual([]);
  });
});

describe("sluice module load", () => {
  test("--exec runs a module in a process, --loader takes a path of a program", async () => {
    put("word-loader", WORD_LOADER, 0o755);
    put("x.word", "xi");
    put("pid.mjs", "export function modMain(h) { h.handle('pid', () => process.pid); return h.run(); }\n");
    const { status, stdout } = await inInstance(
      `sluice module load --exec ./pid.mjs
       test "$(sluice rpc pid.pid)" != "$(sluice getattr broker.pid)"
       cd / && sluice module load --loader="$OLDPWD/word-loader" "$OLDPWD/x.word"; cd "$OLDPWD"
       sluice rpc x.say
       sluice module remove x; sluice module remove pid`,
    );
    expect({ status, stdout }).toEqual({ status: 0, stdout: '{"word":"xi","argv":[]}\n' });
  });

  test("--loader needs a module given by path, and an unknown one is refused with those that there are", async () => {
    put("x.mjs", "");
    const { stdout, stderr } = await inInstance(
      `sluice module load --loader=process x || echo "status $?"
       sluice module load --loader=proces ./x.mjs || echo "status $?"`,
    );
    expect(stdout).toBe("status 2\nstatus 1\n");
    expect(stderr).toMatch(/needs a module given by path/);
    expect(stderr).toMatch(/unknown loader 'proces'.*program.*process.*thread.*did you mean 'process'/);
  });
});

test("modules in processes die with a broker that is killed", async () => {
  put(
    "busy.mjs",
    "export function modMain(h) { h.setRunning(); setImmediate(() => { for (;;); }); return h.run(); }\n",
  );
  const { stdout } = await inInstance(
    `sluice module load --exec ./busy.mjs
     echo before; kill -KILL "$(sluice getattr broker.pid)"; sleep 1000`,
  );
  expect(stdout).toBe("before\n");
  await vi.waitFor(() => expect(box.survivors()).toEqual([]), { timeout: 5000 });
});

describe("the example in C", () => {
  const SOURCE = join(ROOT, "examples/wire-c/hello.c");

  test("is at most 150 lines", () => {
    expect(readFileSync(SOURCE, "utf8").trimEnd().split("\n").length).toBeLessThanOrEqual(150);
  });

  test("compiles without a warning and lives the life of a module under any name", async () => {
    const strict = ["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Werror", "-pedantic"];
    execFileSync("cc", [...strict, "-o", join(box.dir, "hello"), SOURCE]);
    const { status, stdout, stderr } = await inInstance(
      `sluice module load ./hello
       sluice module load -n 'other' ./hello
       sluice rpc hello.hello; sluice rpc other.hello
       sluice rpc hello.ping '{"a":[1,"}\\\\\\" {"],"b":"é"}'; sluice rpc hello.ping
       sluice rpc hello.nothing || echo "status $?"
       sluice module reload hello
       for n in $(seq 20); do sluice rpc other.ping $n >/dev/null & done; wait
       sluice module list | cut -c1-34
       sluice module remove hello; sluice module remove other; sluice module list`,
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: "sluice-rpc: Function not implemented\n" });
    expect(stdout.split("\n")).toEqual([
      '{"hello":"from C","name":"hello"}',
      '{"hello":"from C","name":"other"}',
      '{"a":[1,"}\\\\\\" {"],"b":"é"}',
      "status 1",
      expect.stringMatching(/^Module/) as string,
      expect.stringMatching(/^hello +\d+ +R/) as string,
      expect.stringMatching(/^other +\d+ +R/) as string,
      expect.stringMatching(/^Module/) as string,
      "",
    ]);
    expect(box.survivors()).toEqual([]);
  });
});
