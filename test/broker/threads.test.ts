import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { Broker, type BrokerOptions, type LogEntry } from "../../dist/broker/index.js";
import { ERRNO } from "../../src/errors/index.js";
import { connect, type Event, fields, type Handle } from "../../src/messages/index.js";
import { FakeClock } from "./support/fake-clock.js";

const FIXTURES = join(import.meta.dirname, "fixtures");
const STATION = join(FIXTURES, "station.mjs");

interface Started {
  readonly broker: Broker;
  /** Over the unix socket. */
  readonly handle: Handle;
  readonly log: LogEntry[];
  readonly base: string;
}

/** The built broker with real threads, and a client on its socket. */
async function start(options: BrokerOptions = {}): Promise<Started> {
  const base = mkdtempSync(join(tmpdir(), "sluice-threads-test-"));
  const log: LogEntry[] = [];
  const broker = await Broker.start({
    env: { XDG_RUNTIME_DIR: base },
    modulePath: FIXTURES,
    onLog: (entry) => log.push(entry),
    ...options,
  });
  onTestFinished(async () => {
    await broker.close();
    rmSync(base, { recursive: true, force: true });
  });
  return { broker, handle: await connect(broker.uri ?? ""), log, base };
}

async function load(
  handle: Handle,
  request: Readonly<Record<string, string | string[]>> = {},
): Promise<void> {
  await handle.rpc("module.load", { path: STATION, ...request });
}

