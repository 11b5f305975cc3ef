/** Instances whose ranks are joined by NATS servers, as those of several hosts are. */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { connect, type Handle } from "../../src/messages/index.js";
import { type NatsServer, startNats } from "../helpers/nats.js";
import { type RunningCommand, Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  box.remove();
});

const BARE = ["-S", "broker.rc1_path=", "-S", "broker.rc3_path="];

async function server(options: Parameters<typeof startNats>[0] = {}): Promise<NatsServer> {
  const started = await startNats(options);
  onTestFinished(() => started.kill());
  return started;
}

/** Says its state. */
const TALKING = [...BARE, "-S", "log-stderr-level=7"];

/** A broker in the foreground, as a host's service manager starts it. */
function broker(url: string, rank: number, ...args: string[]): RunningCommand {
  const command = ["broker", `--overlay=${url}`, "--instance=site", `--rank=${rank}`];
  return box.start([...command, `--rundir=${box.dir}/rank-${rank}`, ...args]);
}

/** What became of a broker. */
async function ended({ finished }: RunningCommand): Promise<{ status: number | null; stderr: string }> {
  const { status, stderr } = await finished;
  return { status, stderr };
}

function at(rank: number): Record<string, string> {
  return { SLUICE_URI: `local://${box.dir}/rank-${rank}/local-${rank}` };
}

function expectNothingLeft(): void {
  expect(box.leftovers()).toEqual([]);
  expect(box.survivors()).toEqual([]);
}

describe("start -s 3 --overlay=nats://…", () => {
  test("boots the shipped units, answers requests of any rank to any, and leaves nothing", async () => {
    const { url } = await server();
    const { status, stdout, stderr } = await box.run([
      ...["start", "-s", "3", `--overlay=${url}`],
      `sluice overlay status | head -1; sluice exec -r all -l sluice getattr overlay.nats
       sluice kvs put a=1; sluice exec -r 2 sluice kvs get a
       for r in 1 2; do sluice exec -r $r sluice ping -c 1 '0!kvs' > /dev/null && echo pinged; done
       echo over $SLUICE_OVERLAY.`,
    ]);
    expect(stderr).toBe("");
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toBe("full: 3 of 3 ranks are online");
    expect(lines.slice(1, 4).sort()).toEqual([0, 1, 2].map((rank) => `${rank}: ${url}`));
    expect(lines.slice(4)).toEqual(["1", "pinged", "pinged", "over ."]);
    expect(status).toBe(0);
    expectNothingLeft();
  });

  test("prints in the trial of the guide what that says", async () => {
    const guide = readFileSync(join(import.meta.dirname, "../../docs/hosts.md"), "utf8");
    const [, command = "", line = ""] = /^\$ (sluice start .*)\n(.*)$/m.exec(guide) ?? [];
    const { port } = await server();
    const { stdout } = await box.shell(command.replace("4222", String(port)));
    expect(stdout.split("\n")[0]).toBe(line);
  });

  test("is refused with status 2 when its flags do not go together", async () => {
    for (const [flags, text] of [
      [["--overlay=http://n1"], "'http://n1' must be nats://HOST:PORT or tls://HOST:PORT"],
      [["--overlay=nats://n1,tls://n2"], "n1: all servers must be tls://, because some are"],
      [["--overlay=tls://10.0.0.1"], "10.0.0.1: TLS cannot check an address"],
      [["--overlay=nats://u:hush@n1/x"], "'nats://***@n1/x' must be only nats://HOST:PORT"],
      [["--creds=x"], "--creds needs --overlay"],
      [["--overlay=nats://n1", "--tls-cert=x"], "--tls-cert and --tls-key go together"],
      [["--overlay=nats://n1", "--connect-timeout=soon"], "must be seconds, a duration such as 500ms"],
    ] as const) {
      const { status, stderr } = await box.run(["start", ...flags, "true"]);
      expect(stderr).toContain(text);
      expect(stderr).not.toContain("hush");
      expect(status).toBe(2);
    }
    const { status, stderr } = await box.run(["broker", "--overlay=nats://n1", "--rank=1"]);
    expect([status, stderr]).toEqual([2, expect.stringContaining("--overlay needs --instance")]);
    expectNothingLeft();
  });
});

