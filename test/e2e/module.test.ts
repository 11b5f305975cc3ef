/** Every subcommand of `sluice module`, with every option under both of its names. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { liveInstance } from "../helpers/live-instance.js";
import { type Finished, Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
  box.write(
    "watched.mjs",
    `export async function modMain(h, ...args) {
       for (const name of args.filter((arg) => arg.startsWith("svc-"))) await h.registerService(name);
       h.handle("args", () => ({ args, pid: process.pid }));
       h.handle("never", () => undefined);
       h.handle("spin", () => {
         h.log("info", h.name + " spins");
         setTimeout(() => { for (;;); });
       });
       h.handle("fail", () => { throw Object.assign(new Error("no such thing"), { errnum: 2 }); });
       await h.run();
     }`,
  );
});
afterEach(() => {
  expect(box.leftovers()).toEqual([]);
  expect(box.survivors()).toEqual([]);
  box.remove();
});

/** Runs a script in an instance without modules of its own, whose modules may fail. */
function inInstance(script: string): Promise<Finished> {
  const bare = ["-S", "broker.rc1_path=", "-S", "broker.rc3_path=", "-S", "broker.module-nopanic=1"];
  return box.run(["start", ...bare, "bash", box.write("script.sh", `${script}\n`)]);
}

async function linesOf(script: string): Promise<string[]> {
  const { stdout, stderr } = await inInstance(script);
  expect(stderr).toBe("");
  return stdout.trimEnd().split("\n");
}

describe("sluice module list", () => {
  test("prints the table that Flux users know; -l adds the path and cuts a long list of services", async () => {
    const services = ["svc-alpha", "svc-beta", "svc-gamma", "svc-delta"];
    const [head, short, bare, longHead, long, , json = ""] = await linesOf(`
      sluice module load -n one ./watched.mjs ${services.join(" ")}
      sluice module load --name two --exec ./watched.mjs
      sluice module list
      sluice module list --long
      sluice module list --json
      sluice module remove one; sluice module remove two`);
    expect(head).toBe("Module                    Idle  S Sendq Recvq Service");
    expect(short).toMatch(/^one {24} {2}\d {2}R {5}0 {5}0 svc-alpha,svc-beta,svc-gamma,svc-delta$/);
    expect(bare).toMatch(/^two {24} {2}\d {2}R {5}0 {5}0$/);
    expect(longHead).toMatch(/^Module {20}Idle {2}S Sendq Recvq Service +Path$/);
    expect(long).toMatch(/ R {5}0 {5}0 svc-alpha,svc-beta,svc-\+ \/.*\/watched\.mjs$/);
    expect(JSON.parse(json)).toMatchObject([
      { name: "one", services, loader: "thread", pid: null, thread: "own" },
      { name: "two", state: "R", loader: "process", pid: expect.any(Number) as number, thread: null },
    ]);
  });

  test("tells what the file of a module was, and -l marks one that has changed or is gone", async () => {
    const content = readFileSync(join(box.dir, "watched.mjs"));
    const lines = await linesOf(`
      for name in kept changed gone; do cp watched.mjs $name.mjs; sluice module load ./$name.mjs; done
      echo "// more" >> changed.mjs; rm gone.mjs
      sluice module list -l | tail -n +2 | sed 's|.*/||'
      sluice module list --json
      sluice module reload changed; sluice module list -l --json
      for name in kept changed gone; do sluice module remove $name; done`);
    const digest = `sha256-${createHash("sha256").update(content).digest("hex")}`;
    const file = { digest, size: content.length };
    expect(lines.slice(0, 3)).toEqual(["kept.mjs", "changed.mjs (changed)", "gone.mjs (missing)"]);
    expect(JSON.parse(lines[3] ?? "")).toMatchObject([file, file, file]);
    expect(JSON.parse(lines[4] ?? "")).toMatchObject([
      { ...file, fileState: "same" },
      { size: content.length + 8, fileState: "same" },
      { ...file, fileState: "missing" },
    ]);
  });

  test("with -a shows the services of the broker too", async () => {
    const lines = await linesOf(`
      sluice module load ./watched.mjs
      sluice module list -a -l | tail -n +2 | tr -s ' ' | cut -d' ' -f 1,6 | grep -v watched
      sluice module list -a --json
      sluice module remove watched`);
    const modules = JSON.parse(lines.pop() ?? "") as { name: string }[];
    expect(lines).toEqual(
      ["module", "service", "event", "attr", "config", "log", "exec", "broker", "run", "overlay"].map(
        (name) => `${name} builtin`,
      ),
    );
    expect(modules.map(({ name }) => name)).toContain("watched");
    expect(modules[0]).toMatchObject({ path: "builtin", loader: "builtin", digest: null, state: "R" });
  });
});