describe("modules in threads, asked over the socket", () => {
  test("are loaded by name or path, listed, pinged, asked and removed, and nothing is left behind", async () => {
    const { broker, handle, base, log } = await start({ config: { line: { speed: 80 } } });
    await load(handle, { path: "station", args: ["a", "b"] });
    await load(handle, { name: "north" });
    const { modules } = fields(await handle.rpc("module.list"), { modules: "array" });
    expect(modules).toEqual([
      expect.objectContaining({ name: "station", path: STATION, state: "R", services: ["station-desk"] }),
      expect.objectContaining({ name: "north", path: STATION, state: "R", services: ["north-desk"] }),
    ]);
    expect(await handle.rpc("north.ping", { pad: 1 })).toEqual({ pad: 1 });
    expect(await handle.rpc("station-desk.name")).toEqual({
      name: "station",
      args: ["a", "b"],
      rank: 0,
      conf: { line: { speed: 80 } },
    });
    expect(await handle.rpc("north.echo", new Uint8Array([1, 2, 3]))).toEqual(new Uint8Array([1, 2, 3]));
    expect(await handle.rpc("north.ask", { topic: "station.echo", payload: "via north" })).toBe("via north");
    const pipelined = Array.from({ length: 500 }, (_, n) => handle.rpc("station.echo", n));
    expect(await Promise.all(pipelined)).toEqual(pipelined.map((_, n) => n));
    await handle.rpc("module.remove", { name: "north" });
    await handle.rpc("module.remove", { name: STATION });
    expect(broker.pendingRequests).toBe(0);
    await handle.close();
    expect(await broker.close()).toEqual({ status: 0, notShutDown: [] });
    expect(readdirSync(base)).toEqual([]);
    expect(log.filter(({ level }) => level === "crit")).toEqual([]);
  });

  test("publish and receive events in one order", async () => {
    const { handle } = await start();
    await load(handle);
    await load(handle, { name: "north" });
    const got: Event[] = [];
    const third = new Promise<void>((resolve) => {
      void handle.subscribe("station.news", (event) => {
        if (got.push(event) === 3) resolve();
      });
    });
    await handle.rpc("station.announce", 1);
    await handle.rpc("north.announce", 2);
    await handle.publish("station.news", 3);
    await third;
    expect(got.map(({ payload }) => payload)).toEqual([1, 2, 3]);
    const [first = 0] = got.map(({ seq }) => seq);
    expect(got.map(({ seq }) => seq)).toEqual([first, first + 1, first + 2]);
    expect([await handle.rpc("station.heard"), await handle.rpc("north.heard")]).toEqual([3, 3]);
  });

  test("in TypeScript are transpiled into a directory below the rundir, and may name themselves", async () => {
    const { broker, handle } = await start();
    await handle.rpc("module.load", { path: join(FIXTURES, "typed.ts"), args: [] });
    expect(await handle.rpc("typed.greet")).toBe("hello");
    expect(await handle.attr("cachedir")).toBe(join(broker.rundir, "cache"));
    expect(readdirSync(join(broker.rundir, "cache"))).toHaveLength(1);
    await handle.rpc("module.remove", { name: "typed" });
  });

  test("that throw or return before they run fail the load, and are gone", async () => {
    const { handle } = await start();
    await expect(load(handle, { args: ["fail-early"] })).rejects.toMatchObject({
      errnum: 19,
      message: expect.stringMatching(/^\w+: no track$/) as string,
    });
    await expect(load(handle, { args: ["return-early"] })).rejects.toMatchObject({
      errnum: ERRNO.ECONNRESET,
    });
    await expect(load(handle, { path: "nowhere" })).rejects.toThrow("module not found in search path");
    expect(await handle.rpc("module.list")).toEqual({ modules: [] });
    await load(handle);
    await handle.rpc("module.remove", { name: "station" });
  });

  test.each(["throw", "crash"])(
    "that %s fail what they were asked, and bring the instance down",
    async (how) => {
      const { broker, handle, log } = await start();
      const down = new Promise((resolve) => broker.onShutdown(resolve));
      await load(handle);
      const never = handle.rpc("station.never");
      handle.notify(`station.${how}`);
      await expect(never).rejects.toMatchObject({ errnum: ERRNO.ECONNRESET });
      await expect(never).rejects.toThrow("module disconnect");
      expect(await down).toMatchObject({ kind: "panic" });
      const failure = log.find(({ level }) => level === "crit");
      expect(failure?.text).toContain("station module runtime failure");
      expect(failure?.text).toMatch(/derailed|wreck/);
      expect((await broker.close()).status).toBe(1);
    },
  );

  test("that spin can be cancelled", async () => {
    const { handle, broker } = await start();
    await load(handle);
    const spinning = expect(handle.rpc("station.spin")).rejects.toMatchObject({ errnum: ERRNO.ECONNRESET });
    await handle.rpc("module.remove", { name: "station", cancel: true });
    await spinning;
    expect(await handle.rpc("module.list")).toEqual({ modules: [] });
    expect((await broker.close()).status).toBe(0);
  });

  test("are restarted after a crash, when the clock says so", async () => {
    const clock = new FakeClock();
    const restarted: (() => void)[] = [];
    const { handle } = await start({
      clock,
      onLog: ({ text }) => {
        if (text.startsWith("station restarts in")) setImmediate(() => clock.advance(1000));
        if (text === "station runs again") restarted.forEach((resolve) => resolve());
      },
    });
    await load(handle, { onFailure: "restart" });
    const up = new Promise<void>((resolve) => restarted.push(resolve));
    handle.notify("station.crash");
    await up;
    expect(await handle.rpc("station.echo", 1)).toBe(1);
    await handle.rpc("module.remove", { name: "station" });
  });

  test("are reloaded without a request being lost", async () => {
    const { handle } = await start();
    await load(handle);
    const reload = handle.rpc("module.reload", { name: "station", args: ["again"] });
    const answers = Array.from({ length: 100 }, (_, n) => handle.rpc("station.echo", n));
    expect(await Promise.all(answers)).toEqual(answers.map((_, n) => n));
    await reload;
    expect(fields(await handle.rpc("station.name"), { args: "string[]" }).args).toEqual(["again"]);
    await handle.rpc("module.remove", { name: "station" });
  });

  test("that share a thread tell how many versions of a file it has, and the log names twenty", async () => {
    const { handle, log } = await start();
    await load(handle, { thread: "yard", name: "neighbour" });
    await load(handle, { thread: "yard" });
    const generations = async (): Promise<unknown> =>
      fields(await handle.rpc("station.stats-get"), { generations: "integer?" }).generations;
    const before = await generations();
    for (let reload = 0; reload < 18; reload++) await handle.rpc("module.reload", { name: "station" });
    expect([before, await generations()]).toEqual([2, 20]);
    const told = log.filter(({ text }) => text.includes("versions of the file"));
    expect(told).toEqual([
      expect.objectContaining({
        name: "station",
        level: "warning",
        text: "20 versions of the file of this module are in memory until its thread ends",
      }),
    ]);
    await load(handle, { name: "alone" });
    expect(await handle.rpc("alone.stats-get")).not.toHaveProperty("generations");
    for (const name of ["station", "neighbour", "alone"]) await handle.rpc("module.remove", { name });
  });

  test("left over at the end are named and ended", async () => {
    const { broker, handle, base } = await start();
    await load(handle);
    expect(await broker.close()).toEqual({ status: 1, notShutDown: ["station"] });
    await handle.closed;
    expect(readdirSync(base)).toEqual([]);
  });
});

