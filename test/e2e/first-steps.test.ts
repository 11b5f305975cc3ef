/** What users of the command line type first, and what they are told. */
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Sandbox, SLUICE } from "../helpers/sluice.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  expect(box.survivors()).toEqual([]);
  box.remove();
});

const BARE = ["-S", "broker.rc1_path=", "-S", "broker.rc3_path="];

async function inInstance(script: string, ...flags: string[]) {
  return box.run(["start", ...BARE, ...flags, `{ ${script}\n}`]);
}

describe("fault-G17: the first commands that are typed", () => {
  test("cron add, list and remove are the module's entries", async () => {
    const { stdout, stderr } = await inInstance(`
      sluice module load cron
      sluice cron add --interval 3600 hourly echo 'one two' && sluice cron add --event a.b on-event true
      sluice cron list; sluice cron list --json
      sluice cron add --crontab '0 25 * * *' wrong true; echo $?
      sluice cron add none true; echo $?
      sluice cron remove hourly on-event; sluice cron list --json
      sluice cron remove hourly; echo $?
      sluice module remove cron`);
    const lines = stdout.trimEnd().split("\n");
    expect(lines[1]).toMatch(/^hourly +every 3600 s +0 +0 +0 no +echo one two$/);
    expect(lines[2]).toMatch(/^on-event +event a\.b /);
    expect(JSON.parse(lines[3] ?? "")).toMatchObject([{ name: "hourly", interval: 3600 }, { event: "a.b" }]);
    expect(lines.slice(4)).toEqual(["1", "2", "[]", "1"]);
    expect(stderr).toContain("sluice-cron: name exactly one of --interval, --event and --crontab\n");
  });

  test("status says how the instance is, which modules are waited for, and the latest errors", async () => {
    box.write(
      "slow.mjs",
      "export async function modMain(h) { await h.rpc('event.subscribe', {topic: 'go'}); await new Promise((r) => setTimeout(r, 60000)); }",
    );
    const { stdout } = await inInstance(
      `sluice module load ./slow.mjs &
       until sluice status | grep -q waiting; do :; done
       sluice rpc log.append '{"level":"err","text":"the roof is gone"}'
       sluice status; sluice status --json; sluice module remove --cancel slow; wait`,
    );
    expect(stdout).toMatch(/^ranks {4}1 of 1 online$/m);
    expect(stdout).toMatch(/^modules {2}1 initializing$/m);
    expect(stdout).toMatch(/^waiting {2}for slow: initializing for \d+\.\d s$/m);
    expect(stdout).toMatch(/^error {4}\S+Z client-\d+: the roof is gone$/m);
    const [, json = "{}"] = /^(\{"size".*\})$/m.exec(stdout) ?? [];
    expect(JSON.parse(json)).toMatchObject({ size: 1, online: 1, modules: { initializing: 1 } });
  });

  test("top -r shows the ranks that are named", async () => {
    const { stdout, stderr } = await inInstance(
      "sluice top -r 1 | head -1; sluice top -r all --json; sluice top -r 7; echo $?",
      "-s",
      "2",
    );
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toMatch(/^rank 1 of 2, up /);
    expect(lines.slice(1, 3).map((line) => (JSON.parse(line) as { broker: object }).broker)).toMatchObject([
      { rank: 0, size: 2 },
      { rank: 1, size: 2 },
    ]);
    expect(lines[3]).toBe("1");
    expect(stderr).toContain("sluice-top: rank 7: not in this instance, which has ranks 0-1");
  });

  test("uptime says how long, and shutdown ends in order", async () => {
    const command = box.start([
      "start",
      ...BARE,
      "sluice uptime; sluice uptime --json; sluice shutdown; sleep 1000",
    ]);
    const { stdout, status } = await command.finished;
    expect(stdout).toMatch(/^up \d+ s, 1 of 1 ranks online\n\{"startTime":\d+\.\d+,"seconds":\d/);
    expect(status).toBe(143);
  });
});

describe("fault-G7: a wrong command line", () => {
  test.each([
    [["module", "load"], "missing required argument", "sluice module load"],
    [["start", "-s", "none"], "option '-s, --size <n>' argument 'none' is invalid", "sluice start"],
    [["kvs", "put", "--jsn", "a=1"], "unknown option '--jsn'", "sluice kvs put"],
    [["ping", "--batch", "kvs"], "--batch needs --count", "sluice ping"],
  ])("%j is told in three lines at most, and where the help is", async (args, message, command) => {
    const { status, stdout, stderr } = await box.run(args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    const lines = stderr.trimEnd().split("\n");
    expect(lines[0]).toContain(message);
    expect(lines.at(-2)).toMatch(new RegExp(`^Usage: ${command} `));
    expect(lines.at(-1)).toBe(`see '${command} --help'`);
    expect(lines.length).toBeLessThan(5);
  });
});

test("fault-G10: an older Node is told which one is needed", async () => {
  const old = box.write(
    "old.cjs",
    'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "18.20.4" } });\n',
  );
  const { status, stdout, stderr } = await box.run(["version"], {
    env: { NODE_OPTIONS: `--require=${old}` },
  });
  expect({ status, stdout, stderr }).toEqual({
    status: 1,
    stdout: "",
    stderr: "Sluice needs Node ≥ 20.19; this is 18.20.4\n",
  });
});

describe("fault-G14: the command in an instance", () => {
  test.each([
    ["no other is on the PATH", "/usr/bin:/bin"],
    ["another is on the PATH", "other:/usr/bin:/bin"],
  ])("is the one that started it, where %s", async (_, path) => {
    box.write("other/sluice", "#!/bin/sh\necho other\n");
    await box.shell("chmod +x other/sluice; mkdir -p bin");
    symlinkSync(SLUICE, join(box.dir, "bin/sluice"));
    const node = process.execPath.slice(0, process.execPath.lastIndexOf("/"));
    const PATH = path.replace("other", join(box.dir, "other"));
    const { stdout } = await box.shell(
      `PATH=${PATH}:${node} ./bin/sluice start ${BARE.join(" ")} 'sluice getattr size'`,
    );
    expect(stdout).toBe("1\n");
  });
});

test("fault-F2: getenv gives the variables that are named, and unknown fields are errors everywhere", async () => {
  const { stdout, stderr } = await inInstance(
    `sluice rpc broker.setenv '{"env":{"A":"1","B":"2"}}'
     sluice rpc broker.getenv '{"names":["A","NONE"]}'
     sluice rpc config.get '{"kye":"a"}'; sluice rpc log.dmesg '{"folow":true}'
     sluice module load content-sqlite; sluice module load content; sluice module load kvs
     sluice rpc kvs.get '{"key":"a","optonal":true}'; sluice rpc content.load '{"ref":"x","x":1}'
     sluice module load cron; sluice rpc cron.create '{"name":"a","command":"true","intervall":1}'
     for m in cron kvs content content-sqlite; do sluice module remove $m; done`,
  );
  expect(stdout).toContain('{"env":{"A":"1"}}\n');
  expect(stderr).toContain("unknown field 'kye'; did you mean 'key'?\n");
  expect(stderr).toContain("unknown field 'folow'; did you mean 'follow'?\n");
  expect(stderr).toContain("unknown field 'optonal'; did you mean 'optional'?\n");
  expect(stderr).toContain("unknown field 'intervall'; did you mean 'interval'?\n");
});

test("fault-F9: ping pads, sends in a batch, and reaches upstream; dmesg reads and clears, and follows new lines", async () => {
  const { stdout, stderr } = await box.run([
    "start",
    ...BARE,
    "-s",
    "2",
    `sluice ping -c 1 --pad 100000 broker | sed 's/time=.*//'
     sluice ping -c 3 --batch broker | wc -l
     sluice exec -r 1 sluice ping -c 1 upstream | sed 's/time=.*//'
     sluice ping -c 1 upstream; echo $?
     sluice rpc log.append '{"level":"info","text":"first"}'
     sluice dmesg -c | grep -c first; sluice dmesg | grep -c first
     sluice dmesg --new > new & until sluice module list >/dev/null; do :; done
     until grep -q fresh new; do sluice rpc log.append '{"level":"info","text":"fresh"}'; done; kill $!; grep -c first new
     sluice dmesg -H | head -1 | sed 's/ .*//'`,
  ]);
  const lines = stdout.trimEnd().split("\n");
  expect(lines.slice(0, 7)).toEqual([
    "broker.ping pad=100000 seq=0 ",
    "3",
    expect.stringContaining("broker.ping seq=0 ") as string,
    "1",
    "1",
    "0",
    "0",
  ]);
  expect(lines[7]).toMatch(/^\[[A-Z][a-z]{2}\d\d$/);
  expect(stderr).toContain("sluice-ping: broker.ping: rank 0 has no upstream rank\n");
});

test("fault-F9: the status of a module is not for others to report", async () => {
  const { stdout, stderr } = await inInstance(`sluice rpc module.status '{"status":3}'; echo $?`);
  expect([stdout, stderr]).toEqual(["1\n", "sluice-rpc: only a module can report its status\n"]);
});

test("fault-F13: services of the broker have stats, debug flags and traces, and say that they are no modules", async () => {
  const { stdout, stderr } = await inInstance(
    `sluice config get >/dev/null; sluice module stats config
     sluice module debug --setbit 0x2 broker
     sluice module trace --json -c 2 config > trace & until grep -q request trace; do sluice config get >/dev/null; done; wait $!
     grep -c '"name":"config"' trace
     sluice module reload config; sluice module remove log`,
  );
  expect(stdout).toContain('"rx":{"request":');
  expect(stdout).toContain("0x2\n");
  expect(stdout).toMatch(/\n2\n$/);
  expect(stderr).toContain("config is part of the broker");
  expect(stderr).toContain("log is part of the broker");
});

test("fault-F18: a trace marks bytes, and the usage of a thread has its two times", async () => {
  const { stdout } = await inInstance(
    `sluice module load content; sluice module trace -f -c 1 -t request -T content.store > trace &
     until grep -q . trace; do printf 'ab' | sluice rpc --raw content.store - >/dev/null; done; wait $!
     sed 's/.*] //' trace; sluice module stats -R thread content; sluice module remove content`,
  );
  expect(stdout).toMatch(/^base64:YWI=$/m);
  expect(stdout).toMatch(/"utime":[\d.]+,"stime":[\d.]+\}$/m);
});

test("fault-F17: a module that cleans up shows state F from the request to end on", async () => {
  box.write(
    "tidy.mjs",
    `import { existsSync } from "node:fs";
     export async function modMain(h) { await h.run(); while (!existsSync("done")) await new Promise((r) => setTimeout(r, 5)); }`,
  );
  const { stdout } = await inInstance(
    `sluice module load ./tidy.mjs; sluice module remove tidy &
     until sluice module list | grep -q 'tidy.* F '; do :; done; echo seen; touch done; wait`,
  );
  expect(stdout).toBe("seen\n");
});
