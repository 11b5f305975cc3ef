import { statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type RunningCommand, Sandbox } from "../helpers/sluice.js";

/**
 * As systemd does for a socket unit: opens sockets, then becomes the broker with them as descriptors from 3 on.
 * Its arguments: mode, paths with commas between, LISTEN_PID or `own`, and the command.
 */
const MANAGER = `
import os, socket, sys
mode, paths, pid = int(sys.argv[1], 8), sys.argv[2].split(","), sys.argv[3]
sockets = []
for path in paths:
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    one.bind(path)
    os.chmod(path, mode)
    one.listen(64)
    sockets.append(one)
early = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
early.connect(paths[0])
for at, one in enumerate(sockets):
    os.dup2(os.dup(one.fileno()), 30 + at)
for at in range(len(sockets)):
    os.dup2(30 + at, 3 + at)
    os.set_inheritable(3 + at, True)
os.environ["LISTEN_FDS"] = str(len(sockets))
os.environ["LISTEN_PID"] = str(os.getpid()) if pid == "own" else pid
os.execvp(sys.argv[4], sys.argv[4:])
`;

const NO_RC = ["-S", "broker.rc1=", "-S", "broker.rc3="];

let box: Sandbox;
let rundir: string;

beforeEach(async () => {
  box = new Sandbox();
  rundir = join(box.dir, "rundir");
  expect((await box.shell(`mkdir -m 700 ${rundir}`)).status).toBe(0);
});
afterEach(() => {
  expect(box.survivors()).toEqual([]);
  box.remove();
});

interface Handed {
  readonly mode?: string;
  readonly paths?: readonly string[];
  readonly pid?: string;
}

function startBroker({
  mode = "600",
  paths = [`${rundir}/local-0`],
  pid = "own",
}: Handed = {}): RunningCommand {
  const script = box.write("manager.py", MANAGER);
  return box.start(["broker", ...NO_RC, `--rundir=${rundir}`, "-v", "-S", "log-stderr-level=7"], {
    prefix: ["python3", script, mode, paths.join(","), pid],
  });
}

const ask = (...args: string[]) => box.run([...args, `--uri=local://${rundir}/local-0`]);

test("a broker serves the socket that its manager has opened, and leaves it", async () => {
  const broker = startBroker();
  await broker.waitFor("state run");
  const before = statSync(`${rundir}/local-0`).ino;
  expect(await ask("getattr", "rank")).toMatchObject({ status: 0, stdout: "0\n" });
  // Nothing that it starts takes the socket for its own.
  const { stdout } = await ask(
    "exec",
    "sh",
    "-c",
    'echo "${LISTEN_FDS-unset} ${LISTEN_PID-unset}"; ls /proc/self/fd',
  );
  expect(stdout).toContain("unset unset");
  broker.kill("SIGTERM");
  expect((await broker.finished).status).toBe(143);
  expect(statSync(`${rundir}/local-0`).ino).toBe(before);
});

test("descriptors for another process are none of the broker's", async () => {
  // Its own socket takes the place of the one that nothing serves.
  const broker = startBroker({ pid: "1", paths: [join(box.dir, "other")] });
  await broker.waitFor("state run");
  expect(await ask("getattr", "rank")).toMatchObject({ status: 0, stdout: "0\n" });
  broker.kill("SIGTERM");
  await broker.finished;
});

test.each([
  [
    "that other users may connect to",
    () => ({ mode: "666" }),
    "other users may connect to",
    "set SocketMode=0600",
  ],
  [
    "of another path",
    () => ({ paths: [join(box.dir, "other")] }),
    "is the socket",
    "set ListenStream= to this path",
  ],
  [
    "among several",
    () => ({ paths: [join(rundir, "local-0"), join(box.dir, "other")] }),
    "LISTEN_FDS is 2",
    "a broker has one socket",
  ],
])("a socket %s is refused with status 1", async (_, handed, says, hint) => {
  const { status, stderr } = await startBroker(handed()).finished;
  expect(stderr).toContain(says);
  expect(stderr).toContain(hint);
  expect(status).toBe(1);
});
