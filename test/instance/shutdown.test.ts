import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isErrno } from "../../dist/index.js";
import { Stack } from "./support/stack.js";

const CHAIN = `
[[modules]]
name = "a"

[[modules]]
name = "b"
requires = ["a"]
after = ["a"]

[[tasks]]
name = "farewell"
command = "echo bye > $OUT"
before = ["b"]
needs = ["b"]
runlevels = ["rc3"]
`;

describe("the way down of an embedded broker", () => {
  test("is planned: tasks of rc3 run, and modules go in the reverse order of loading", async () => {
    const stack = new Stack(CHAIN);
    const out = join(stack.dir, "out.txt");
    stack.write("modprobe/rc1.d/site.toml", `load = ["b"]\n`);
    const broker = await stack.start({ env: { ...stack.env, OUT: out } });
    const { status, units, notShutDown } = await broker.shutdown();
    expect({ status, notShutDown }).toEqual({ status: 0, notShutDown: [] });
    expect(units.map(({ unit, outcome }) => `${unit} ${outcome}`)).toEqual([
      "farewell done",
      "b done",
      "a done",
    ]);
    expect(readFileSync(out, "utf8")).toBe("bye\n");
    expect(readdirSync(stack.runtimeDir)).toEqual([]);
    expect(await broker.closed).toEqual({ status: 0, notShutDown: [] });
  });

  test("is what a request to broker.shutdown asks for", async () => {
    const stack = new Stack(`modules = [{name = "a"}]`);
    const broker = await stack.start({ roots: ["a"] });
    const handle = await broker.connect();
    await handle.rpc("broker.shutdown");
    expect(await broker.closed).toEqual({ status: 0, notShutDown: [] });
    await expect(broker.connect()).rejects.toMatchObject({ code: "BROKER_STATE" });
  });

  test("counts as failed if a task of it fails, and removes all modules even so", async () => {
    const stack = new Stack(CHAIN.replace("echo bye > $OUT", "exit 3"));
    const broker = await stack.start({ roots: ["b"] });
    const { status, units } = await broker.shutdown();
    const outcomes = units.map(({ unit, outcome }) => `${unit} ${outcome}`);
    expect({ status, outcomes }).toEqual({ status: 1, outcomes: ["farewell failed", "b done", "a done"] });
    expect(readdirSync(stack.runtimeDir)).toEqual([]);
  });

  test("is joined by a second call, and cut short by a limit, after which nothing is left", async () => {
    const stack = new Stack(`
      tasks = [{name = "long", command = "sleep 1000", runlevels = ["rc3"]}]
    `);
    const broker = await stack.start();
    const first = broker.shutdown();
    const second = broker.shutdown({ timeoutMs: 200 });
    await expect(second).rejects.toSatisfy((error) => isErrno(error, "ETIMEDOUT"));
    expect((await first).units).toMatchObject([{ unit: "long", outcome: "cancelled" }]);
    expect(readdirSync(stack.runtimeDir)).toEqual([]);
  });

  test("is skipped by close(), which gives up a shutdown on its way too", async () => {
    const stack = new Stack(`tasks = [{name = "long", command = "sleep 1000", runlevels = ["rc3"]}]`);
    const broker = await stack.start();
    const shutdown = broker.shutdown();
    await broker.close();
    expect((await shutdown).notShutDown).toEqual([]);
    expect(readdirSync(stack.runtimeDir)).toEqual([]);
  });
});

describe("a module whose failure is a panic", () => {
  test("shuts an embedded broker down in order, and rejects `closed`; the host lives on", async () => {
    const stack = new Stack(`modules = [{name = "a", on-failure = "panic"}, {name = "b"}]`);
    const broker = await stack.start({ roots: ["a", "b"] });
    const handle = await broker.connect();
    await handle.rpc("a.crash");
    await expect(broker.closed).rejects.toMatchObject({ code: "BROKER_STATE" });
    expect(await broker.shutdown()).toMatchObject({ status: 1, notShutDown: [] });
    expect(readdirSync(stack.runtimeDir)).toEqual([]);
  });
});
