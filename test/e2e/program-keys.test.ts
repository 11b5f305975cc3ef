/** Commands that only plan know the keys of ordinary programs (docs/design/programs.md §1). */
import { afterEach, beforeEach, expect, test } from "vitest";
import { rowsOf } from "../../src/units/keys/keys.js";
import { type Finished, Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  box.remove();
});

/** Key → two values of it. */
const VALUES: Readonly<Record<string, readonly [before: string, after: string]>> = {
  args: ['["-p", "1"]', '["-p", "2"]'],
  "memory-limit": ['"64MiB"', '"65MiB"'],
  "on-failure": ['"log"', '"restart"'],
  watchdog: ['"30s"', '"31s"'],
  command: ['["db-server", "-D", "data"]', '["db-server", "-D", "other"]'],
  directory: ['"/srv/a"', '"/srv/b"'],
  environment: ['{ PORT = "1" }', '{ PORT = "2" }'],
  unset: ['["HOME"]', '["LANG"]'],
  "environment-file": ['["-a.env"]', '["-b.env"]'],
  user: ['"root"', '"daemon"'],
  group: ['"root"', '"daemon"'],
  limits: ["{ nofile = 100 }", "{ nofile = 200 }"],
  output: ['"discard"', '"inherit"'],
  ready: ['{ tcp = "127.0.0.1:1" }', '{ tcp = "127.0.0.1:2" }'],
  alive: ['{ tcp = "127.0.0.1:1" }', '{ tcp = "127.0.0.1:1", failures = 5 }'],
  stop: ['{ signal = "SIGINT" }', '{ signal = "SIGQUIT" }'],
  "on-exit": ['"restart"', '"shutdown"'],
  success: ["[3]", '[3, "SIGHUP"]'],
  restart: ['{ delay = "1s" }', '{ delay = "2s" }'],
  follows: ['["disk"]', '["disk", "other"]'],
};

/** Keys that go with no program, or that no value of a lock shows. */
const OTHERS = ["exec", "loader", "thread", "provides", "secret"];

/** A unit with all of these keys, of which some have their second value. */
function stackText(changed: readonly string[] = []): string {
  const lines = Object.entries(VALUES).map(
    ([key, [before, after]]) => `${key} = ${changed.includes(key) ? after : before}`,
  );
  return `[[modules]]\nname = "disk"\ncommand = "exec sleep 1000"\n[[modules]]\nname = "other"\ncommand = "exec sleep 1000"
[[modules]]\nname = "db"\nrequires = ["disk"]\nafter = ["disk"]\n${lines.join("\n")}\n`;
}

const modprobe = (...words: readonly string[]): Promise<Finished> => box.run(["modprobe", ...words]);

test("each key that a load carries is among those that are tried here", () => {
  const carried = rowsOf("module").flatMap((row) => ("isOption" in row ? [row.key as string] : []));
  expect(carried.filter((key) => !OTHERS.includes(key)).sort()).toEqual(
    Object.keys(VALUES)
      .filter((key) => key !== "args")
      .sort(),
  );
});

test("show, cat, plan and explain tell each of them; verify warns only of what this machine lacks", async () => {
  const from = `--file=${box.write("stack.toml", stackText())}`;
  const shown = JSON.parse((await modprobe("show", from, "db")).stdout) as Record<string, unknown>;
  expect(Object.keys(VALUES).filter((key) => shown[key] === undefined || shown[key] === null)).toEqual([]);
  const { stdout: toml } = await modprobe("cat", from, "db");
  expect(Object.keys(VALUES).filter((key) => !toml.includes(`\n${key} = `))).toEqual([]);
  const explained = await modprobe("explain", from, "db");
  expect([explained.status, explained.stdout]).toEqual([0, expect.stringContaining("db") as string]);
  const graph = JSON.parse((await modprobe("graph", from, "--format=json")).stdout) as object;
  expect(JSON.stringify(graph)).toContain('"db"');
  const verified = await modprobe("verify", "--strict", from);
  // This machine lacks the command and its directory; nothing else is doubtful.
  const heads = verified.stderr.split("\n").filter((line) => /^\S/.test(line));
  expect(heads).toEqual([
    expect.stringMatching(/ warning: db: db-server: command not found \[LOAD_NOT_FOUND\]$/),
    expect.stringMatching(/ warning: db: directory \/srv\/a: No such file or directory \[LOAD_NOT_FOUND\]$/),
    expect.stringMatching(/^memory-limit of db: enforced on this host by /),
    "0 errors, 2 warnings",
  ]);
  expect(verified.status).toBe(1);
});

