/**
 * How soon a standby answers in place of a rank 0 that is killed, and whether all that was answered is there. How soon events
 * are numbered again after the link of rank 0 was cut, and is back before its lease has expired.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { connect } from "../../dist/index.js";
import { startNats, wayTo } from "../nats/servers.mjs";

const SLUICE = fileURLToPath(new URL("../../dist/cli/main.cjs", import.meta.url));
const PUTS = 1000;
const LOOK_EVERY_MS = 50;

/** Rank 0 is killed when so many are answered: the others are on their way. */
const ANSWERED_BEFORE = 100;

/** What a lease takes to run out. */
const LEASE_SECONDS = 20;

function startBroker(dir, url, rank, name, ...args) {
  const flags = [`--overlay=${url}`, "--instance=bench", `--rank=${rank}`, `--rundir=${join(dir, name)}`];
  const child = spawn(process.execPath, [SLUICE, "broker", ...flags, ...args, "-S", "log-stderr-level=6"], {
    env: { ...process.env, SLUICE_CONFDIR: "/nonexistent", SLUICE_URI: "" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  const ended = once(child, "close");
  child.stderr.on("data", (chunk) => (said += chunk));
  return {
    said: (text) =>
      new Promise((resolve, reject) => {
        const look = () => said.includes(text) && resolve();
        child.stderr.on("data", look);
        void ended.then(() => reject(new Error(`${name} has ended: ${said}`)));
        look();
      }),
    kill: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

async function connectTo(path) {
  for (;;) {
    try {
      return await connect(`local://${path}`);
    } catch (error) {
      if (error.code !== "BROKER_UNREACHABLE") throw error;
      await sleep(LOOK_EVERY_MS);
    }
  }
}

const put = (handle, key, value) => handle.rpc("kvs.commit", { ops: [{ key, value }] });

async function measure() {
  const dir = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  const server = await startNats({ jetStream: true });
  const size = ["--size=2", "--standby"];
  const brokers = [startBroker(dir, server.url, 0, "zero", ...size), startBroker(dir, server.url, 1, "one")];
  const [zero, one] = brokers;
  try {
    const writer = await connectTo(join(dir, "one", "local-1"));
    await served(writer);
    brokers.push(startBroker(dir, server.url, 0, "next", ...size));
    await brokers[2].said("waits for the lease");
    await one.said("another broker waits to take over");
    const { answered, killedAtMs } = await putAll(writer, zero);
    await served(writer);
    const seconds = (performance.now() - killedAtMs) / 1000;
    let lost = 0;
    for (const n of answered) {
      const { value } = await writer.rpc("kvs.get", { key: `k${n}` });
      if (value !== n) lost += 1;
    }
    const detail = `the lease takes up to ${LEASE_SECONDS} s to run out`;
    await writer.close();
    return [
      { what: "from kill -9 to the next answered put", measured: seconds, goal: 30, unit: "s", detail },
      {
        what: "answered puts that are lost",
        measured: lost,
        goal: 0,
        unit: "puts",
        detail: `${answered.length} of ${PUTS} were answered`,
      },
    ];
  } finally {
    await Promise.all(brokers.map((broker) => broker.kill()));
    await server.kill();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** All at once; rank 0 is killed when some are answered. */
async function putAll(writer, zero) {
  const answered = [];
  let killedAtMs;
  let killed;
  const one = async (n) => {
    await put(writer, `k${n}`, n);
    answered.push(n);
    if (answered.length < ANSWERED_BEFORE || killed !== undefined) return;
    killedAtMs = performance.now();
    killed = zero.kill();
  };
  await Promise.allSettled(Array.from({ length: PUTS }, (_, n) => one(n)));
  await killed;
  return { answered, killedAtMs };
}

/** Resolves when a put is answered: before rank 0 leads and its rc1 has loaded the store, it fails. */
async function served(writer) {
  for (;;) {
    try {
      await put(writer, "served", 1);
      return;
    } catch {
      await sleep(LOOK_EVERY_MS);
    }
  }
}

/** Short, so that the row is; its parts are longer than the time-outs of a connection. */
const SHORT_LEASE_SECONDS = 10;

/** The link is back then. A renewal that was sent meanwhile is written late. */
const HEALED_AFTER = 0.6;

/** What becomes of rank 0 while its link is cut. */
const HOLDERS = [
  ["lives", () => undefined],
  ["is killed meanwhile", (zero) => zero.kill()],
];

async function measureHealed() {
  const rows = [];
  for (const [fate, meet] of HOLDERS) rows.push(await healed(fate, meet));
  return rows;
}

/** From the cut of the link of rank 0 until an event of rank 1 has a number. */
async function healed(fate, meet) {
  const dir = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  const server = await startNats({ jetStream: true });
  const way = await wayTo(server.port);
  const lease = ["-S", `overlay.lease=${SHORT_LEASE_SECONDS}s`];
  const size = ["--size=2", "--standby", ...lease];
  const brokers = [startBroker(dir, way.url, 0, "zero", ...size), startBroker(dir, server.url, 1, "one")];
  const [zero, one] = brokers;
  try {
    const writer = await connectTo(join(dir, "one", "local-1"));
    await served(writer);
    brokers.push(startBroker(dir, server.url, 0, "next", ...size));
    await brokers[2].said("waits for the lease");
    await one.said("another broker waits to take over");
    way.cut({ isSilent: true });
    const cutAtMs = performance.now();
    const numbered = publishedOnce(writer).then(() => (performance.now() - cutAtMs) / 1000);
    await sleep(HEALED_AFTER * SHORT_LEASE_SECONDS * 1000);
    await meet(zero);
    way.heal();
    const seconds = await numbered;
    const { epoch } = await writer.rpc("overlay.status");
    await writer.close();
    return {
      what: `from the cut to the next event, rank 0 ${fate}`,
      measured: seconds / SHORT_LEASE_SECONDS,
      goal: 2,
      unit: "× lease",
      detail: `${seconds.toFixed(1)} s; the link was back after ${HEALED_AFTER * SHORT_LEASE_SECONDS} s; epoch ${epoch}`,
    };
  } finally {
    await Promise.all(brokers.map((broker) => broker.kill()));
    way.close();
    await server.kill();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Resolves when an event has a number; without a leader, the attempt may fail. */
async function publishedOnce(handle) {
  for (;;) {
    try {
      await handle.publish("bench.healed");
      return;
    } catch {
      await sleep(LOOK_EVERY_MS);
    }
  }
}

export const TAKE_OVER = [
  { name: "hosts-take-over", title: "a standby in place of a rank 0 that is killed", measure },
  {
    name: "hosts-healed",
    title: "a rank 0 whose link is cut, and back before its lease has expired",
    measure: measureHealed,
  },
];
