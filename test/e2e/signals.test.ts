/** Signals to an instance, as service managers, programs and operators send them. */
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
  const command = box.start(["start", ...BARE, "bash", "-c", script], { env });
  await command.waitFor("up");
  command.kill("SIGINT");
  await command.waitFor("heard");
  command.kill("SIGINT");
  expect((await command.finished).status).toBe(130);
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
