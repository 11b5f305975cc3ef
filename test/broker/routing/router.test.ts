import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { ERRNO, requestError } from "../../../src/errors/index.js";
import {
  FLAG,
  type Message,
  type RequestMessage,
  type ResponseMessage,
} from "../../../src/messages/index.js";
import { loopback, type Overlay } from "../../../src/broker/routing/overlay.js";
import { Peer } from "../../../src/broker/routing/peer.js";
import { Router } from "../../../src/broker/routing/router.js";

const OWNER = { userid: 7, rolemask: 1 };

/** A peer that keeps what it is given. */
function attach(router: Router, id: string, credentials: Peer["credentials"] = OWNER) {
  const got: Message[] = [];
  const peer = new Peer({ id, name: id, credentials, deliver: (message) => got.push(message) });
  router.attach(peer);
  return { peer, got };
}

function request(topic: string, more: Partial<RequestMessage> = {}): RequestMessage {
  return { type: "request", topic, matchtag: 1, flags: 0, nodeid: "any", route: [], ...more };
}

function response(to: Message | undefined, more: Partial<ResponseMessage> = {}): ResponseMessage {
  if (to?.type !== "request") throw new Error("no request to answer");
  return { type: "response", topic: to.topic, matchtag: to.matchtag, route: to.route, errnum: 0, ...more };
}

/** Rank 3 of 8: everybody but rank 5 is there. */
function overlayOfRank3(sent: [number, Message][]): Overlay {
  return {
    ...loopback(),
    rank: 3,
    size: 8,
    upstream: 0,
    reaches: (rank) => rank < 8 && rank !== 5,
    send: (rank, message) => sent.push([rank, message]),
  };
}

describe("requests", () => {
  test("go to the service that their first word names, stamped with who sent them", () => {
    const router = new Router(loopback());
    const module = attach(router, "kvs");
    const client = attach(router, "client", { userid: 9, rolemask: 2 });
    router.services.add("kvs", module.peer);
    router.receive(request("kvs.get", { userid: 0, rolemask: 1, payload: "not json" }), client.peer);
    const enteredMs = expect.any(Number) as number;
    expect(module.got).toEqual([
      request("kvs.get", { userid: 9, rolemask: 2, route: ["client"], payload: "not json", enteredMs }),
    ]);
  });

  test("to nobody fail with ENOSYS at once, with their topic in the text; those that want no answer get none", () => {
    const router = new Router(loopback());
    const client = attach(router, "client");
    router.receive(request("ghost.get", { matchtag: 5 }), client.peer);
    router.receive(request("ghost.get", { matchtag: 0, flags: FLAG.noresponse }), client.peer);
    expect(client.got).toEqual([
      expect.objectContaining({ type: "response", matchtag: 5, errnum: ERRNO.ENOSYS, route: [] }),
    ]);
    expect(client.got[0]).toMatchObject({ error: expect.stringContaining("ghost.get") as string });
  });

  test("cannot pass for those of another sender by a route of their own", () => {
    const router = new Router(loopback());
    const module = attach(router, "kvs");
    const client = attach(router, "client");
    router.services.add("kvs", module.peer);
    router.receive(request("kvs.get", { route: ["victim"] }), client.peer);
    expect(module.got).toEqual([expect.objectContaining({ route: ["client"] })]);
  });

  test("over the largest payload fail with EMSGSIZE, counted in bytes", () => {
    const router = new Router(loopback(), () => 10);
    const module = attach(router, "kvs");
    const client = attach(router, "client");
    router.services.add("kvs", module.peer);
    for (const payload of ["x".repeat(10), "é".repeat(5), new Uint8Array(10)]) {
      router.receive(request("kvs.put", { payload }), client.peer);
    }
    for (const payload of ["x".repeat(11), "é".repeat(6), new Uint8Array(11)]) {
      router.receive(request("kvs.put", { payload }), client.peer);
    }
    expect(module.got).toHaveLength(3);
    expect(client.got.map((message) => message.type === "response" && message.errnum)).toEqual(
      Array(3).fill(ERRNO.EMSGSIZE),
    );
  });

  test("that the channel of the service cannot carry fail, and none of them stays pending", () => {
    const router = new Router(loopback());
    const client = attach(router, "client");
    const narrow = new Peer({
      id: "narrow",
      name: "narrow",
      credentials: OWNER,
      deliver: () => {
        throw new Error("too large");
      },
    });
    router.attach(narrow);
    router.services.add("narrow", narrow);
    router.receive(request("narrow.put"), client.peer);
    expect(client.got).toEqual([expect.objectContaining({ errnum: ERRNO.EIO, error: "too large" })]);
    expect(router.pendingCount).toBe(0);
  });
});

