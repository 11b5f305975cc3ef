/** The cost of `sluice waits`, and the cost of its bookkeeping for requests. */
import { fileURLToPath } from "node:url";
import { connect } from "../../dist/index.js";
import { waitGraph } from "../../dist/waits/index.js";
import { median } from "../measure.mjs";
import { startServer, stop } from "../servers/start.mjs";

const OPEN = 10_000;
const RECEIVERS = 4;
const ROUNDS = 9;
const IN_A_ROW = 3000;
const MODULE = fileURLToPath(new URL("../servers/module.mjs", import.meta.url));
const PAYLOAD = { text: "x".repeat(64), n: 1 };

/** The answer of `sluice waits` where each open request has a topic of its own: none can be counted with another. */
async function answer() {
  const broker = await startServer("broker");
  const handle = await connect(broker.line);
  try {
    for (let i = 0; i < RECEIVERS; i++) {
      const name = `held-${i}`;
      await handle.rpc("module.load", { path: MODULE, name });
      await handle.rpc("module.debug", { name, defer: true });
    }
    const open = Array.from({ length: OPEN }, (_, i) =>
      handle.rpc(`held-${i % RECEIVERS}.topic${i}`).catch(() => undefined),
    );
    const times = [];
    for (let i = 0; i < ROUNDS; i++) {
      const startedAt = performance.now();
      const { rank, requests, modules } = await handle.rpc("broker.waits");
      const { edges } = waitGraph([{ rank, requests: requests.map(withoutNulls), modules }]);
      times.push((performance.now() - startedAt) / 1000);
      if (edges.length !== OPEN) throw new Error(`${edges.length} of ${OPEN} open requests are there`);
    }
    const measured = median(times);
    const detail = `${times.map((time) => time.toFixed(3)).join(", ")} s`;
    await Promise.all([handle.close(), ...open]);
    return [{ what: `answer with ${OPEN} open requests`, measured, goal: 0.5, unit: "s", detail }];
  } finally {
    await stop(broker);
  }
}

function withoutNulls({ name, about, target, ...request }) {
  const { rank, ...rest } = target;
  return {
    ...{ ...request, name: name ?? undefined, about: about ?? undefined },
    target: { ...rest, rank: rank ?? undefined },
  };
}

/** Microseconds a request, one after the other. */
async function requestTime(handle) {
  const startedAt = performance.now();
  for (let i = 0; i < IN_A_ROW; i++) await handle.rpc("echo.echo", PAYLOAD);
  return ((performance.now() - startedAt) / IN_A_ROW) * 1000;
}

/** Requests of a client, in turns with the same over an earlier build. */
async function idle({ against }) {
  if (against === undefined) {
    return [
      {
        what: "a request",
        measured: NaN,
        unit: "× earlier",
        detail: "no build to compare with: --against=REV",
      },
    ];
  }
  const servers = [await startServer("broker"), await startServer("broker", [], against.index)];
  const handles = await Promise.all(servers.map(({ line }) => connect(line)));
  const times = [[], []];
  try {
    for (let i = 0; i < ROUNDS; i++) {
      for (const [which, handle] of handles.entries()) times[which].push(await requestTime(handle));
    }
  } finally {
    await Promise.all(handles.map((handle) => handle.close()));
    await Promise.all(servers.map(stop));
  }
  const [own, earlier] = times.map(median);
  const detail = `${own.toFixed(1)} µs, ${earlier.toFixed(1)} µs`;
  return [{ what: "a request", measured: own / earlier, goal: 1.02, unit: "× earlier", detail }];
}

export const WAITS = [
  { name: "waits", title: "the answer of sluice waits", measure: answer },
  { name: "waits-idle", title: "requests when nothing asks what waits", measure: idle },
];