describe("sluice module load, reload and remove", () => {
  test("pass arguments on, run it where they are told, and take the path for the name", async () => {
    const lines = await linesOf(`
      cd / && sluice module load --loader=process "$OLDPWD/watched.mjs" a --b=c -n; cd "$OLDPWD"
      test "$(sluice rpc watched.args | grep -o '[0-9]*}')" != "$(sluice getattr broker.pid)}" && echo apart
      sluice rpc watched.args | cut -d, -f1-3
      sluice module reload ./watched.mjs
      sluice rpc watched.args | cut -d, -f1-3
      sluice module reload --force watched x
      sluice rpc watched.args | cut -d, -f1
      sluice module unload ./watched.mjs
      sluice module reload -f ./watched.mjs fresh
      sluice rpc watched.args | cut -d, -f1
      sluice module remove "$PWD/watched.mjs"
      sluice module remove -f watched && sluice module unload --force ./watched.mjs && echo gone
      sluice module list | wc -l`);
    expect(lines).toEqual([
      "apart",
      '{"args":["a","--b=c","-n"]',
      '{"args":["a","--b=c","-n"]',
      '{"args":["x"]',
      '{"args":["fresh"]',
      "gone",
      "1",
    ]);
  });

  test("reload takes the name that it has, and another loader, as load does", async () => {
    const lines = await linesOf(`
      pid() { sluice rpc one.args | grep -o '[0-9]*}'; }
      sluice module load -n one ./watched.mjs a
      test "$(pid)" = "$(sluice getattr broker.pid)}" && echo thread
      sluice module reload --name=one --exec ./watched.mjs
      test "$(pid)" != "$(sluice getattr broker.pid)}" && echo process
      sluice module reload -n one ./watched.mjs b
      test "$(pid)" != "$(sluice getattr broker.pid)}" && echo process
      sluice module reload -n one --loader thread ./watched.mjs
      test "$(pid)" = "$(sluice getattr broker.pid)}" && echo thread
      sluice rpc one.args | cut -d, -f1
      sluice module reload -n one --loader=lua ./watched.mjs 2>/dev/null || echo "status $?"
      sluice module list | wc -l
      sluice module reload -f -n two --exec ./watched.mjs c
      sluice module remove two; sluice module remove one`);
    // What cannot be loaded leaves the old one running.
    expect(lines).toEqual(["thread", "process", "process", "thread", '{"args":["b"]', "status 1", "2"]);
  });

  test("remove --cancel ends a module that is busy for ever, in a thread or a process", async () => {
    const { stdout, stderr } = await inInstance(`
      sluice module load -n thread ./watched.mjs; sluice module load -n process --exec ./watched.mjs
      for m in thread process; do
        sluice rpc $m.spin & spin=$!
        until sluice dmesg | grep -q "$m spins"; do :; done
        sluice module remove --cancel $m; echo "$m $?"
        wait $spin; echo "spin $?"
      done`);
    expect(stdout).toBe("thread 0\nspin 1\nprocess 0\nspin 1\n");
    expect(stderr).toContain("module disconnect");
  });

  test("remove --cancel of one of a thread group asks for --force, and names the group", async () => {
    const unit = (name: string) =>
      `[[modules]]\nname = "${name}"\nmodule = "${join(box.dir, "watched.mjs")}"\nthread = "yard"\non-failure = "log"\n`;
    box.write("site/modprobe.d/yard.toml", ["north", "south"].map(unit).join(""));
    const { stdout, stderr } = await inInstance(`
      export FLUX_MODPROBE_PATH_APPEND="$PWD/site"
      sluice modprobe load north south
      sluice module remove --cancel north || echo "status $?"
      sluice module list --json | grep -o '"name":"[a-z]*"'
      sluice module remove --cancel -f north; echo "status $?"
      until sluice dmesg | grep -o 'south module runtime failure.*'; do :; done
      sluice module list --json`);
    expect(stdout.trimEnd().split("\n")).toEqual([
      "status 1",
      '"name":"north"',
      '"name":"south"',
      "status 0",
      "south module runtime failure: thread group 'yard' was terminated",
      "[]",
    ]);
    expect(stderr.split("\n")[0]).toBe(
      "sluice-module: north: cancelling it would end its thread group 'yard' with south; use --force to end the group",
    );
  });
});

