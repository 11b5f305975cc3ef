/** What becomes of an instance when a process of it is stopped and goes on. */
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { OVERLAYS, type OverlayKind } from "../broker/support/ranks-of-a-test.js";
import { startNats } from "../helpers/nats.js";
import { Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  box.remove();
});

const FAULTY = join(import.meta.dirname, "../broker/fixtures/faulty.mjs");

/** No modules, so that a test does not wait for them. */
const BARE = ["-S", "broker.rc1_path=", "-S", "broker.rc3_path="];

/** Three ranks, of which the script stops rank 1. */
async function withThreeRanks(
  kind: OverlayKind,
  lostAfter: string,
  script: string,
  flags: readonly string[] = [],
): Promise<string[]> {
  const { stdout } = await box.run([
    ...[
      "start",
      "-s",
      "3",
      ...(await overlayOf(kind)),
      ...BARE,
      ...flags,
      "-S",
      "overlay.heartbeat-period=500ms",
    ],
    ...["-S", `overlay.lost-after=${lostAfter}`, `pid=$(sluice getattr -r 1 broker.pid); ${script}`],
  ]);
  return stdout.trimEnd().split("\n");
}

const UNTIL = (state: string): string =>
  `until sluice overlay status | grep -q '^ *1 *${state}'; do :; done; echo ${state}`;

/** What `start` is given for an overlay. */
async function overlayOf(kind: OverlayKind): Promise<string[]> {
  if (kind === "local") return [];
  const server = await startNats();
  onTestFinished(() => server.kill());
  return [`--overlay=${server.url}`];
}

describe.each(OVERLAYS)("over %s a rank that is stopped", (kind) => {
  test("fault-C4 is stalled, fails requests to it with EHOSTUNREACH, and serves again when it goes on", async () => {
    const lines = await withThreeRanks(
      kind,
      "600s",
      `mkfifo f; sluice exec -r 1 sh -c 'echo up; sleep 1000' > f 2> under-way & read line < f; echo $line
       kill -STOP $pid; ${UNTIL("stalled")}
       wait $!; echo under way $?; cat under-way
       SLUICE_URI=$(dirname $SLUICE_URI)/local-2 sluice ping -c 1 '1!module' 2>&1; echo from rank 2: $?
       sluice ping -c 1 '1!module' 2>&1; echo from rank 0: $?
       kill -CONT $pid; ${UNTIL("online")}
       sluice ping -c 1 '1!module' > /dev/null; echo pinged $?
       sluice dmesg | grep -o 'rank 1 is stalled\\|rank 1 sends heartbeats again'`,
    );
    expect(lines[0]).toBe("up");
    expect(lines[1]).toBe("stalled");
    expect(lines).toContainEqual(expect.stringMatching(/^under way [1-9]/));
    expect(lines).toContainEqual(expect.stringMatching(/rank 1 is (stalled|not online)/));
    expect(lines).toContain("from rank 2: 1");
    expect(lines).toContain("from rank 0: 1");
    expect(lines.slice(-4)).toEqual([
      "online",
      "pinged 0",
      "rank 1 is stalled",
      "rank 1 sends heartbeats again",
    ]);
  });

  test("fault-C4 is lost after overlay.lost-after, and joins again when it goes on", async () => {
    const lines = await withThreeRanks(
      kind,
      "3s",
      `kill -STOP $pid; ${UNTIL("lost")}
       kill -CONT $pid; ${UNTIL("online")}
       test $pid = $(sluice getattr -r 1 broker.pid) && echo same
       for r in 0 2; do sluice exec -r $r sluice ping -c 1 '1!module' > /dev/null; echo pinged $?; done
       sluice exec -r 1 sluice ping -c 1 '2!module' > /dev/null; echo pinged $?
       sluice dmesg -r 1 | grep -o 'joined the instance again'`,
    );
    expect(lines).toEqual([
      ...["lost", "online"],
      ...["same", "pinged 0", "pinged 0", "pinged 0", "joined the instance again"],
    ]);
  });

  test("fault-C4 with overlay.on-lost=stop it ends when it goes on", async () => {
    const lines = await withThreeRanks(
      kind,
      "3s",
      `kill -STOP $pid; ${UNTIL("lost")}
       kill -CONT $pid; while kill -0 $pid 2> /dev/null; do :; done; echo ended`,
      ["-S", "overlay.on-lost=stop"],
    );
    expect(lines).toEqual(["lost", "ended"]);
  });
});

test("fault-C5 config load -r all changes all ranks, or none", async () => {
  const { stdout, stderr } = await box.run([
    ...["start", "-s", "3", ...BARE, "--conf=site.v=5"],
    `sluice module load -r 1 ${FAULTY} refuse-config
     echo 'site.v = 77' | sluice config load -r all; echo $?; sluice config get --rank all site.v
     sluice module remove -r 1 faulty
     echo 'site.v = 77' | sluice config load -r all; echo $?; sluice config get --rank all site.v`,
  ]);
  expect(stderr).toContain("rank 1: faulty: not for me");
  expect(stdout).toBe("1\n0: 5\n1: 5\n2: 5\n0\n0: 77\n1: 77\n2: 77\n");
});

test("trap-A10 a broker that was stopped for longer than a watchdog restarts nothing when it goes on", async () => {
  const load = (name: string, exec: boolean): string =>
    `sluice rpc module.load '${JSON.stringify({ path: FAULTY, name, exec, watchdogMs: 800, onFailure: "restart" })}'`;
  const uuids = 'sluice rpc module.list | grep -o \'"uuid":"[^"]*"\'';
  const { stdout } = await box.run([
    ...["start", ...BARE],
    `${load("north", true)} > /dev/null; ${load("south", false)} > /dev/null; before=$(${uuids})
     pid=$(sluice getattr broker.pid); kill -STOP $pid; sleep 4; kill -CONT $pid
     sluice ping -c 4 -i 0.5 north > /dev/null; sluice ping -c 1 south > /dev/null
     test "$before" = "$(${uuids})" && echo same; sluice dmesg | grep -c watchdog`,
  ]);
  expect(stdout).toBe("same\n0\n");
});
