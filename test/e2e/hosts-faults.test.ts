/** Instances over three NATS servers, of which any process may be killed or frozen at any time. */
import { join } from "node:path";
import { connect as connectNats } from "@nats-io/transport-node";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { connect, type Event, type Handle } from "../../src/messages/index.js";
import { natsCluster, type NatsServer } from "../helpers/nats.js";
import { type RunningCommand, Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  box.remove();
});

const PATIENTLY = { interval: 50, timeout: 90_000 };

const SETTINGS = [
  ...["-S", "broker.rc1_path=", "-S", "broker.rc3_path=", "-S", "log-stderr-level=7"],
  ...["-S", "overlay.lease=4s", "-S", "overlay.heartbeat-period=500ms", "-S", "overlay.lost-after=60s"],
  ...["-S", "overlay.retry=300ms", "-S", "broker.quorum=1"],
];

/** A number that a rank 0 has given, and between which moments it did so, in milliseconds. */
interface Numbered {
  readonly leader: number;
  readonly epoch: number;
  readonly seq: number;
  readonly askedMs: number;
  readonly answeredMs: number;
}

/** Draws whole numbers below a limit, the same ones for the same seed. */
function drawer(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return Math.floor((state / 0x80000000) * below);
  };
}

function shuffled<T>(items: readonly T[], draw: (below: number) => number): T[] {
  const rest = [...items];
  return items.map(() => {
    const [item] = rest.splice(draw(rest.length), 1);
    if (item === undefined) throw new Error("there is one left");
    return item;
  });
}

/** A broker that is rank 0, or waits to be. */
interface Candidate {
  readonly running: RunningCommand;
  /** It has found the lease taken. */
  isWaiting: boolean;
  hasLed: boolean;
  hasEnded: boolean;
}

/** The brokers of a test, and what they have given and received. */
class Site {
  readonly numbered: Numbered[] = [];
  /** As rank 1, which stays, has received them. */
  readonly received: Event[] = [];
  /** Numbers that rank 1 was answered. */
  readonly answered: number[] = [];
  leader: RunningCommand;
  standby: RunningCommand;
  other: RunningCommand;
  readonly #url: string;
  readonly #candidates: Candidate[] = [];
  readonly #clients: Handle[] = [];
  readonly #timers: NodeJS.Timeout[] = [];
  #started = 0;
  #one: Handle | undefined;
  #isStopped = false;

  constructor(servers: readonly NatsServer[]) {
    this.#url = servers.map(({ url }) => url).join(",");
    this.leader = this.#rankZero();
    this.other = this.#broker(2, "two");
    this.standby = this.leader;
  }