describe("responses", () => {
  test("retrace the route, and leave nothing pending", () => {
    const router = new Router(loopback());
    const module = attach(router, "kvs");
    const [a, b] = [attach(router, "a"), attach(router, "b")];
    router.services.add("kvs", module.peer);
    router.receive(request("kvs.get", { matchtag: 1 }), a.peer);
    router.receive(request("kvs.get", { matchtag: 1 }), b.peer);
    expect(router.pendingCount).toBe(2);
    router.receive(response(module.got[1], { payload: "2" }), module.peer);
    expect([a.got, b.got]).toEqual([[], [expect.objectContaining({ matchtag: 1, payload: "2", route: [] })]]);
    router.receive(response(module.got[0], { payload: "1" }), module.peer);
    expect(a.got).toHaveLength(1);
    expect(router.pendingCount).toBe(0);
  });

  test("that nobody asked for, or from somebody else than was asked, are dropped", () => {
    const router = new Router(loopback());
    const [module, stranger] = [attach(router, "kvs"), attach(router, "stranger")];
    const client = attach(router, "client");
    router.services.add("kvs", module.peer);
    router.receive(request("kvs.get"), client.peer);
    const answer = response(module.got[0]);
    router.receive({ ...answer }, stranger.peer);
    router.receive({ ...answer, matchtag: 99 }, module.peer);
    expect(client.got).toEqual([]);
    router.receive({ ...answer }, module.peer);
    router.receive({ ...answer }, module.peer);
    expect(client.got).toHaveLength(1);
  });

  test("of a stream go on until one is an error", () => {
    const router = new Router(loopback());
    const module = attach(router, "kvs");
    const client = attach(router, "client");
    router.services.add("kvs", module.peer);
    router.receive(request("kvs.watch", { flags: FLAG.streaming }), client.peer);
    const answer = response(module.got[0]);
    for (const errnum of [0, 0, ERRNO.ENODATA, 0]) router.receive({ ...answer, errnum }, module.peer);
    expect(client.got.map((message) => message.type === "response" && message.errnum)).toEqual([
      0,
      0,
      ERRNO.ENODATA,
    ]);
    expect(router.pendingCount).toBe(0);
  });

  test("that the requester's channel cannot carry become an error, so that it does not wait for ever", () => {
    const router = new Router(loopback());
    const module = attach(router, "kvs");
    const got: Message[] = [];
    const client = new Peer({
      id: "client",
      name: "client",
      credentials: OWNER,
      deliver: (message) => {
        if (message.payload !== undefined) throw new Error("too large");
        got.push(message);
      },
    });
    router.attach(client);
    router.services.add("kvs", module.peer);
    router.receive(request("kvs.get"), client);
    router.receive(response(module.got[0], { payload: "large" }), module.peer);
    expect(got).toEqual([expect.objectContaining({ errnum: ERRNO.EIO, error: "too large", route: [] })]);
    expect(router.pendingCount).toBe(0);
  });
});