describe("a standby", () => {
  test("leads after kill -9 of rank 0: the store and the ranks are there; it ends with the instance", async () => {
    const { url } = await server({ jetStream: true });
    const state = join(box.dir, "state");
    const soon = [
      "-S",
      "overlay.lease=4s",
      "-S",
      "overlay.heartbeat-period=500ms",
      "-S",
      `statedir=${state}`,
    ];
    const zero = broker(url, 0, "--size=2", ...soon);
    const one = broker(url, 1, ...soon, "-S", "log-stderr-level=7");
    await one.waitFor("state run");
    const standby = box.start([
      ...["broker", `--overlay=${url}`, "--instance=site", "--rank=0", "--size=2", "--standby"],
      ...[`--rundir=${box.dir}/standby`, ...soon],
    ]);
    await standby.waitFor("waits for the lease of rank 0");
    await one.waitFor("another broker waits to take over");
    const handle = await connectTo(1);
    expect(await handle.rpc("overlay.status", undefined, { rank: 0 })).toMatchObject({ epoch: 1 });
    for (const n of [1, 2, 3]) await box.run(["kvs", "put", `k${n}=${n}`], { env: at(1) });
    const before = await handle.publish("site.before");
    process.kill(zero.pid, "SIGKILL");
    await one.waitFor("joined the instance again");
    const status = await handle.rpc("overlay.status", undefined, { rank: 0 });
    expect(status).toMatchObject({ epoch: 2, ranks: [{ rank: 0 }, { rank: 1 }] });
    expect(await handle.publish("site.after")).toBeGreaterThan(before);
    await expect
      .poll(async () => (await box.run(["kvs", "get", "k3"], { env: at(1) })).stdout, { timeout: 40_000 })
      .toBe("3\n");
    const { stdout } = await box.run(["overlay", "status"], { env: at(1) });
    expect(stdout.split("\n")[0]).toMatch(/^(full|partial): [12] of 2 ranks are online, epoch 2$/);
    await handle.close();
    expect((await box.run(["shutdown"], { env: at(1) })).status).toBe(0);
    expect(await ended(standby)).toMatchObject({ status: 0 });
    expect(await ended(one)).toMatchObject({ status: 0 });
    await ended(zero);
  });
});