  async start(): Promise<void> {
    const one = this.#broker(1, "one");
    await Promise.all([this.leader, one, this.other].map((each) => each.waitFor("state run")));
    const handle = await this.#connect("one", 1);
    if (handle === undefined) throw new Error("rank 1 is there");
    this.#one = handle;
    await handle.subscribe("load.*", (event) => this.received.push(event));
    this.#every(() => {
      handle.publish("load.one").then(
        (seq) => this.answered.push(seq),
        () => undefined,
      );
    });
    await this.regroup();
  }

  /** Resolves when events that rank 1 publishes from now on are ordered. */
  async settle(): Promise<void> {
    const before = this.answered.length;
    await expect.poll(() => this.answered.length, PATIENTLY).toBeGreaterThan(before + 20);
  }

  /** Resolves when events of rank 1 are ordered, one rank 0 leads, and another one waits. */
  async regroup(): Promise<void> {
    await this.settle();
    await expect.poll(() => this.#isGrouped(), PATIENTLY).toBe(true);
  }

  async #isGrouped(): Promise<boolean> {
    const leader = await this.leaderNow();
    const others = this.#candidates.filter((one) => one !== leader && !one.hasEnded);
    const [waiting] = others;
    // One that has led, and does no more, ends.
    if (leader === undefined || others.length > 1 || waiting?.hasLed === true) return false;
    // The next one may lead at once, if the server of this one is frozen: then there has to be another one.
    if (waiting === undefined) this.#rankZero();
    if (waiting?.isWaiting !== true) return false;
    this.leader = leader.running;
    this.standby = waiting.running;
    return true;
  }

  /** As rank 1 is answered; undefined while it is not. */
  async leaderNow(): Promise<Candidate | undefined> {
    const answer = (await this.#one
      ?.rpc("attr.get", { name: "broker.pid" }, { rank: 0, timeoutMs: 2000 })
      .catch(() => undefined)) as { readonly value: string } | undefined;
    const leader = this.#candidates.find(({ running }) => String(running.pid) === answer?.value);
    if (leader !== undefined) leader.hasLed = true;
    return leader;
  }

  async replaceOther(): Promise<void> {
    this.other = this.#broker(2, `two-${this.#started++}`);
    await this.other.waitFor("state run");
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all(this.#clients.map((client) => client.close().catch(() => undefined)));
  }

  #rankZero(): RunningCommand {
    const number = this.#started++;
    const running = this.#broker(0, `zero-${number}`, "--size=3", "--standby");
    const candidate: Candidate = { running, isWaiting: false, hasLed: false, hasEnded: false };
    this.#candidates.push(candidate);
    void running.finished.then(() => (candidate.hasEnded = true));
    running.waitFor("waits for the lease").then(
      () => (candidate.isWaiting = true),
      () => undefined,
    );
    void this.#press(number, candidate);
    return running;
  }

  /** Has a rank 0 number events all the time once it leads, whatever has become of it. */
  async #press(leader: number, candidate: Candidate): Promise<void> {
    const handle = await this.#connect(`zero-${leader}`, 0, () => candidate.hasEnded);
    if (handle === undefined) return;
    // It answers clients once it leads.
    const status = (await handle.rpc("overlay.status").catch(() => undefined)) as
      { readonly epoch: number } | undefined;
    if (status === undefined) return;
    const { epoch } = status;
    this.#every(() => {
      const askedMs = performance.now();
      handle.publish("load.zero").then(
        (seq) => this.numbered.push({ leader, epoch, seq, askedMs, answeredMs: performance.now() }),
        () => undefined,
      );
    });
  }

  #every(run: () => void): void {
    this.#timers.push(setInterval(run, 20));
  }

  #broker(rank: number, name: string, ...args: string[]): RunningCommand {
    const command = ["broker", `--overlay=${this.#url}`, "--instance=site", `--rank=${rank}`];
    return box.start([...command, `--rundir=${join(box.dir, name)}`, ...args, ...SETTINGS]);
  }

  /** As soon as there is one; undefined if there will be none. */
  async #connect(name: string, rank: number, isVain = () => false): Promise<Handle | undefined> {
    const uri = `local://${join(box.dir, name)}/local-${rank}`;
    let handle: Handle | undefined;
    const isOver = (): boolean => this.#isStopped || isVain();
    await expect
      .poll(
        async () => {
          if (!isOver()) handle = await connect(uri).catch(() => undefined);
          return handle !== undefined || isOver();
        },
        { interval: 100, timeout: 550_000 },
      )
      .toBe(true);
    if (handle !== undefined) this.#clients.push(handle);
    return handle;
  }
}

async function killed(broker: RunningCommand): Promise<void> {
  broker.kill("SIGKILL");
  await broker.finished;
}

/** Resolves when all servers have all of the lease. Before that, another one that is frozen would be the second at once. */
async function allCurrent(server: NatsServer): Promise<void> {
  const connection = await connectNats({ servers: server.url, timeout: 60_000 });
  const isCurrent = async (): Promise<boolean> => {
    const { data } = await connection.request("$JS.API.STREAM.INFO.KV_sluice-site", "", { timeout: 2000 });
    const { cluster } = JSON.parse(Buffer.from(data).toString()) as {
      cluster?: { replicas?: { current: boolean }[] };
    };
    return cluster?.replicas?.every(({ current }) => current) === true;
  };
  try {
    await expect.poll(() => isCurrent().catch(() => false), PATIENTLY).toBe(true);
  } finally {
    await connection.close();
  }
}

