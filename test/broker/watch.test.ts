import { describe, expect, onTestFinished, test } from "vitest";
import { ERRNO } from "../../src/errors/index.js";
import { type Handle, fields, type Payload } from "../../src/messages/index.js";
import { systemClock } from "../../src/broker/clock.js";
import { startBroker } from "./support/start-broker.js";

/** Answers of a stream, until one fulfils the test. */
async function until(
  stream: AsyncIterator<Payload>,
  isWanted: (answer: Readonly<Record<string, unknown>>) => boolean,
): Promise<Readonly<Record<string, unknown>>> {
  for (;;) {
    const next: IteratorResult<Payload, unknown> = await stream.next();
    if (next.done === true) throw new Error("the stream has ended");
    const answer = next.value as Readonly<Record<string, unknown>>;
    if (isWanted(answer)) return answer;
  }
}

function open(handle: Handle, topic: string, payload?: Payload): AsyncIterator<Payload> {
  const ended = new AbortController();
  onTestFinished(() => ended.abort());
  return handle.rpcStream(topic, payload, { signal: ended.signal })[Symbol.asyncIterator]();
}

const named = (answer: Readonly<Record<string, unknown>>, name: string): boolean =>
  (answer["modules"] as { name: string }[]).some((module) => module.name === name);

describe("module.watch", () => {
  test("tells all modules first, then a load at once and a failure with its message", async () => {
    const idle = async (h: Handle): Promise<void> => h.run();
    const frail = async (h: Handle): Promise<void> => {
      h.handle("fail", () => {
        h.stop(new Error("boom"));
        return null;
      });
      await h.run();
    };
    const { handle } = await startBroker(
      { idle, frail },
      { clock: systemClock, attributes: { "broker.module-nopanic": "1" } },
    );
    await handle.rpc("module.load", { path: "/mem/idle" });
    // So long that what comes meanwhile comes because something has changed.
    const stream = open(handle, "module.watch", { periodMs: 3_600_000 });
    const first = await until(stream, () => true);
    expect(first).toMatchObject({
      full: true,
      broker: { rank: 0, size: 1 },
      modules: [{ name: "idle", state: "R", phase: "up", restarts: 0, owedSeconds: 0 }],
      gone: [],
    });
    expect(first["modules"]).not.toHaveProperty("0.idleSeconds");
    await handle.rpc("module.load", { path: "/mem/frail", onFailure: "log" });
    const loaded = await until(
      stream,
      (answer) => named(answer, "frail") && JSON.stringify(answer).includes('"phase":"up"'),
    );
    expect(loaded).toMatchObject({ full: false, gone: [] });
    expect(named(loaded, "idle")).toBe(false);
    await handle.rpc("frail.fail");
    const failed = await until(stream, ({ gone }) => (gone as string[]).includes("frail"));
    expect(failed).toMatchObject({ failed: [{ name: "frail", message: "boom" }] });
  });

  test.each([[{ periodMs: 99 }], [{ periodMs: 0 }]])("refuses %o with EINVAL", async (payload) => {
    const { handle } = await startBroker();
    await expect(open(handle, "module.watch", payload).next()).rejects.toMatchObject({
      errnum: ERRNO.EINVAL,
    });
  });

  test("tells once a period that nothing has changed, and leaves no timer behind", async () => {
    const { handle, clock } = await startBroker();
    const before = clock.delays.length;
    const ended = new AbortController();
    const answers = handle.rpcStream("module.watch", { periodMs: 500 }, { signal: ended.signal });
    const stream = answers[Symbol.asyncIterator]();
    const timeOfNext = async (): Promise<number> =>
      fields((await until(stream, () => true)) as Payload, { time: "number" }).time;
    const first = await timeOfNext();
    clock.advance(500);
    expect((await timeOfNext()) - first).toBe(0.5);
    ended.abort();
    await expect(stream.next()).rejects.toMatchObject({ errnum: ERRNO.ECANCELED });
    await handle.rpc("module.ping");
    expect(clock.delays).toHaveLength(before);
  });
});

describe("run.watch", () => {
  const begin = { id: "r1", command: "load", steps: [{ unit: "a", action: "load" }] };

  test("passes a run on as it is reported, and gives later readers the whole of it", async () => {
    const { handle, broker } = await startBroker();
    const runner = await broker.connect();
    const early = open(handle, "run.watch");
    expect(await until(early, () => true)).toEqual({ current: true });
    await runner.rpc("run.report", begin);
    const start = { type: "start", unit: "a", action: "load", atMs: 1 };
    await runner.rpc("run.report", { id: "r1", events: [start] });
    expect(await until(early, ({ command }) => command === "load")).toMatchObject({
      ...begin,
      state: "running",
      events: [],
    });
    expect(await until(early, () => true)).toMatchObject({ id: "r1", events: [start], state: "running" });
    const late = await until(open(handle, "run.watch"), () => true);
    expect(late).toMatchObject({ ...begin, events: [start], state: "running" });
    await runner.rpc("run.report", { id: "r1", events: [{ type: "summary" }], recorded: true });
    expect(await until(early, () => true)).toMatchObject({ id: "r1", state: "ended", recorded: true });
  });

  test("says of a run whose runner has gone that it is lost", async () => {
    const { handle, broker } = await startBroker();
    const runner = await broker.connect();
    await runner.rpc("run.report", begin);
    const stream = open(handle, "run.watch");
    expect(await until(stream, ({ id }) => id === "r1")).toMatchObject({ state: "running" });
    await runner.close();
    expect(await until(stream, ({ state }) => state === "lost")).toMatchObject({ id: "r1" });
  });

  test("refuses reports of runs that never began, and of the runs of others", async () => {
    const { handle, broker } = await startBroker();
    await expect(handle.rpc("run.report", { id: "r2", events: [] })).rejects.toMatchObject({
      errnum: ERRNO.EINVAL,
    });
    await handle.rpc("run.report", begin);
    const other = await broker.connect();
    await expect(other.rpc("run.report", { id: "r1", events: [] })).rejects.toMatchObject({
      errnum: ERRNO.EPERM,
    });
  });
});

test("overlay.watch begins with what overlay.status answers", async () => {
  const { handle } = await startBroker();
  expect(await until(open(handle, "overlay.watch"), () => true)).toEqual(await handle.rpc("overlay.status"));
});