describe("modules in one thread group", () => {
  const group = { thread: "yard", onFailure: "log" };

  async function states(handle: Handle): Promise<readonly string[]> {
    const { modules } = fields(await handle.rpc("module.list"), { modules: "array" });
    return modules.map((module) => fields(module, { name: "string" }).name);
  }

  test("cannot be cancelled one by one: the refusal names the group and the others, and asks for --force", async () => {
    const { handle } = await start();
    for (const name of ["north", "south", "east"]) await load(handle, { name, ...group });
    await load(handle, { name: "west", thread: "other" });
    const cancelled = handle.rpc("module.remove", { name: "south", cancel: true });
    await expect(cancelled).rejects.toMatchObject({
      errnum: ERRNO.EBUSY,
      message:
        "south: cancelling it would end its thread group 'yard' with north, east; use --force to end the group",
    });
    expect(await states(handle)).toEqual(["north", "south", "east", "west"]);
    for (const name of ["north", "south", "east"]) expect(await handle.rpc(`${name}.echo`, name)).toBe(name);
    await handle.rpc("module.remove", { name: "west", cancel: true });
    await handle.rpc("module.remove", { name: "south" });
    expect(await states(handle)).toEqual(["north", "east"]);
  });

  test("are cancelled together by force, and what becomes of the others is up to their policies", async () => {
    const restarted: (() => void)[] = [];
    const clock = new FakeClock();
    const log: string[] = [];
    const { handle } = await start({
      clock,
      onLog: ({ text }) => {
        log.push(text);
        if (text.startsWith("east restarts in")) setImmediate(() => clock.advance(1000));
        if (text === "east runs again") restarted.forEach((resolve) => resolve());
      },
    });
    await load(handle, { name: "north", ...group });
    await load(handle, { name: "south", ...group });
    await load(handle, { name: "east", ...group, onFailure: "restart" });
    const spinning = expect(handle.rpc("south.spin")).rejects.toMatchObject({ errnum: ERRNO.ECONNRESET });
    const pending = expect(handle.rpc("north.never")).rejects.toMatchObject({ errnum: ERRNO.ECONNRESET });
    const up = new Promise<void>((resolve) => restarted.push(resolve));
    await handle.rpc("module.remove", { name: "south", cancel: true, force: true });
    await Promise.all([spinning, pending, up]);
    const failures = log.filter((text) => text.includes("runtime failure"));
    expect(failures.toSorted()).toEqual([
      "east module runtime failure: thread group 'yard' was terminated",
      "north module runtime failure: thread group 'yard' was terminated",
    ]);
    expect(await states(handle)).toEqual(["east"]);
    expect(await handle.rpc("east.echo", 1)).toBe(1);
    await handle.rpc("module.remove", { name: "east", cancel: true });
  });

  test("bring the instance down when one whose policy is panic is lost to a cancellation by force", async () => {
    const { broker, handle } = await start();
    const down = new Promise((resolve) => broker.onShutdown(resolve));
    await load(handle, { name: "north", thread: "yard" });
    await load(handle, { name: "south", thread: "yard" });
    await handle.rpc("module.remove", { name: "south", cancel: true, force: true });
    expect(await down).toEqual({
      kind: "panic",
      message: "north module runtime failure: thread group 'yard' was terminated",
    });
  });
});