describe("a standby on a host of its own", () => {
  const soon = ["-S", "overlay.lease=4s", "-S", "overlay.heartbeat-period=500ms"];

  test("has every put that was answered when rank 0 is killed under writers: content-nats is chosen", async () => {
    const { url } = await server({ jetStream: true });
    const zero = broker(url, 0, "--size=2", "--standby", ...soon, ...TALKING.slice(4));
    const one = broker(url, 1, ...soon, ...TALKING);
    await Promise.all([zero.waitFor("state run"), one.waitFor("state run")]);
    const next = box.start([
      ...["broker", `--overlay=${url}`, "--instance=site", "--rank=0", "--size=2", "--standby"],
      ...[`--rundir=${box.dir}/next`, ...soon, "-S", "log-stderr-level=7"],
    ]);
    await one.waitFor("another broker waits to take over");
    const writer = await connectTo(1);
    const answered: number[] = [];
    let count = 0;
    const write = async (): Promise<void> => {
      for (let n = count++; n < 1000; n = count++) {
        await writer.rpc("kvs.commit", { ops: [{ key: `k${n}`, value: n }] });
        answered.push(n);
        if (answered.length === 300) process.kill(zero.pid, "SIGKILL");
      }
    };
    await Promise.allSettled(Array.from({ length: 20 }, write));
    expect(answered.length).toBeGreaterThanOrEqual(300);
    await next.waitFor("state run");
    const lost: number[] = [];
    for (const n of answered) {
      const { value } = (await writer.rpc("kvs.get", { key: `k${n}` })) as { value: unknown };
      if (value !== n) lost.push(n);
    }
    expect(lost).toEqual([]);
    await writer.close();
    expect((await box.run(["shutdown"], { env: at(1) })).status).toBe(0);
    expect(await ended(next)).toMatchObject({ status: 0 });
    await Promise.all([zero.finished, one.finished]);
  });

  test("that still waits ends with the instance, and does not take the lease that this gives back", async () => {
    const { url } = await server({ jetStream: true });
    const zero = broker(url, 0, "--size=1", ...soon, ...TALKING);
    await zero.waitFor("state run");
    const next = box.start([
      ...["broker", `--overlay=${url}`, "--instance=site", "--rank=0", "--size=1", "--standby"],
      ...[`--rundir=${box.dir}/next`, ...soon, ...TALKING],
    ]);
    await next.waitFor("waits for the lease");
    expect((await box.run(["shutdown"], { env: at(0) })).status).toBe(0);
    expect(await ended(next)).toMatchObject({
      status: 0,
      stderr: expect.not.stringContaining("state run") as string,
    });
    expect((await zero.finished).status).toBe(0);
  });

  test("trap-F15 a standby with a local provider refuses to begin an empty store in place of the one before", async () => {
    const { url } = await server({ jetStream: true });
    const local = (host: string): string[] => [
      ...soon,
      ...["-S", `statedir=${box.dir}/state-${host}`, "-S", "log-stderr-level=7"],
    ];
    const zero = broker(url, 0, "--size=1", ...local("a"));
    await zero.waitFor("state run");
    const next = box.start([
      ...["broker", `--overlay=${url}`, "--instance=site", "--rank=0", "--size=1", "--standby"],
      ...[`--rundir=${box.dir}/next`, ...local("b")],
    ]);
    await next.waitFor("waits for the lease");
    process.kill(zero.pid, "SIGKILL");
    const { status, stderr } = await ended(next);
    expect(status).toBe(1);
    expect(stderr).toContain("content-sqlite on this host lacks the data of the previous rank 0");
    expect(stderr).toContain("start every rank 0 with --standby, which chooses content-nats");
    await zero.finished;
  });
});

