/** Hosts whose link is cut without a word, and healed again. */
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { ERRNO } from "../../src/errors/index.js";
import { connect, type Handle } from "../../src/messages/index.js";
import { type LinkedHost, linkedHosts, type LinkedHosts } from "../helpers/linked-hosts.js";
import { type RunningCommand, Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  box.remove();
});

const PATIENTLY = { interval: 50, timeout: 120_000 };
const LOST = { errnum: ERRNO.EHOSTUNREACH };

const SETTINGS = [
  ...["-S", "broker.rc1_path=", "-S", "broker.rc3_path=", "-S", "log-stderr-level=7"],
  ...["-S", "overlay.heartbeat-period=500ms", "-S", "overlay.lost-after=60s", "-S", "overlay.retry=300ms"],
];

interface TestRank {
  readonly running: RunningCommand;
  readonly connect: () => Promise<Handle>;
}

function startRank(host: LinkedHost, rank: number, name: string, ...args: string[]): TestRank {
  const rundir = join(box.dir, name);
  const command = ["broker", `--overlay=${host.overlay}`, "--instance=site", `--rank=${rank}`];
  const running = box.start(
    [...command, `--rundir=${rundir}`, "--connect-timeout=30s", ...args, ...SETTINGS],
    {
      prefix: host.prefix,
    },
  );
  return {
    running,
    connect: async () => {
      await running.waitFor("state run");
      const handle = await connect(`local://${rundir}/local-${rank}`);
      onTestFinished(() => handle.close().catch(() => undefined));
      return handle;
    },
  };
}

async function startHosts(make: () => Promise<LinkedHosts>): Promise<LinkedHosts["hosts"]> {
  const linked = await make();
  onTestFinished(() => linked.remove());
  return linked.hosts;
}

/** The numbers of the events that a client receives. */
async function received(handle: Handle): Promise<number[]> {
  const seqs: number[] = [];
  await handle.subscribe("load.*", ({ seq }) => seqs.push(seq));
  return seqs;
}

/** Publishes so many events, one after the other. */
async function publish(handle: Handle, count: number): Promise<number[]> {
  const seqs: number[] = [];
  for (let n = 0; n < count; n++) seqs.push(await handle.publish("load.x"));
  return seqs;
}

async function stateOf(handle: Handle, rank: number): Promise<string | undefined> {
  const { ranks } = (await handle.rpc("overlay.status")) as {
    readonly ranks: readonly { readonly rank: number; readonly state: string }[];
  };
  return ranks.find((one) => one.rank === rank)?.state;
}

describe.each(linkedHosts)("three hosts %s", (_, make) => {
  test("a rank whose link is cut is stalled, and lacks nothing when the link is back", async () => {
    const hosts = await startHosts(make);
    const ranks = hosts.map((host, rank) => startRank(host, rank, `rank-${rank}`, "--size=3"));
    const [zero, one, two] = await Promise.all(ranks.map((rank) => rank.connect()));
    if (zero === undefined || one === undefined || two === undefined) throw new Error("there are three");
    const seqs = await received(two);
    const numbered = await publish(one, 20);
    expect(await one.rpc("broker.ping", 7, { rank: 2 })).toBe(7);
    hosts[2].cut();
    // On its way when the rank is stalled, or sent afterwards.
    await expect(one.rpc("broker.ping", 8, { rank: 2 })).rejects.toMatchObject(LOST);
    await expect(two.rpc("broker.ping", 8, { rank: 0 })).rejects.toMatchObject(LOST);
    await expect.poll(() => stateOf(one, 2), PATIENTLY).toBe("stalled");
    numbered.push(...(await publish(one, 20)));
    expect(seqs.length).toBeLessThan(numbered.length);
    hosts[2].heal();
    await expect.poll(() => one.rpc("broker.ping", 9, { rank: 2 }).catch(() => 0), PATIENTLY).toBe(9);
    await expect.poll(() => two.rpc("broker.ping", 9, { rank: 0 }).catch(() => 0), PATIENTLY).toBe(9);
    await expect.poll(() => stateOf(zero, 2), PATIENTLY).toBe("online");
    numbered.push(...(await publish(one, 20)));
    await expect.poll(() => seqs, PATIENTLY).toEqual(numbered);
  });

  test("a standby takes over from a rank 0 that ends behind a cut link, though its last renewal may arrive late", async () => {
    const hosts = await startHosts(make);
    const leading = ["--size=2", "--standby", "-S", "overlay.lease=4s"];
    const zero = startRank(hosts[0], 0, "zero", ...leading);
    const rank = startRank(hosts[2], 1, "one");
    const one = await rank.connect();
    const seqs = await received(one);
    const standby = startRank(hosts[1], 0, "next", ...leading);
    await standby.running.waitFor("waits for the lease");
    await rank.running.waitFor("another broker waits to take over");
    const numbered = await publish(one, 20);
    hosts[0].cut();
    await rank.running.waitFor("rank 0 is stalled");
    zero.running.kill("SIGKILL");
    await zero.running.finished;
    hosts[0].heal();
    let next = 0;
    const tryOnce = async (): Promise<number> => (next = await one.publish("load.x").catch(() => 0));
    await expect.poll(tryOnce, PATIENTLY).toBeGreaterThan(0);
    const { epoch } = (await one.rpc("overlay.status")) as { readonly epoch: number };
    expect(epoch).toBeGreaterThan(1);
    await expect.poll(() => seqs.includes(next), PATIENTLY).toBe(true);
    const [first = 0] = seqs;
    expect(seqs).toEqual(seqs.map((__, at) => first + at));
    expect(seqs).toEqual(expect.arrayContaining([...numbered, next]));
  });
});
