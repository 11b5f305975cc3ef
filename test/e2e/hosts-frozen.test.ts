/** A rank whose process is frozen while the others publish: what is kept for it, and what becomes of it. */
import { join } from "node:path";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { ERRNO } from "../../src/errors/index.js";
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

const PATIENTLY = { interval: 50, timeout: 50_000 };
const FROZEN = 3;
const EVENT_BYTES = 1_000_000;

interface Ranks {
  readonly server: NatsServer;
  readonly brokers: readonly RunningCommand[];
  readonly handles: readonly Handle[];
  /** The numbers that each rank has received. */
  readonly heard: readonly number[][];
  /** Has rank 2 publish, one event after the other. */
  readonly publish: (count: number) => Promise<number[]>;
}

async function startRanks(...settings: string[]): Promise<Ranks> {
  const server = await startNats({ lines: ['write_deadline: "2s"'] });
  onTestFinished(() => server.kill());
  const brokers = [0, 1, 2, FROZEN].map((rank) =>
    box.start([
      ...["broker", `--overlay=${server.url}`, "--instance=site", `--rank=${rank}`, "--size=4"],
      ...[`--rundir=${join(box.dir, `rank-${rank}`)}`, "-S", "broker.rc1_path=", "-S", "broker.rc3_path="],
      ...["-S", "log-stderr-level=7", "-S", "overlay.heartbeat-period=500ms", ...settings],
    ]),
  );
  await Promise.all(brokers.map((each) => each.waitFor("state run")));
  const handles: Handle[] = [];
  const heard: number[][] = [];
  for (const rank of brokers.keys()) {
    const handle = await connect(`local://${join(box.dir, `rank-${rank}`)}/local-${rank}`);
    onTestFinished(() => handle.close());
    const seqs: number[] = [];
    await handle.subscribe("load.*", ({ seq }) => seqs.push(seq));
    handles.push(handle);
    heard.push(seqs);
  }
  const payload = Buffer.alloc(EVENT_BYTES);
  const publish = async (count: number): Promise<number[]> => {
    const seqs: number[] = [];
    for (let n = 0; n < count; n++) seqs.push((await handles[2]?.publish("load.x", payload)) ?? 0);
    return seqs;
  };
  return { server, brokers, handles, heard, publish };
}

test("a rank that is frozen under 24 MB of events is unreachable meanwhile, and has them all in order when it goes on", async () => {
  const { server, brokers, handles, heard, publish } = await startRanks();
  brokers[FROZEN]?.kill("SIGSTOP");
  const seqs = await publish(24);
  await expect.poll(() => heard.slice(0, FROZEN), PATIENTLY).toEqual([seqs, seqs, seqs]);
  // From then on nothing comes to it but what rank 0 keeps.
  await server.logged("Slow Consumer");
  await brokers[0]?.waitFor(`rank ${FROZEN} is stalled`);
  const request = handles[0]?.rpc("broker.ping", 1, { rank: FROZEN });
  await expect(request).rejects.toMatchObject({ errnum: ERRNO.EHOSTUNREACH });
  brokers[FROZEN]?.kill("SIGCONT");
  await expect.poll(() => heard[FROZEN], PATIENTLY).toEqual(seqs);
  await brokers[0]?.waitFor(`rank ${FROZEN} sends heartbeats again`);
  expect(await handles[0]?.rpc("broker.ping", 2, { rank: FROZEN })).toBe(2);
});

test("a rank that is frozen under more events than rank 0 keeps says which it has missed, and ends its subscriptions", async () => {
  const { server, brokers, handles, heard, publish } = await startRanks("-S", "overlay.kept-events=10000000");
  const uri = `local://${join(box.dir, `rank-${FROZEN}`)}/local-${FROZEN}`;
  const watching = box.start(["event", "sub", "--uri", uri, "load.*", "site.*"]);
  // It prints events from its subscription on.
  while (watching.output() === "") await handles[2]?.publish("site.ready");
  brokers[FROZEN]?.kill("SIGSTOP");
  const seqs = await publish(24);
  await server.logged("Slow Consumer");
  seqs.push(...(await publish(12)));
  await expect.poll(() => heard.slice(0, FROZEN), PATIENTLY).toEqual([seqs, seqs, seqs]);
  brokers[FROZEN]?.kill("SIGCONT");
  const why =
    /this rank has missed events after \d+, because rank 0 no longer keeps them all \(overlay.kept-events\)/;
  const { status, stderr } = await watching.finished;
  expect(stderr.trim().split("\n")).toHaveLength(1);
  expect(stderr).toMatch(new RegExp(`subscription to load\\.\\* has ended: ${why.source}`));
  expect(status).toBe(1);
  expect(await handles[FROZEN]?.closed).toMatchObject({ errnum: ERRNO.ENODATA });
  await brokers[FROZEN]?.waitFor("because rank 0 no longer keeps them all (overlay.kept-events)");
  const again = await connect(uri);
  onTestFinished(() => again.close());
  const next: number[] = [];
  await again.subscribe("load.*", ({ seq }) => next.push(seq));
  const more = await publish(1);
  await expect.poll(() => next, PATIENTLY).toEqual(more);
  await expect.poll(() => heard.slice(0, FROZEN), PATIENTLY).toEqual(Array(FROZEN).fill([...seqs, ...more]));
});