describe("brokers that are started one by one", () => {
  test("find rank 0, learn size and configuration from it, and go down with it", async () => {
    const { url } = await server();
    const others = [1, 2].map((rank) => broker(url, rank, ...TALKING));
    const zero = broker(url, 0, "--size=3", "--conf=site.colour=blue", ...TALKING);
    await zero.waitFor("state run");
    const handles = await Promise.all([0, 1, 2].map((rank) => connectTo(rank)));
    const [first, , last] = handles;
    expect(handles.map((handle) => handle.size)).toEqual([3, 3, 3]);
    expect(await last?.rpc("config.get", { key: "site.colour" })).toEqual({ value: "blue" });
    expect(await last?.attr("instance-id")).toBe("site");
    const seen: unknown[] = [];
    const all = new Promise<void>((resolve) => {
      void last?.subscribe("site.*", ({ topic, seq }) => {
        if (seen.push([topic, seq]) === 3) resolve();
      });
    });
    await last?.rpc("attr.get", { name: "rank" });
    const seqs: unknown[] = [];
    for (const handle of handles)
      seqs.push([`site.r${handle.rank}`, await handle.publish(`site.r${handle.rank}`)]);
    await all;
    expect(seen).toEqual(seqs);
    const status = await last?.rpc("overlay.status");
    expect(status).toMatchObject({
      state: "full",
      ranks: [0, 1, 2].map((rank) => ({
        rank,
        state: "online",
        host: hostname(),
        server: url.replace("nats://", ""),
        lag: expect.any(Number) as number,
      })),
    });
    const { stdout } = await box.run(["overlay", "status"], { env: at(1) });
    expect(stdout.split("\n")[1]).toMatch(/^Rank State {2}Since +Host +Server +Lag$/);
    // By way of no rank 0: each sends to each directly.
    expect(await handles[1]?.rpc("broker.ping", "hello", { rank: 2 })).toBe("hello");
    await first?.rpc("broker.shutdown");
    expect(await ended(zero)).toMatchObject({ status: 0 });
    for (const other of others) expect(await ended(other)).toMatchObject({ status: 0 });
    await Promise.all(handles.map((handle) => handle.close()));
  });

  test("trap-F11 a second one of a rank is refused, with the place of the first", async () => {
    const { url } = await server();
    const zero = broker(url, 0, "--size=2", ...TALKING);
    const one = broker(url, 1, ...TALKING);
    await zero.waitFor("state run");
    const again = box.start(["broker", `--overlay=${url}`, "--instance=site", "--rank=0", "--size=2"]);
    const there = `host ${hostname()}, pid ${zero.pid}`;
    expect(await ended(again)).toEqual({
      status: 1,
      stderr: `sluice-broker[0]: rank 0 of instance site already runs: ${there}\n`,
    });
    const second = box.start(["broker", `--overlay=${url}`, "--instance=site", "--rank=1"]);
    expect(await ended(second)).toEqual({
      status: 1,
      stderr: `sluice-broker[1]: rank 1 has already joined (host ${hostname()}, pid ${one.pid})\n`,
    });
    zero.kill("SIGTERM");
    await Promise.all([zero.finished, one.finished]);
  });

  test("trap-F11 a second one waits while the first is silent, and takes its place after three missed beats", async () => {
    const { url } = await server();
    const soon = ["-S", "overlay.heartbeat-period=300ms"];
    const zero = broker(url, 0, "--size=2", ...soon, ...TALKING);
    const one = broker(url, 1, ...soon, ...TALKING);
    await zero.waitFor("state run");
    process.kill(one.pid, "SIGSTOP");
    const second = broker(url, 1, `--rundir=${box.dir}/another`, ...soon, ...TALKING);
    await second.waitFor("state run");
    await zero.waitFor("rank 1 is lost");
    process.kill(one.pid, "SIGCONT");
    expect((await one.finished).status).toBe(1);
    const handle = await connectTo(0);
    expect(await handle.rpc("attr.get", { name: "broker.pid" }, { rank: 1 })).toMatchObject({
      value: String(second.pid),
    });
    await handle.close();
    zero.kill("SIGTERM");
    expect((await second.finished).status).toBe(0);
    await zero.finished;
  });

  test("with --rank=auto get the numbers that are free; overlay forget frees that of one that is silent", async () => {
    const { url } = await server();
    const soon = ["-S", "overlay.heartbeat-period=300ms", "-S", "overlay.on-lost=stop"];
    const zero = broker(url, 0, "--size=3", ...soon, ...TALKING);
    const auto = (name: string): RunningCommand =>
      box.start([
        ...["broker", `--overlay=${url}`, "--instance=site", "--rank=auto"],
        ...[`--rundir=${box.dir}/${name}`, ...soon, ...TALKING],
      ]);
    const first = auto("first");
    await first.waitFor("[1]: state");
    const second = auto("second");
    await Promise.all([zero, second].map((one) => one.waitFor("state run")));
    const forget = (rank: number): ReturnType<Sandbox["run"]> =>
      box.run(["overlay", "forget", String(rank)], { env: at(0) });
    const there = `rank 1 answers (host ${hostname()}, pid ${first.pid}): stop it instead`;
    expect(await forget(1)).toMatchObject({ status: 1, stderr: `sluice-overlay: ${there}\n` });
    process.kill(first.pid, "SIGKILL");
    await zero.waitFor("rank 1 is stalled");
    expect(await forget(1)).toMatchObject({ status: 0, stdout: "", stderr: "" });
    const third = auto("third");
    await third.waitFor("state run");
    const handle = await connectTo(0);
    expect(await handle.rpc("attr.get", { name: "broker.pid" }, { rank: 1 })).toMatchObject({
      value: String(third.pid),
    });
    await handle.close();
    expect((await box.run(["shutdown"], { env: at(0) })).status).toBe(0);
    for (const one of [zero, second, third]) expect(await ended(one)).toMatchObject({ status: 0 });
    await ended(first);
    const alone = await box.run(["broker", "--rank=auto"]);
    expect([alone.status, alone.stderr]).toEqual([2, expect.stringContaining("--rank=auto needs --overlay")]);
  });

  test("trap-F9 one that stood still for longer than all pings keeps its living connection, and serves at once", async () => {
    const { url } = await server();
    // So long that the client of NATS has missed more pings than it waits for.
    const slow = ["-S", "overlay.heartbeat-period=3s"];
    const zero = broker(url, 0, "--size=2", ...slow, ...TALKING);
    const one = broker(url, 1, ...slow, ...TALKING);
    await Promise.all([zero.waitFor("state run"), one.waitFor("state run")]);
    one.kill("SIGSTOP");
    await zero.waitFor("rank 1 is stalled");
    one.kill("SIGCONT");
    await zero.waitFor("rank 1 sends heartbeats again");
    const handle = await connectTo(0);
    expect(await handle.rpc("broker.ping", 9, { rank: 1 })).toBe(9);
    await handle.close();
    zero.kill("SIGTERM");
    await zero.finished;
    const { status, stderr } = await one.finished;
    expect(status).toBe(0);
    expect(stderr).not.toContain("disconnected from the NATS server");
  });

  test("say at once what is wrong with their number and size", async () => {
    const { url } = await server();
    const zero = broker(url, 0, "--size=2", ...TALKING);
    await zero.waitFor("state");
    const far = broker(url, 2);
    expect((await ended(far)).stderr).toContain("rank 2 cannot join: this instance has ranks 0 to 1");
    const wide = broker(url, 1, "--size=3");
    expect((await ended(wide)).stderr).toContain("rank 1 belongs to an instance of size 3, not 2");
    zero.kill("SIGTERM");
    await zero.finished;
  });
});

