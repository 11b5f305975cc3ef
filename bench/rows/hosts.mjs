/** Instances over NATS: requests, events, ranks that are cut off, ranks that join, and a start (docs/design/hosts.md §5). */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { connect } from "@nats-io/transport-node";
import { median, secondsOf } from "../measure.mjs";
import { reaches, startRank } from "../nats/brokers.mjs";
import { forkRank } from "../nats/ranks.mjs";
import { natsCluster, startNats, urlOf, wayTo } from "../nats/servers.mjs";
import { TAKE_OVER } from "./take-over.mjs";

const SLUICE = fileURLToPath(new URL("../../dist/cli/main.cjs", import.meta.url));
const ECHO = fileURLToPath(new URL("../nats/echo.mjs", import.meta.url));
const JOINING = fileURLToPath(new URL("../nats/joining.mjs", import.meta.url));
const ENV = { SLUICE_CONFDIR: "/nonexistent", SLUICE_URI: "" };

const PAYLOAD = { text: "x".repeat(64), n: 1 };
const ROUNDS = 7;
const IN_A_ROW = 1000;
const PIPELINED = 5000;
const IN_FLIGHT = 256;

/** Microseconds a request, one after the other, and with many in flight. */
async function timings(request) {
  const startedAtMs = performance.now();
  for (let i = 0; i < IN_A_ROW; i++) await request();
  const oneMs = (performance.now() - startedAtMs) / IN_A_ROW;
  const pipelinedAtMs = performance.now();
  let sent = 0;
  const lane = async () => {
    while (sent++ < PIPELINED) await request();
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  return { one: oneMs * 1000, pipelined: ((performance.now() - pipelinedAtMs) / PIPELINED) * 1000 };
}

/** Rank 0 is in this process, as the bare client is; rank 1 and the bare server are each in one of their own. */
async function request() {
  const servers = await natsCluster(2);
  const [near, far] = servers;
  const echo = spawn(process.execPath, [ECHO, far.url], { stdio: ["ignore", "pipe", "inherit"] });
  await once(echo.stdout, "data");
  const bare = await connect({ servers: near.url });
  const zero = await startRank({ url: near.url, rank: 0, size: 2 });
  const one = await forkRank({ url: far.url, rank: 1, size: 2 });
  const rounds = [];
  try {
    await reaches(zero, 1);
    const handle = await zero.connect();
    const asks = {
      bare: async () => (await bare.request("bench.echo", JSON.stringify(PAYLOAD), { timeout: 5000 })).json(),
      ours: () => handle.rpc("broker.ping", PAYLOAD, { rank: 1 }),
    };
    // Both are warm before they count.
    for (let i = 0; i <= ROUNDS; i++) {
      const round = { bare: await timings(asks.bare), ours: await timings(asks.ours) };
      if (i > 0) rounds.push(round);
    }
  } finally {
    await one.kill();
    await Promise.all([zero.close(), bare.close()]);
    echo.kill("SIGKILL");
    await Promise.all(servers.map((server) => server.kill()));
  }
  return ["one", "pipelined"].map((key) => {
    const [ours, base] = [median(rounds.map((r) => r.ours[key])), median(rounds.map((r) => r.bare[key]))];
    const detail = `${ours.toFixed(1)} µs, bare ${base.toFixed(1)} µs`;
    const what = key === "one" ? "round trip" : `${IN_FLIGHT} in flight, time a message`;
    return { what, measured: ours / base, goal: key === "one" ? 1.8 : 2, unit: "× bare NATS", detail };
  });
}

const RANKS = 8;
const PUBLISHERS = [1, 2, 4, 7];
const EVENTS_EACH = 5000;

/** Events of four ranks to all; the server that leads JetStream is killed when a quarter has come. */
async function events() {
  const servers = await natsCluster(3, { jetStream: true });
  const ranks = await Promise.all(
    Array.from({ length: RANKS }, (_, rank) =>
      forkRank({ url: urlOf(servers, rank % servers.length), rank, size: RANKS }),
    ),
  );
  try {
    await Promise.all(ranks.map((rank) => rank.call("reaches", RANKS - 1)));
    const quiet = await publishAll(ranks, "quiet", () => undefined);
    const leader = await streamLeader(servers[0].url);
    const { host } = new URL(servers[leader].url);
    const connected = await Promise.all(ranks.map((rank) => rank.call("server")));
    const killed = await publishAll(ranks, "killed", () => servers[leader].kill());
    const lost = connected.filter((server) => server === host).length;
    const detail = `${quiet.pauseMs.toFixed(0)} ms without that; ${lost} of ${RANKS} ranks were on that server, rank 0 ${connected[0] === host ? "too" : "not"}`;
    return [
      { what: "longest pause of a publisher", measured: killed.pauseMs / 1000, goal: 1, unit: "s", detail },
      {
        what: "ranks with a gap, or in another order",
        measured: quiet.broken + killed.broken,
        goal: 0,
        unit: "ranks",
        detail: `${EVENTS_EACH * PUBLISHERS.length} events, twice`,
      },
    ];
  } finally {
    await Promise.all(ranks.map((rank) => rank.kill()));
    await Promise.all(servers.map((server) => server.kill()));
  }
}

/** @param meanwhile called when a quarter has come to the last rank */
async function publishAll(ranks, topic, meanwhile) {
  const count = EVENTS_EACH * PUBLISHERS.length;
  await Promise.all(ranks.map((rank) => rank.call("listen", `${topic}.*`)));
  const early = ranks
    .at(-1)
    .call("reached", `${topic}.*`, count / 4)
    .then(meanwhile);
  const published = PUBLISHERS.map((rank) => ranks[rank].call("publish", `${topic}.r${rank}`, EVENTS_EACH));
  const heard = await Promise.all(ranks.map((rank) => rank.call("reached", `${topic}.*`, count)));
  const pauses = await Promise.all(published);
  await early;
  const isBroken = (one) => !one.isInOrder || one.count !== count || one.digest !== heard[0].digest;
  return { pauseMs: Math.max(...pauses), broken: heard.filter(isBroken).length };
}

/** The number of the server that leads the stream of the lease. */
async function streamLeader(url) {
  const connection = await connect({ servers: url });
  try {
    const answer = await connection.request("$JS.API.STREAM.INFO.KV_sluice-bench", "{}", { timeout: 5000 });
    return Number(answer.json().cluster.leader.slice(1));
  } finally {
    await connection.close();
  }
}

/** How a rank is cut off, and what the others notice first. */
const CUTS = [
  ["in silence", { isSilent: true }],
  ["with the end of its connection", { isSilent: false }],
];

/** Steady requests between three ranks, of which the last one is cut off. */
async function cut() {
  const rows = [];
  for (const [how, options] of CUTS) {
    const server = await startNats();
    const way = await wayTo(server.port);
    const urls = [server.url, server.url, way.url];
    const ranks = await Promise.all(urls.map((url, rank) => forkRank({ url, rank, size: urls.length })));
    try {
      await Promise.all(ranks.map((rank) => rank.call("reaches", urls.length - 1)));
      // What the last one cannot say to others it says to this process.
      const paths = [
        [0, 2],
        [1, 2],
        [2, 0],
        [2, 1],
      ];
      const lost = paths.map(([from, to]) => ranks[from].call("askUntilLost", to));
      // All of them ask by then.
      await Promise.all(ranks.map((rank) => rank.call("server")));
      const cutAtMs = Date.now();
      way.cut(options);
      const seconds = (await Promise.all(lost)).map((atMs) => (atMs - cutAtMs) / 1000);
      const detail = paths
        .map(([from, to], at) => `rank ${from} to ${to} ${seconds[at].toFixed(1)} s`)
        .join(", ");
      const what = `to EHOSTUNREACH, cut ${how}`;
      rows.push({ what, measured: Math.max(...seconds), goal: 8, unit: "s", detail });
    } finally {
      await Promise.all(ranks.map((rank) => rank.kill()));
      way.close();
      await server.kill();
    }
  }
  return rows;
}

const SIZES = [50, 100, 200];

/** For ten times the ranks, the time may be so many times as long, beyond what grows with their number. */
const NOISE = 1.3;

/** All ranks are brokers of one process, which does nothing else. */
async function join() {
  const server = await startNats();
  try {
    const child = spawn(process.execPath, [JOINING, server.url, ...SIZES.map(String)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(child, "exit");
    let text = "";
    for await (const chunk of child.stdout) text += chunk;
    const [status] = await ended;
    if (status !== 0) throw new Error(`the ranks have ended with status ${status}`);
    const runs = text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    const perRank = runs.map(({ size, allMs }) => allMs / size);
    return [
      ...runs.map(({ size, allMs, joinedMs, bareMs }) => ({
        what: `${size} ranks, until each reaches each`,
        measured: allMs / size,
        goal: 25,
        unit: "ms a rank",
        detail: `${(joinedMs / size).toFixed(1)} ms until they serve, a bare client ${(bareMs / size).toFixed(1)} ms`,
      })),
      {
        what: `a rank of ${SIZES.at(-1)} against one of ${SIZES[0]}`,
        measured: perRank.at(-1) / perRank[0],
        goal: NOISE,
        unit: "×",
        detail: "1 is linear",
      },
    ];
  } finally {
    await server.kill();
  }
}

/** `start -s 8 true` over one server and over the sockets of this machine, in turns. */
async function start() {
  const server = await startNats();
  const times = { nats: [], local: [] };
  try {
    const one = (list, ...options) =>
      list.push(secondsOf([process.execPath, SLUICE, "start", "-s", "8", ...options, "true"], ENV));
    for (let i = 0; i < ROUNDS; i++) {
      one(times.local);
      one(times.nats, `--overlay=${server.url}`);
    }
  } finally {
    await server.kill();
  }
  const [ours, local] = [median(times.nats), median(times.local)];
  const detail = `${ours.toFixed(3)} s, local ${local.toFixed(3)} s`;
  return [{ what: "whole process", measured: ours / local, goal: 1.3, unit: "× local", detail }];
}

export const HOSTS = [
  { name: "hosts-request", title: "a request between ranks on different NATS servers", measure: request },
  {
    name: "hosts-events",
    title: "events of ranks on three servers, of which one is killed",
    measure: events,
  },
  ...TAKE_OVER,
  { name: "hosts-cut", title: "requests to and from a rank that is cut off", measure: cut },
  { name: "hosts-join", title: "ranks that join over one server", measure: join },
  { name: "hosts-start", title: "start -s 8 true --overlay=nats://…", measure: start },
];