describe("sluice module stats and debug", () => {
  test("take every option by its long name, and the path of the module", async () => {
    const lines = await linesOf(`
      sluice module load ./watched.mjs
      sluice module stats --parse rx.request --type double --scale 0.5 ./watched.mjs
      sluice module stats --parse=utime --rusage=children -t int watched
      sluice module stats --rusage=thread watched | grep -c utime
      sluice module stats --rusage ./watched.mjs | grep -c maxrss
      sluice module stats --clear ./watched.mjs; sluice module stats -p rx.event watched
      sluice module stats --clear-all watched
      until sluice module stats -p rx.request watched | grep -x 1; do :; done
      sluice module debug --set 0xff ./watched.mjs
      sluice module debug --clearbit 017 watched
      sluice module debug --setbit 1 watched
      sluice module debug --clear watched
      sluice module remove watched`);
    expect(lines[0]).toMatch(/^\d+\.\d{6}$/);
    expect(lines.slice(1)).toEqual(["0", "1", "1", "0", "1", "0xff", "0xf0", "0xf1", "0x0"]);
  });

  test("say what is wrong with what they are given", async () => {
    const { stdout, stderr } = await inInstance(`
      sluice module load ./watched.mjs
      sluice module stats -p rx.letters watched; echo $?
      sluice module stats -t int watched; echo $?
      sluice module stats ./nowhere.mjs; echo $?
      sluice module debug ghost; echo $?
      sluice module stats -Rneighbours watched 2>&1 | head -1
      sluice module stats -c -C watched 2>&1 | head -1
      sluice module debug -S 08 watched 2>&1 | head -1
      sluice module debug -s 0x100000000 watched 2>&1 | head -1
      sluice module remove watched`);
    expect(stdout.trimEnd().split("\n")).toEqual([
      ...["1", "1", "1", "1"],
      "sluice-module: option '-R, --rusage' is of self, children, thread, not of 'neighbours'",
      "sluice-module: option '-C, --clear-all' cannot be used with option '-c, --clear'",
      "sluice-module: option '-S, --set <mask>' argument '08' is invalid. must be a number in hex (0x…), octal (0…) or decimal.",
      "sluice-module: option '-s, --setbit <bit>' argument '0x100000000' is invalid. must be a number in hex (0x…), octal (0…) or decimal.",
    ]);
    expect(stderr.trimEnd().split("\n")).toEqual([
      "sluice-module: no value at 'rx.letters'",
      "sluice-module: --type and --scale need --parse with the key of a number",
      "sluice-module: ./nowhere.mjs: no module is loaded from this file",
      "sluice-module: No service matching ghost.debug is registered",
    ]);
  });
});

