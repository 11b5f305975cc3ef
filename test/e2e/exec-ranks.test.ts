/** Commands on the ranks of an instance of several brokers. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Finished, Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(async () => {
  await expect.poll(() => box.survivors(), GONE).toEqual([]);
  expect(box.leftovers()).toEqual([]);
  box.remove();
});

const GONE = { timeout: 10_000 };

const NO_PHASES = ["-S", "broker.rc1_path=", "-S", "broker.rc3_path="];

/** Runs a script in an instance of so many ranks, without modules of its own; `stderr` is that of the script. */
async function script(size: number, ...lines: readonly string[]): Promise<Finished> {
  const errors = join(box.dir, "errors");
  const text = [`exec 2> "${errors}"`, ...lines].join("\n");
  const finished = await box.run(["start", "-s", String(size), ...NO_PHASES, "bash", "-c", text]);
  return { ...finished, stderr: readFileSync(errors, "utf8") };
}

function sortedLines(text: string): string[] {
  return text.trimEnd().split("\n").sort();
}

const ranks = (count: number): number[] => Array.from({ length: count }, (_, rank) => rank);

test("eight ranks each say which they are", async () => {
  const start = ["start", "-s", "8", ...NO_PHASES];
  const { status, stdout } = await box.run([
    ...start,
    ..."sluice exec -l -r all sluice getattr rank".split(" "),
  ]);
  expect(status).toBe(0);
  expect(sortedLines(stdout)).toEqual(ranks(8).map((rank) => `${rank}: ${rank}`));
});

test("ranks are named and left out, and the highest status is returned with who had which", async () => {
  const { stdout, stderr } = await script(
    4,
    "sluice exec -r 1-3 -x 2 sluice getattr rank",
    `sluice exec -r all sh -c 'exit $(($(sluice getattr rank) / 2))'; echo "status $?"`,
    "sluice exec -r 1-2,9 touch ran; echo $?; ls",
  );
  const lines = stdout.trimEnd().split("\n");
  expect(lines.slice(0, 2).sort()).toEqual(["1", "3"]);
  expect(lines.slice(2, 4)).toEqual(["status 1", "68"]);
  expect(lines).not.toContain("ran");
  expect(stderr.split("\n")).toEqual([
    "sluice-exec: [2-3]: Exit 1",
    "sluice-exec: rank 9: not in this instance, which has ranks 0-3",
    "",
  ]);
});

test("standard input goes to all ranks, and lines of several do not mix", async () => {
  const { stdout } = await script(4, "seq 20000 | sluice exec -l cat");
  const lines = stdout.trimEnd().split("\n");
  expect(lines).toHaveLength(80_000);
  for (const rank of ranks(4)) {
    const own = lines.filter((line) => line.startsWith(`${rank}: `));
    expect(own.join("\n")).toBe(Array.from({ length: 20_000 }, (_, n) => `${rank}: ${n + 1}`).join("\n"));
  }
});

test("an interrupt reaches all ranks", async () => {
  const { stdout, stderr } = await script(
    3,
    ": > out",
    "sluice exec -n sh -c 'echo go; exec sleep 1000' > out & pid=$!",
    'until [ "$(wc -l < out)" = 3 ]; do :; done',
    "kill -INT $pid; wait $pid; echo status $?",
  );
  expect(stdout).toBe("status 130\n");
  expect(stderr).toBe("sluice-exec: [0-2]: Interrupt\n");
});

test("module acts on ranks, shows their rank in a column, and names each that fails", async () => {
  const { stdout, stderr } = await script(
    4,
    "sluice module load -r 1-2 heartbeat",
    "sluice module list -r all",
    "sluice module list -r all --json",
    "sluice module debug -r 1-2 heartbeat",
    "sluice module remove -r all heartbeat; echo status $?",
    "sluice getattr -r 2-3 rank",
    "sluice ping -c 1 -r 0,3 broker | cut -d ' ' -f 1,2",
    'sluice rpc -r 3 attr.get \'{"name":"rank"}\'',
  );
  const lines = stdout.trimEnd().split("\n");
  expect(lines[0]).toBe("Rank Module                    Idle  S Sendq Recvq Service");
  expect(lines[1]).toMatch(/^ {3}1 heartbeat {17} +\d+ {2}R +0 +0$/);
  expect(lines[2]).toMatch(/^ {3}2 heartbeat /);
  expect(JSON.parse(lines[3] ?? "")).toMatchObject([
    { rank: 1, name: "heartbeat", state: "R" },
    { rank: 2, name: "heartbeat", state: "R" },
  ]);
  expect(lines.slice(4)).toEqual([
    ...["1: 0x0", "2: 0x0"],
    "status 1",
    ...["2: 2", "3: 3"],
    ...["0!broker.ping seq=0", "3!broker.ping seq=0"],
    '{"value":"3"}',
  ]);
  expect(sortedLines(stderr)).toEqual([
    expect.stringMatching(/^sluice-module: rank 0: .*: No such file or directory$/),
    expect.stringMatching(/^sluice-module: rank 3: .*: No such file or directory$/),
  ]);
});