describe("SLUICE_URI=nats://…", () => {
  test("reaches any rank with every command, without its socket", async () => {
    const { url } = await server();
    const zero = broker(url, 0, "--size=2", ...TALKING);
    const one = broker(url, 1, ...TALKING);
    await Promise.all([zero.waitFor("state run"), one.waitFor("state run")]);
    const to = (rank: number): Record<string, string> => ({ SLUICE_URI: `${url}/site/${rank}` });
    const run = async (rank: number, ...args: string[]): Promise<string> => {
      const { status, stdout, stderr } = await box.run(args, { env: to(rank) });
      expect([status, stderr]).toEqual([0, ""]);
      return stdout;
    };
    expect(await run(1, "getattr", "rank")).toBe("1\n");
    expect(await run(1, "overlay", "status")).toContain("full: 2 of 2 ranks are online");
    expect(await run(0, "ping", "-c", "1", "1!broker")).toContain("broker.ping seq=0");
    const lines = (await run(1, "exec", "-r", "all", "-l", "sh", "-c", "echo $SLUICE_URI")).split("\n");
    // What runs there has the socket of its own rank.
    expect(lines.sort()).toEqual(["", ...[0, 1].map((rank) => `${rank}: ${at(rank)["SLUICE_URI"]}`)]);
    expect(await run(1, "module", "list", "-r", "0,1")).toContain("Rank");
    expect(await run(0, "dmesg", "-r", "1")).toContain("state run");
    await box.run(["exec", "-r", "1", "cat"], { env: to(0), input: "through\n" }).then(({ stdout }) => {
      expect(stdout).toBe("through\n");
    });
    await run(1, "shutdown");
    expect([(await ended(zero)).status, (await ended(one)).status]).toEqual([0, 0]);
  });

  test("fails within 5 s, and names the servers, not the password", async () => {
    const gone = await server();
    await gone.kill();
    const frozen = await server();
    frozen.signal("SIGSTOP");
    const ports = `127.0.0.1:${gone.port},127.0.0.1:${frozen.port}`;
    // At the same time: a busy machine delays both.
    const [bare, failing] = await Promise.all([
      timed(() => box.run(["getattr", "rank", "--uri", "local:///nowhere"])),
      timed(() => box.run(["getattr", "rank", "--uri", `nats://me:hush@${ports}/site/0`])),
    ]);
    expect(failing.ms).toBeLessThan(5000 + bare.ms);
    expect(failing.result).toMatchObject({
      status: 1,
      stderr:
        `sluice-getattr: no broker at nats://${ports}/site/0: cannot connect to any NATS server of the overlay:\n` +
        `  ${gone.url}: connection refused\n  ${frozen.url}: no answer in time\n`,
    });
  });

  test("a command ends when its rank is frozen, and does not show its password to others", async () => {
    const { port } = await server({ lines: ['authorization { user: "me", password: "right" }'] });
    const url = `nats://me:right@127.0.0.1:${port}`;
    const zero = broker(url, 0, "--size=1", ...TALKING);
    await zero.waitFor("state run");
    const listener = box.start(["dmesg", "-f", "--uri", `${url}/site/0`]);
    await listener.waitFor("state run");
    const shown = readFileSync(`/proc/${listener.pid}/cmdline`, "utf8");
    expect(shown).toContain(`nats://***@127.0.0.1:${port}/site/0`);
    expect(shown).not.toContain("right");
    zero.kill("SIGSTOP");
    expect(await listener.finished).toMatchObject({ status: 1 });
    zero.kill("SIGCONT");
    zero.kill("SIGTERM");
    await zero.finished;
  });
});

