/**
 * Durable commits of one value of 200 bytes, from a client over the socket to the disk and back. The baseline
 * is the least that a durable store costs: SQLite in the same directory, WAL and synchronous=FULL, one row a
 * commit. Both alternate, as what a wait for the disk takes changes from moment to moment. And what a dump
 * and a restore take, against a copy of the file.
 */
import { spawnSync } from "node:child_process";
import { closeSync, copyFileSync, fsyncSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "libsql";
import { connect } from "../../dist/index.js";
import { median } from "../measure.mjs";
import { startServer, stop } from "../servers/start.mjs";

const ROUNDS = 7;
const COMMITS = 150;
const IN_FLIGHT = 64;
const VALUE = "v".repeat(200);
const GOALS = { "content-sqlite": 1 / 0.35, "content-files": 1 / 0.15 };
const DUMP_VALUES = 64;

/** Commits a second. */
async function rateOf(handle, count, inFlight) {
  const startedAt = performance.now();
  let next = 0;
  const lane = async () => {
    while (next < count) {
      const key = `k${next % 100}`;
      await handle.rpc("kvs.commit", { ops: [{ key, value: `${VALUE}${next++}` }] });
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return (count / (performance.now() - startedAt)) * 1000;
}

function bareRate(insert, count) {
  const startedAt = performance.now();
  for (let i = 0; i < count; i++) insert.run(VALUE);
  return (count / (performance.now() - startedAt)) * 1000;
}

async function rowsOf(provider, dir) {
  const broker = await startServer("store", [`statedir=${join(dir, provider)}`]);
  const handle = await connect(broker.line);
  const bare = new Database(join(dir, `bare-${provider}.sqlite`));
  bare.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (v TEXT)");
  const insert = bare.prepare("INSERT INTO t VALUES (?)");
  try {
    for (const path of ["content", provider, "kvs"]) await handle.rpc("module.load", { path });
    await rateOf(handle, 100, 1);
    const [ours, bares, many] = [[], [], []];
    for (let round = 0; round < ROUNDS; round++) {
      bares.push(bareRate(insert, COMMITS));
      ours.push(await rateOf(handle, COMMITS, 1));
      many.push(await rateOf(handle, COMMITS * 20, IN_FLIGHT));
    }
    const [own, base, wide] = [ours, bares, many].map((rates) => Math.round(median(rates)));
    const copies = provider === "content-sqlite" ? await dumpRows(handle, broker.line, dir) : [];
    return [
      {
        what: `${provider}, one after the other`,
        measured: base / own,
        goal: GOALS[provider],
        unit: "bare commits",
        detail: `${own}/s, bare ${base}/s`,
      },
      {
        what: `${provider}, ${IN_FLIGHT} in flight`,
        measured: base / wide,
        unit: "bare commits",
        detail: `${wide}/s`,
      },
      ...copies,
    ];
  } finally {
    bare.close();
    await handle.close();
    await stop(broker);
  }
}

async function dumpRows(handle, uri, dir) {
  for (let i = 0; i < DUMP_VALUES; i++) {
    await handle.rpc("kvs.commit", { ops: [{ key: `large.v${i}`, value: String(i).padEnd(1 << 20, "x") }] });
  }
  const file = join(dir, "dump");
  const [dumps, restores, copies] = [[], [], []];
  for (let round = 0; round < 3; round++) {
    dumps.push(secondsOf(() => sluice(uri, "dump", file)));
    copies.push(secondsOf(() => copyDurably(file, `${file}.copy`)));
    restores.push(secondsOf(() => sluice(uri, "restore", file)));
  }
  const copy = median(copies);
  return Object.entries({ dump: median(dumps), restore: median(restores) }).map(([what, seconds]) => ({
    what: `${what} of 64 MiB`,
    measured: seconds / copy,
    unit: "durable copies of the file",
    detail: `${seconds.toFixed(2)} s, copy ${copy.toFixed(2)} s`,
  }));
}

function sluice(uri, ...words) {
  const main = new URL("../../dist/cli/main.cjs", import.meta.url).pathname;
  const { status, stderr } = spawnSync(process.execPath, [main, "kvs", ...words, "--uri", uri], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
}

function copyDurably(from, to) {
  copyFileSync(from, to);
  const file = openSync(to, "r+");
  fsyncSync(file);
  closeSync(file);
}

function secondsOf(run) {
  const startedAt = performance.now();
  run();
  return (performance.now() - startedAt) / 1000;
}

async function measure() {
  const dir = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  try {
    const rows = [];
    for (const provider of Object.keys(GOALS)) rows.push(...(await rowsOf(provider, dir)));
    return rows;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

export const STORE = [{ name: "store", title: "durable commits", measure }];