describe("a peer that goes away", () => {
  test("fails what was asked of it with ECONNRESET, naming it, and takes its services and subscriptions along", () => {
    const router = new Router(loopback());
    const module = attach(router, "kvs");
    const client = attach(router, "client");
    router.services.add("kvs", module.peer);
    router.services.add("kvs-extra", module.peer);
    router.subscriptions.add("a.*", module.peer, request("event.subscribe"));
    router.receive(request("kvs-extra.get", { matchtag: 4 }), client.peer);
    router.detach(module.peer);
    expect(client.got).toEqual([
      expect.objectContaining({ matchtag: 4, errnum: ERRNO.ECONNRESET, error: "kvs: module disconnect" }),
    ]);
    expect(router.services.owner("kvs")).toBeUndefined();
    expect(router.services.owner("kvs-extra")).toBeUndefined();
    expect(router.subscriptions.size).toBe(0);
    expect(router.pendingCount).toBe(0);
    router.detach(module.peer);
    expect(client.got).toHaveLength(1);
  });

  test("is announced to each service that it used, once, under the name that it used", () => {
    const router = new Router(loopback());
    const [kvs, other] = [attach(router, "kvs"), attach(router, "other")];
    const client = attach(router, "client");
    router.services.add("kvs", kvs.peer);
    router.services.add("alias", kvs.peer);
    router.services.add("other", other.peer);
    for (const topic of ["kvs.get", "kvs.put", "alias.get"]) router.receive(request(topic), client.peer);
    kvs.got.length = 0;
    router.detach(client.peer);
    expect(kvs.got).toEqual([
      expect.objectContaining({ topic: "kvs.disconnect", flags: FLAG.noresponse, route: ["client"] }),
      expect.objectContaining({ topic: "alias.disconnect", flags: FLAG.noresponse, route: ["client"] }),
    ]);
    expect(other.got).toEqual([]);
    expect(router.pendingCount).toBe(0);
  });
});

describe("subscriptions that end", () => {
  const missing = requestError("ENODATA", "events are missing");

  test("are all taken away, and each peer that awaits their ends gets them", () => {
    const router = new Router(loopback());
    const [one, two] = [attach(router, "one"), attach(router, "two")];
    const subscribe = (topic: string, peer: Peer, matchtag: number): void => {
      const route = [peer.id];
      router.subscriptions.add(topic, peer, request("event.subscribe", { matchtag, flags: 2, route }));
    };
    subscribe("a", one.peer, 1);
    subscribe("a.*", one.peer, 2);
    subscribe("a", two.peer, 1);
    router.endSubscriptions(missing);
    router.broadcast({ type: "event", topic: "a", seq: 9 });
    const ended = { type: "response", topic: "event.subscribe", errnum: ERRNO.ENODATA, route: [] };
    expect(one.got).toMatchObject([1, 2].map((matchtag) => ({ ...ended, matchtag })));
    expect(two.got).toMatchObject([{ ...ended, matchtag: 1 }]);
    expect(router.subscriptions.size).toBe(0);
  });

  test("disconnect a peer that subscribed without awaiting their end", () => {
    const router = new Router(loopback());
    const failures: unknown[] = [];
    const peer = new Peer({
      ...{ id: "raw", name: "raw", credentials: OWNER },
      deliver: () => undefined,
      fail: (error) => failures.push(error),
    });
    router.attach(peer);
    router.subscriptions.add("a", peer, request("event.subscribe"));
    router.subscriptions.add("b", peer, request("event.subscribe", { flags: FLAG.streaming }));
    router.endSubscriptions(missing);
    expect(failures).toEqual([missing]);
    expect(peer.isAttached).toBe(false);
  });
});