/** Each of its servers is frozen for a while. Meanwhile rank 0 is killed, or the standby, or nothing else happens. */
function serverFaults(
  site: Site,
  servers: readonly NatsServer[],
): (readonly [string, () => Promise<void>])[] {
  const whileFrozen = async (server: NatsServer, run: () => Promise<void>): Promise<void> => {
    server.signal("SIGSTOP");
    await run();
    server.signal("SIGCONT");
    await allCurrent(server);
  };
  const others = [() => site.regroup(), () => killed(site.leader), () => killed(site.standby)];
  return servers.map((server, n) => [
    `SIGSTOP of server ${n}`,
    () =>
      whileFrozen(server, async () => {
        await others[n]?.();
        await site.regroup();
      }),
  ]);
}

/** What is done to a site, in any order. */
function faults(site: Site): (readonly [string, () => Promise<void>])[] {
  const whileFrozen = async (frozen: RunningCommand, until: () => Promise<void>): Promise<void> => {
    frozen.kill("SIGSTOP");
    await until();
    frozen.kill("SIGCONT");
  };
  return [
    ["kill -9 of rank 0", () => killed(site.leader)],
    [
      "SIGSTOP of rank 0 until another one leads",
      async () => {
        const { leader } = site;
        await whileFrozen(leader, async () => {
          const pid = async (): Promise<number | undefined> => (await site.leaderNow())?.running.pid;
          await expect.poll(async () => ![undefined, leader.pid].includes(await pid()), PATIENTLY).toBe(true);
        });
      },
    ],
    ["kill -9 of the standby", () => killed(site.standby)],
    ["SIGSTOP of the standby", () => whileFrozen(site.standby, () => site.settle())],
    [
      "kill -9 of another rank",
      async () => {
        await killed(site.other);
        await site.replaceOther();
      },
    ],
    ["SIGSTOP of another rank", () => whileFrozen(site.other, () => site.settle())],
  ];
}

test.each([
  [1, "broker is killed or frozen", () => []],
  [2, "broker is killed or frozen", () => []],
  [4, "broker is killed or frozen beside frozen servers", serverFaults],
] as const)(
  "seed %i: whatever %s, two leaders never number at once, and a rank that stays misses nothing",
  async (seed, _, more) => {
    const servers = await natsCluster({ jetStream: true });
    for (const server of servers) onTestFinished(() => server.kill());
    const site = new Site(servers);
    onTestFinished(() => site.stop());
    await site.start();
    for (const [, run] of shuffled([...faults(site), ...more(site, servers)], drawer(seed))) {
      await run();
      await site.regroup();
    }
    // Two of three servers are enough for all of it.
    await servers[seed % 3]?.kill();
    await site.regroup();
    await killed(site.leader);
    await site.regroup();
    await site.stop();
    const seqs = site.received.map(({ seq }) => seq);
    const [first = 0] = seqs;
    expect(seqs).toEqual(seqs.map((_, at) => first + at));
    const own = new Set(site.received.filter(({ topic }) => topic === "load.one").map(({ seq }) => seq));
    expect(site.answered.filter((seq) => !own.has(seq))).toEqual([]);
    const leaders = [...new Set(site.numbered.map(({ leader }) => leader))].map((leader) =>
      site.numbered.filter((one) => one.leader === leader),
    );
    expect(leaders.length).toBeGreaterThanOrEqual(3);
    const spans = leaders
      .map((given) => ({
        epoch: given[0]?.epoch ?? 0,
        begins: Math.min(...given.map(({ seq }) => seq)),
        hasBegunMs: Math.min(...given.map(({ answeredMs }) => answeredMs)),
        // A number is given after it was asked for.
        goesOnMs: Math.max(...given.map(({ askedMs }) => askedMs)),
      }))
      .sort((a, b) => a.begins - b.begins);
    for (const [at, { goesOnMs, epoch }] of spans.entries()) {
      const next = spans[at + 1];
      if (next === undefined) continue;
      expect(goesOnMs).toBeLessThan(next.hasBegunMs);
      expect(epoch).toBeLessThan(next.epoch);
    }
  },
  600_000,
);
