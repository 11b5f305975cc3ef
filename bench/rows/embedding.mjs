/** How late a host's 10 ms timer fires while an embedded broker is at work (docs/design/embedding.md §2, sentence 2). */
import { setTimeout } from "node:timers";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { median } from "../measure.mjs";

const ROUNDS = 5;
const MEASURE_MS = 3000;
const RATE = 20_000;
/** The part of the rate that a round must reach for its figure to count. */
const ENOUGH = 0.98;
/** Before the first measurement, to compile the hot code. */
const WARM_UP_MS = 2000;

const fileOf = (name) => fileURLToPath(new URL(`../servers/${name}.mjs`, import.meta.url));

/** A process, and a function that returns its next line. */
function start(name, args, stdin) {
  const child = spawn(process.execPath, [fileOf(name), ...args], { stdio: [stdin, "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return { child, line: async () => (await lines.next()).value };
}

async function measure() {
  const host = start("host", [], "pipe");
  const uri = await host.line();
  const watch = async (durationMs) => {
    host.child.stdin.write(`${durationMs}\n`);
    return JSON.parse(await host.line());
  };
  const send = async (durationMs) => {
    const sender = start("sender", [uri, String(RATE), String(durationMs)], "ignore");
    return JSON.parse(await sender.line());
  };
  try {
    await send(WARM_UP_MS);
    const rounds = [];
    for (let i = 0; i < ROUNDS; i++) {
      const idle = await watch(MEASURE_MS);
      // The timer is watched in the middle of it: the start of a client does not matter.
      const sending = send(MEASURE_MS + 2000);
      await new Promise((resolve) => setTimeout(resolve, 1000));
      const busy = await watch(MEASURE_MS);
      rounds.push({ idle, busy, ...(await sending) });
    }
    const [p99, idle, perSecond] = [
      median(rounds.map(({ busy }) => busy.p99)),
      median(rounds.map((round) => round.idle.p99)),
      median(rounds.map((round) => round.perSecond)),
    ];
    const detail = `${Math.round(perSecond)} requests/s; idle ${idle.toFixed(2)} ms`;
    return [
      { what: "lateness of a 10 ms timer, 99th percentile", measured: p99, goal: 5, unit: "ms", detail },
      {
        what: "requests that were asked for, by those that were answered",
        measured: RATE / perSecond,
        goal: 1 / ENOUGH,
        unit: "×",
        detail: `${RATE} asked for`,
      },
    ];
  } finally {
    host.child.stdin.end();
    await once(host.child, "exit");
  }
}

export const EMBEDDING = [
  {
    name: "embedding",
    title: `a host's timer while ${RATE} requests a second go through its embedded broker`,
    measure,
  },
];