describe("without a NATS server", () => {
  test("there is one error within 5 s that names each, and why", async () => {
    const gone = await server();
    await gone.kill();
    const frozen = await server();
    frozen.signal("SIGSTOP");
    const servers = `${gone.url},${frozen.url.replace("//", "//me:hush@")}`;
    // On a busy machine the four processes alone take their time: it is measured with two, at the same time.
    const [boot, failing] = await Promise.all([
      timed(() => box.run(["start", ...BARE, "true"])),
      timed(() => box.run(["start", "-s", "3", `--overlay=${servers}`, "true"])),
    ]);
    expect(failing.ms).toBeLessThan(Math.max(5000, 4000 + 5 * boot.ms));
    const { status, stderr } = failing.result;
    expect(stderr).toBe(
      "sluice-broker[0]: cannot connect to any NATS server of the overlay:\n" +
        `  ${gone.url}: connection refused\n  ${frozen.url}: no answer in time\n`,
    );
    expect(status).toBe(1);
    expectNothingLeft();
  });

  test.each(["SIGSTOP", "SIGKILL"] as const)(
    "that answers, %s of the first of three costs less than 1.5 s",
    async (signal) => {
      const servers = [await server(), await server(), await server()];
      const urls = (which: readonly NatsServer[]): string => which.map(({ url }) => url).join(",");
      const start = async (overlay: string): Promise<number> => {
        const begun = performance.now();
        const { status } = await box.run(["start", "-s", "1", ...BARE, `--overlay=${overlay}`, "true"]);
        expect(status).toBe(0);
        return performance.now() - begun;
      };
      servers[0]?.signal(signal);
      // At the same time: a busy machine delays both.
      const [without, first] = await Promise.all([urls(servers.slice(1)), urls(servers)].map(start));
      expect((first ?? NaN) - (without ?? NaN)).toBeLessThan(1500);
    },
  );

  test("that knows the user, the first refusal is final, and no one sees the password", async () => {
    const { url, port } = await server({ lines: ['authorization { user: "me", password: "right" }'] });
    const wrong = box.start([
      "broker",
      `--overlay=nats://me:hush@127.0.0.1:${port}`,
      "--instance=x",
      "--size=1",
    ]);
    const { status, stderr } = await ended(wrong);
    expect([status, stderr]).toEqual([
      1,
      `sluice-broker: cannot connect to the NATS server of the overlay:\n  ${url}: refused these credentials: Authorization Violation\n`,
    ]);
    const { stdout } = await box.run([
      ...["start", ...BARE, `--overlay=nats://me:right@127.0.0.1:${port}`],
      "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c me:righ[t]; sluice lsattr | grep -c right; sluice dmesg | grep -c right; env | grep -c right",
    ]);
    expect(stdout).toBe("0\n0\n0\n0\n");
  });
});

/** What something gives, and how long it takes. */
async function timed<T>(run: () => Promise<T>): Promise<{ readonly result: T; readonly ms: number }> {
  const begun = performance.now();
  const result = await run();
  return { result, ms: performance.now() - begun };
}

/** A client of a broker that was started by itself, as soon as it takes any. */
async function connectTo(rank: number): Promise<Handle> {
  const uri = at(rank)["SLUICE_URI"] ?? "";
  return connect(uri);
}