describe("other ranks", () => {
  test.each([
    ["a rank", request("kvs.get", { nodeid: 6 }), 6, 6],
    ["any, when this rank does not serve it", request("kvs.get"), 0, "any"],
    ["upstream, although this rank serves it", request("here.get", { nodeid: "upstream" }), 0, 0],
  ])("get requests to %s", (_case, message, rank, nodeid) => {
    const sent: [number, Message][] = [];
    const router = new Router(overlayOfRank3(sent));
    const client = attach(router, "client");
    router.services.add("here", attach(router, "here").peer);
    router.receive(message, client.peer);
    expect(sent).toEqual([[rank, expect.objectContaining({ nodeid, route: ["client"] })]]);
    const answer = response(sent[0]?.[1], { payload: "1" });
    router.receive(answer, router.rankPeer(rank));
    expect(client.got).toEqual([expect.objectContaining({ payload: "1", route: [] })]);
    expect(router.pendingCount).toBe(0);
  });

  test("that are not there fail with EHOSTUNREACH, as does upstream of rank 0", () => {
    const router = new Router(overlayOfRank3([]));
    const client = attach(router, "client");
    router.receive(request("kvs.get", { nodeid: 5 }), client.peer);
    router.receive(request("kvs.get", { nodeid: 80 }), client.peer);
    const alone = new Router(loopback());
    const lone = attach(alone, "client");
    alone.receive(request("kvs.get", { nodeid: "upstream" }), lone.peer);
    alone.receive(request("kvs.get", { nodeid: 1 }), lone.peer);
    expect(
      [...client.got, ...lone.got].map((message) => message.type === "response" && message.errnum),
    ).toEqual(Array(4).fill(ERRNO.EHOSTUNREACH));
  });

  test("requests from there keep their credentials and route, and two of one matchtag do not meet", () => {
    const sent: [number, Message][] = [];
    const router = new Router(overlayOfRank3(sent));
    const module = attach(router, "kvs");
    router.services.add("kvs", module.peer);
    const guest = { userid: 9, rolemask: 2 };
    router.receive(request("kvs.get", { nodeid: 3, route: ["x"], ...guest }), router.rankPeer(1));
    router.receive(request("kvs.get", { nodeid: 3, route: ["y"], ...guest }), router.rankPeer(1));
    expect(module.got).toEqual([
      expect.objectContaining({ route: ["x", "@1"], ...guest }),
      expect.objectContaining({ route: ["y", "@1"], ...guest }),
    ]);
    router.receive(response(module.got[1]), module.peer);
    router.receive(response(module.got[0]), module.peer);
    expect(sent).toEqual([
      [1, expect.objectContaining({ type: "response", route: ["y"] })],
      [1, expect.objectContaining({ type: "response", route: ["x"] })],
    ]);
    expect(router.pendingCount).toBe(0);
  });

  test("that leave fail what they were asked", () => {
    const router = new Router(overlayOfRank3([]));
    const client = attach(router, "client");
    router.receive(request("kvs.get", { nodeid: 6 }), client.peer);
    router.rankLeft(6);
    expect(client.got).toEqual([expect.objectContaining({ errnum: ERRNO.EHOSTUNREACH })]);
  });
});

test("whatever comes and goes, each request is answered at most once and nothing stays pending at the end", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("ask" as const), from: fc.nat(3), to: fc.nat(3) }),
    fc.record({ kind: fc.constant("answer" as const), from: fc.nat(3) }),
    fc.record({ kind: fc.constant("leave" as const), from: fc.nat(3) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const router = new Router(loopback());
      const ends = Array.from({ length: 4 }, (_, n) => attach(router, `p${n}`));
      for (const { peer } of ends) router.services.add(peer.id, peer);
      const gone = new Set<number>();
      const asked = new Map<string, number>();
      let matchtag = 0;
      for (const { kind, from, ...rest } of steps) {
        const end = ends[from];
        if (end === undefined || gone.has(from)) continue;
        if (kind === "ask") {
          matchtag += 1;
          asked.set(`p${from}/${matchtag}`, 0);
          const to = "to" in rest ? rest.to : 0;
          router.receive(request(`p${to}.do`, { matchtag }), end.peer);
        } else if (kind === "answer") {
          const next = end.got.find((message) => message.type === "request" && message.matchtag !== 0);
          if (next === undefined) continue;
          end.got.splice(end.got.indexOf(next), 1);
          router.receive(response(next), end.peer);
        } else {
          gone.add(from);
          router.detach(end.peer);
        }
      }
      for (const [n, end] of ends.entries()) if (!gone.has(n)) router.detach(end.peer);
      for (const { peer, got } of ends) {
        for (const message of got) {
          if (message.type !== "response") continue;
          const key = `${peer.id}/${message.matchtag}`;
          asked.set(key, (asked.get(key) ?? 1) + 1);
        }
      }
      expect(Math.max(0, ...asked.values())).toBeLessThanOrEqual(1);
      expect(router.pendingCount).toBe(0);
    }),
  );
});
