import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  chainText,
  type OpenRequests,
  type RankWaits,
  type WaitedModule,
  waitGraph,
  waitLines,
  waitsOf,
} from "../../src/waits/index.js";

function open(origin: string, topic: string, target: string, more: Partial<OpenRequests> = {}): OpenRequests {
  const base = { origin, topic, name: origin, hops: 1, count: 1, seconds: 2, isStream: false, isHeld: false };
  return { ...base, target: { id: target, name: target }, ...more };
}

function module(name: string, more: Partial<WaitedModule> = {}): WaitedModule {
  return { uuid: name, name, state: "running", idleSeconds: 0, heldUnits: [], ...more };
}

function report(rank: number, requests: OpenRequests[], modules: WaitedModule[] = []): RankWaits {
  return { rank, requests, modules };
}

const KVS = [module("kvs"), module("content"), module("content-sqlite", { idleSeconds: 12 })];

test("a chain goes from a client to the module that is silent", () => {
  const graph = waitGraph([
    report(
      0,
      [
        open("client-7", "kvs.commit", "kvs", { seconds: 12.1 }),
        open("kvs", "content.store", "content", { seconds: 12 }),
        open("content", "content-backing.store", "content-sqlite", { seconds: 12 }),
      ],
      KVS,
    ),
  ]);
  expect(waitLines(graph)).toEqual([
    "client-7 → kvs.commit 12.1 s → content.store 12.0 s → content-backing.store 12.0 s → content-sqlite (silent 12.0 s)",
  ]);
  expect(graph.deadlocks).toEqual([]);
});

test("a module that has sent something since it was asked is not called silent", () => {
  const graph = waitGraph([report(0, [open("client-1", "kvs.get", "kvs", { seconds: 5 })], [module("kvs")])]);
  expect(waitLines(graph)).toEqual(["client-1 → kvs.get 5.0 s → kvs"]);
});

test("a request that has crossed ranks is an edge to what owes the answer there", () => {
  const away = { target: { id: "@1", name: "rank 1", rank: 1 } };
  const graph = waitGraph([
    report(0, [open("client-1", "b.ask", "", { ...away, count: 3 })]),
    report(1, [{ ...open("client-1", "b.ask", "b", { hops: 2, count: 2 }), name: undefined }], [module("b")]),
  ]);
  expect(graph.edges.map(({ from, to, count }) => [from.name, to.name, to.rank, count])).toEqual([
    ["client-1", "rank 1", 1, 1],
    ["client-1", "b", 1, 2],
  ]);
});

test("a load is an edge to the module, and so is each unit that comes after it", () => {
  const starting = module("slow", { uuid: "", state: "starting", idleSeconds: 4, heldUnits: ["later"] });
  const graph = waitGraph([
    report(0, [open("client-1", "module.load", "#module", { about: "slow", seconds: 4 })], [starting]),
  ]);
  expect(waitLines(graph)).toEqual([
    "client-1 → module.load 4.0 s → slow (starting 4.0 s)",
    "later → after 4.0 s → slow (starting 4.0 s)",
  ]);
});

test("a sender that flow control holds is marked, and streams are only counted", () => {
  const graph = waitGraph([
    report(0, [
      open("client-1", "a.ask", "a", { isHeld: true, count: 2 }),
      open("client-2", "a.watch", "a", { isStream: true }),
    ]),
  ]);
  expect(waitLines(graph)).toEqual(["client-1 → a.ask 2.0 s (2 open, held) → a"]);
  expect(graph.streams).toBe(1);
});

describe("a ring", () => {
  const ring = (seconds: number): RankWaits[] => [
    report(
      0,
      [open("a", "b.ask", "b", { seconds }), open("b", "a.ask", "a", { seconds })],
      [module("a", { idleSeconds: 9 }), module("b", { idleSeconds: 9 })],
    ),
  ];

  test("of requests that have been open for a while is a deadlock", () => {
    expect(waitLines(waitGraph(ring(1)))).toEqual(["deadlock: a → b.ask 1.0 s → a.ask 1.0 s → a"]);
  });

  test("of requests that are being answered is no deadlock", () => {
    expect(waitGraph(ring(0.01)).deadlocks).toEqual([]);
  });

  test("of one module that asks itself is a deadlock", () => {
    const graph = waitGraph([report(0, [open("a", "a.ask", "a")], [module("a")])]);
    expect(waitLines(graph)).toEqual(["deadlock: a → a.ask 2.0 s → a"]);
  });
});

test("a name selects the chains and rings that it is in", () => {
  const graph = waitGraph([report(0, [open("c1", "a.ask", "a"), open("c2", "b.ask", "b")])]);
  expect(waitLines(waitsOf(graph, "b"))).toEqual(["c2 → b.ask 2.0 s → b"]);
  expect(waitLines(waitsOf(graph, "nothing"))).toEqual([]);
});

test("of any requests, each chain and ring is a path of edges, and a ring is named exactly if there is one", () => {
  const names = ["a", "b", "c", "d", "e", "f"];
  const edge = fc.tuple(fc.constantFrom(...names), fc.constantFrom(...names), fc.integer({ min: 0, max: 3 }));
  fc.assert(
    fc.property(fc.array(edge, { maxLength: 14 }), (asked) => {
      const requests = asked.map(([from, to, seconds]) => open(from, `${to}.ask`, to, { seconds }));
      const graph = waitGraph([
        report(
          0,
          requests,
          names.map((name) => module(name)),
        ),
      ]);
      for (const path of [...graph.chains, ...graph.deadlocks]) {
        path.slice(1).forEach((next, at) => expect(next.from.id).toBe(path[at]?.to.id));
        expect(chainText(path)).not.toBe("");
      }
      for (const ring of graph.deadlocks) expect(ring.at(-1)?.to.id).toBe(ring[0]?.from.id);
      const old = requests.filter(({ seconds }) => seconds > 0);
      expect(graph.deadlocks.length > 0).toBe(hasRing(old));
    }),
  );
});

/** Takes away what waits for nothing, until only rings are left. */
function hasRing(requests: readonly OpenRequests[]): boolean {
  const waiting = new Set(requests.map(({ origin }) => origin));
  const left = requests.filter(({ target }) => waiting.has(target.id));
  return left.length === requests.length ? left.length > 0 : hasRing(left);
}

describe("10,000 open requests", () => {
  const COUNT = 10_000;
  const clients = Array.from({ length: COUNT }, (_, at) => open(`client-${at}`, "a.ask", "a"));

  test("of clients of a deadlock leave its ring to be found, once", () => {
    const modules = ["a", "b", "c"].map((name) => module(name));
    const ring = [open("a", "b.ask", "b"), open("b", "c.ask", "c"), open("c", "a.ask", "a")];
    const { deadlocks, chains, edges } = waitGraph([report(0, [...clients, ...ring], modules)]);
    expect(edges).toHaveLength(COUNT + 3);
    expect(chains).toHaveLength(COUNT);
    expect(deadlocks.map((edgesOf) => edgesOf.map(({ from }) => from.name).toSorted())).toEqual([
      ["a", "b", "c"],
    ]);
  });

  test("in one chain are one chain, without a ring", () => {
    const names = Array.from({ length: COUNT + 1 }, (_, at) => `m${at}`);
    const requests = names.slice(1).map((name, at) => open(names[at] ?? "", `${name}.ask`, name));
    const { chains, deadlocks } = waitGraph([
      report(
        0,
        requests,
        names.map((name) => module(name)),
      ),
    ]);
    expect(chains.map((chain) => chain.length)).toEqual([COUNT]);
    expect(deadlocks).toEqual([]);
  });
});
