import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type * as BrokerModule from "../../src/broker/index.js";
import { fields, type Handle } from "../../src/messages/index.js";
import { attributesFor, Collected, PROVIDERS, withDirectory } from "./instance.js";

const dist = new URL("../../dist/", import.meta.url);
const { Broker } = (await import(new URL("broker/index.js", dist).href)) as typeof BrokerModule;

/** The order in which the shipped rc1 loads them, more or less. */
const SHIPPED = ["heartbeat", "cron", "content", "content-sqlite", "kvs", "kvs-watch", "resource"];

let broker: BrokerModule.Broker;
let h: Handle;

async function start(statedir: string, provider = ""): Promise<void> {
  broker = await Broker.start({
    modulePath: fileURLToPath(new URL("modules", dist)),
    attributes: { statedir, ...(await attributesFor(provider)) },
    socket: false,
  });
  h = await broker.connect();
}

async function load(names: readonly string[]): Promise<void> {
  for (const path of names) await h.rpc("module.load", { path });
}

/** Removes all modules in the reverse order. */
async function stop(names: readonly string[]): Promise<void> {
  for (const name of names.toReversed()) await h.rpc("module.remove", { name });
  await h.close();
  expect(await broker.close()).toEqual({ status: 0, notShutDown: [] });
}

test("the shipped modules run in threads of their own, found by their bare names", async () => {
  await withDirectory(async (statedir) => {
    await start(statedir);
    await load(SHIPPED);
    const { modules } = fields(await h.rpc("module.list"), { modules: "array" });
    expect(modules.map((module) => fields(module, { name: "string", state: "string" }))).toEqual(
      SHIPPED.map((name) => ({ name, state: "R" })),
    );

    const watch = h.rpcStream("kvs-watch.watch", { key: "a.b" });
    expect((await watch.next()).value).toEqual({ version: 0 });
    await h.rpc("kvs.commit", { ops: [{ key: "a.b", value: [1, "é"] }] });
    expect((await watch.next()).value).toEqual({ value: [1, "é"], version: 1 });
    await watch.return?.();

    const puts = Array.from({ length: 1000 }, (_, index) =>
      h.rpc("kvs.commit", { ops: [{ key: `k.${index}`, value: index }] }),
    );
    await Promise.all(puts);
    expect(await h.rpc("kvs.version")).toEqual({ version: 1001 });
    expect(await h.rpc("resource.status")).toMatchObject({ hosts: [{ rank: 0 }] });

    const pulses = new Collected<unknown>();
    await h.rpc("module.reload", { name: "heartbeat", args: ["interval=0.02"] });
    await h.subscribe("heartbeat.pulse", (event) => pulses.add(event));
    await pulses.atLeast(2);
    await stop(SHIPPED);
  });
});

test.each(PROVIDERS)(
  "what was answered is there after the threads of %s and kvs were cut off",
  async (backing) => {
    await withDirectory(async (statedir) => {
      const modules = ["content", backing, "kvs"];
      await start(statedir, backing);
      await load(modules);
      const answered: number[] = [];
      let started = 0;
      const writer = async (): Promise<void> => {
        for (;;) {
          const index = started++;
          await h.rpc("kvs.commit", { ops: [{ key: `k.${index}`, value: "v".repeat(index * 10) }] });
          answered.push(index);
          if (answered.length === 50) await broker.close();
        }
      };
      // Each goes on until it is cut off in the middle of a commit.
      for (const { status } of await Promise.allSettled(Array.from({ length: 10 }, writer))) {
        expect(status).toBe("rejected");
      }
      await start(statedir, backing);
      await load(modules);
      const { version } = fields(await h.rpc("kvs.version"), { version: "integer" });
      expect(version).toBeGreaterThanOrEqual(answered.length);
      for (const index of answered) {
        const { value } = fields(await h.rpc("kvs.get", { key: `k.${index}` }), { value: "string" });
        expect(value).toHaveLength(index * 10);
      }
      await stop(modules);
    });
  },
);