describe("sluice module trace", () => {
  /** Pings until the trace has seen enough and ended; a trace that was not there yet misses some. */
  const pingWhile =
    'while kill -0 $trace 2>/dev/null; do sluice ping -c 1 watched >/dev/null; done; wait $trace; echo "status $?"';

  test("waits for a module that is not loaded yet, and shows it from its welcome on", async () => {
    const { stdout } = await inInstance(`
      sluice module trace --full --type control -c 1 watched & trace=$!
      while kill -0 $trace 2>/dev/null; do sluice module load ./watched.mjs; sluice module remove watched; done
      wait $trace; echo "status $?"`);
    expect(stdout).toMatch(
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z rx control {2}watched welcome \[\d+\] \{"name":"watched",.*\}\nstatus 0\n$/,
    );
  });

  test("goes on until Ctrl-C, and then has status 130", async () => {
    const instance = await liveInstance(box);
    await instance.run("module", "load", "./watched.mjs");
    const trace = instance.start("module", "trace", "-t", "request", "watched");
    while (!trace.output().includes("watched.ping [9]\n")) await instance.run("ping", "-c", "1", "watched");
    trace.kill("SIGINT");
    const { status, stderr } = await trace.finished;
    expect({ status, stderr }).toEqual({ status: 130, stderr: "" });
    await instance.run("module", "remove", "watched");
    await instance.stop();
  });

  test("shows errors, and keeps to a topic and types", async () => {
    const { stdout } = await inInstance(`
      sluice module load ./watched.mjs
      sluice module trace --topic 'watched.f*' --type response --count 1 & trace=$!
      while kill -0 $trace 2>/dev/null; do sluice rpc watched.fail 2>/dev/null; done; wait $trace
      sluice module remove watched`);
    expect(stdout).toMatch(/^\S+Z tx response watched watched\.fail \[0\] errnum=2 \(no such thing\)\n$/);
  });

  test("prints JSON, relative times and colours as it is told", async () => {
    const { stdout } = await inInstance(`
      sluice module load ./watched.mjs
      sluice module trace --json -f -c 2 -T '*.ping' watched & trace=$!; ${pingWhile}
      sluice module trace -H -c 2 -T '*.ping' & trace=$!; ${pingWhile}
      sluice module trace --human --delta --color=always -c 1 -T '*.ping' -t request & trace=$!; ${pingWhile}
      sluice module remove watched`);
    const lines = stdout.trimEnd().split("\n");
    const [first, second] = lines.slice(0, 2).map((line) => JSON.parse(line) as Record<string, unknown>);
    const common = { name: "watched", topic: "watched.ping", payloadBytes: 9, payload: { seq: 0 } };
    expect([first, second].map((record) => ({ ...record, time: 0 })).toSorted(byType)).toEqual([
      { ...common, time: 0, direction: "rx", type: "request" },
      { ...common, time: 0, direction: "tx", type: "response", errnum: 0 },
    ]);
    expect(lines.slice(2).filter((line) => line.startsWith("status"))).toEqual(Array(3).fill("status 0"));
    expect(lines[3]).toMatch(/^\[ {3}\+0\.000000\] [rt]x (request |response) watched watched\.ping \[9\]/);
    expect(lines[6]).toContain("\u001b[");
  });

  function byType(a: Record<string, unknown>, b: Record<string, unknown>): number {
    return String(a["type"]).localeCompare(String(b["type"]));
  }

  test("ends with its reader, and with status 2 for what is no type", async () => {
    const { stdout, stderr } = await inInstance(`
      sluice module load ./watched.mjs
      sluice module trace -t request | head -1 | wc -l &
      # It learns that nobody reads any more when it has something to say.
      while [ -n "$(jobs -rp)" ]; do sluice ping -c 1 watched >/dev/null; done
      sluice module trace -t letter 2>&1 | head -1
      sluice module trace a.b || echo "status $?"
      sluice module remove watched`);
    expect(stdout.trimEnd().split("\n")).toEqual([
      "1",
      "sluice-module: option '-t, --type <types>' argument 'letter' is invalid. write one of request, response, event, control.",
      "status 1",
    ]);
    expect(stderr).toBe("sluice-module: invalid module name 'a.b'\n");
  });
});