test("modprobe plans on each rank by its own facts, and carries out there", async () => {
  const { stdout, stderr } = await script(
    3,
    // cron is for rank 0 alone.
    "sluice modprobe load -r 1-2 kvs",
    "sluice module list -r all --json",
    "sluice modprobe rc1 -r 0-1 --show-deps",
    "sluice modprobe remove -r all kvs; echo status $?",
    "sluice modprobe remove -r 1-2 --dry-run all",
    "sluice modprobe remove -r 1-2 all",
    "sluice module list -r all --json",
  );
  const [list = "", deps = "", ...rest] = stdout.trimEnd().split("\n");
  const loaded = JSON.parse(list) as readonly { readonly rank: number; readonly name: string }[];
  expect(new Set(loaded.filter(({ name }) => name === "kvs").map(({ rank }) => rank))).toEqual(
    new Set([1, 2]),
  );
  const byRank = JSON.parse(deps) as Readonly<Record<string, object>>;
  expect(Object.keys(byRank)).toEqual(["0", "1"]);
  expect(byRank["0"]).toHaveProperty("cron");
  expect(byRank["1"]).not.toHaveProperty("cron");
  expect(rest[0]).toBe("status 1");
  expect(rest.at(-1)).toBe("[]");
  for (const line of rest.slice(1, -1)) expect(line).toMatch(/^rank [12]: remove [a-z-]+$/);
  // On ranks without content-backing a load warns of that.
  const ofOthers = sortedLines(stderr).filter((line) => !/^rank [12]: /.test(line));
  expect(ofOthers).toEqual([expect.stringMatching(/^rank 0: sluice-modprobe: .*kvs/)]);
});

test("a rank that is lost is named, and the others go on", async () => {
  const { stdout, stderr } = await script(
    3,
    "sluice exec sh -c '[ $(sluice getattr rank) = 2 ] && { kill -9 $(sluice getattr broker.pid); sleep 1000; }; echo rank $(sluice getattr rank)'; echo status $?",
  );
  expect(sortedLines(stdout)).toEqual(["rank 0", "rank 1", "status 68"]);
  expect(stderr).toMatch(/^sluice-exec: rank 2: /m);
});

test("attributes and the configuration are changed on ranks, and each that fails is named", async () => {
  const { stdout, stderr } = await script(
    3,
    "sluice setattr -r all site.owner ops; sluice getattr -r all site.owner",
    "sluice setattr -r 1-2 -e site.owner; sluice getattr -r all site.owner; echo $?",
    "echo 'site.x = 2' | sluice config load -r 0,2; sluice config get --rank all site.x; echo $?",
    "sluice config reload -r all; echo $?",
  );
  expect(stdout.trimEnd().split("\n")).toEqual([
    ...["0: ops", "1: ops", "2: ops"],
    ...["ops", "1"],
    ...["0: 2", "2: 2", "1"],
    "1",
  ]);
  expect(stderr.trimEnd().split("\n")).toEqual([
    "sluice-getattr: rank 1: no such attribute site.owner",
    "sluice-getattr: rank 2: no such attribute site.owner",
    "sluice-config: rank 1: configuration key site.x is not set",
    ...ranks(3).map(
      (rank) => `sluice-config: rank ${rank}: a reload needs a configuration file; start with -c`,
    ),
  ]);
});

test("the logs of ranks are one, in order of time, each line with its rank", async () => {
  const { stdout } = await script(
    3,
    ...[2, 0, 1].map((rank) => `sluice rpc -r ${rank} log.append '{"level":"info","text":"mark ${rank}"}'`),
    "sluice dmesg -r all | grep -o '^[0-9]: .*mark .*' | sed 's/ .* / /'",
    "sluice dmesg -r 1-2 --json | grep mark | grep -o '\"rank\":[0-9]'",
    "sluice dmesg -C -r 0-1; sluice dmesg -r all | grep mark | cut -c1",
  );
  expect(stdout.trimEnd().split("\n")).toEqual([
    ...["2: 2", "0: 0", "1: 1"],
    ...['"rank":2', '"rank":1'],
    "2",
  ]);
});

test("what is followed on ranks comes from all of them, and one that is lost does not end the others", async () => {
  const { stdout, stderr } = await script(
    3,
    "sluice dmesg -f -r 1-2 > log & pid=$!",
    'say() { sluice rpc -r $1 log.append \'{"level":"info","text":"\'$2\'"}\'; }',
    "until grep -q '^1: .*early' log && grep -q '^2: .*early' log; do say 1 early; say 2 early; done",
    'kill -9 "$(sluice getattr -r 2 broker.pid)"',
    "until grep -q '^1: .*late' log; do say 1 late; done",
    "kill -INT $pid; wait $pid; echo status $?",
    "sluice dmesg -f -r 0,2 | head -1 | cut -c1",
    "sluice module trace -r 7; echo status $?",
  );
  expect(stdout).toBe("status 130\n0\nstatus 1\n");
  expect(stderr).toMatch(/^sluice-dmesg: rank 2: rank 2 has left the instance$/m);
  expect(stderr).toMatch(/^sluice-module: rank 7: not in this instance, which has ranks 0-2$/m);
});

test("messages of modules of several ranks are traced together", async () => {
  const { stdout } = await script(
    3,
    "sluice module load -r 1-2 heartbeat",
    "sluice module trace -r all -T '*.ping' -t request heartbeat > trace & pid=$!",
    "until grep -q '^1: .*ping' trace && grep -q '^2: .*ping' trace; do sluice ping -c 1 -r 1-2 heartbeat > pings; done",
    "kill -INT $pid; wait $pid; echo status $?",
    "sluice module remove -r 1-2 heartbeat",
  );
  expect(stdout).toBe("status 130\n");
});