test("a lock notes a change of each of them, and diff names the key with both values", async () => {
  const before = `--file=${box.write("before.toml", stackText())}`;
  const after = `--file=${box.write("after.toml", stackText(Object.keys(VALUES)))}`;
  expect((await modprobe("plan", before, "--lock", "before.lock")).status).toBe(0);
  expect((await modprobe("plan", after, "--lock", "after.lock")).status).toBe(0);
  const { stdout } = await modprobe("diff", "--json", "before.lock", "after.lock");
  const found = (JSON.parse(stdout) as { readonly change: Readonly<Record<string, string>> }[]).map(
    ({ change }) => change,
  );
  expect(found.map(({ kind, unit, key }) => [kind, unit, key])).toEqual(
    found.map(({ key }) => ["key", "db", key]),
  );
  expect(found.map(({ key }) => key).sort()).toEqual(Object.keys(VALUES).sort());
  expect(found.filter(({ from, to }) => from === to)).toEqual([]);
  const checked = await modprobe("plan", after, "--check-lock", "before.lock");
  expect([checked.status, `${checked.stdout}${checked.stderr}`]).toEqual([
    1,
    expect.stringContaining("db.ready: ") as string,
  ]);
  expect((await modprobe("plan", before, "--check-lock", "before.lock")).status).toBe(0);
});

test("verify names what is wrong or doubtful in them, with its place and a hint", async () => {
  const text = `[[modules]]
name = "db"
command = "exec db"
ready = { tcp = "nowhere" }
stop = { signal = "SIGNOPE" }
limits = { files = 3 }
on-exit = "panic"
folows = ["x"]
`;
  const { status, stderr } = await modprobe("verify", `--file=${box.write("bad.toml", text)}`);
  expect(status).toBe(1);
  for (const place of ["4:", "5:", "6:", "7:", "8:"]) expect(stderr).toContain(`bad.toml:${place}`);
  expect(stderr).toContain("did you mean 'follows'?");
  const doubtful = `[[modules]]\nname = "db"\ncommand = "exec db"\nfollows = ["disc"]\nenvironment-file = ["missing.env"]\n`;
  const warned = await modprobe("verify", `--file=${box.write("doubtful.toml", doubtful)}`);
  expect([warned.status, warned.stderr]).toEqual([
    0,
    expect.stringContaining("[UNIT_FOLLOWS_UNKNOWN]") as string,
  ]);
  expect(warned.stderr).toContain("missing.env");
});

test("what-if tells how long the start of programs would have taken with a quicker one", async () => {
  const stack = `[[modules]]\nname = "disk"\ncommand = "exec sleep 1000"\nready = { after = "400ms" }
[[modules]]\nname = "db"\ncommand = "exec sleep 1000"\nready = { after = "200ms" }\nrequires = ["disk"]\nafter = ["disk"]\n`;
  const file = box.write("stack.toml", stack);
  const ran = await box.run(["start", "-f", file, "sluice modprobe analyze what-if --json --faster disk=4"]);
  expect([ran.status, ran.stderr]).toEqual([0, ""]);
  const { predicted, recorded } = JSON.parse(ran.stdout) as Readonly<Record<string, { durationMs: number }>>;
  // The quicker one would have taken 300 ms less.
  expect(recorded?.durationMs).toBeGreaterThan(600);
  expect((recorded?.durationMs ?? 0) - (predicted?.durationMs ?? 0)).toBeGreaterThan(250);
});
