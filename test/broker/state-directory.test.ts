import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Broker } from "../../src/broker/index.js";
import { ERRNO } from "../../src/errors/index.js";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "sluice-state-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const RUNDIR = resolve(import.meta.dirname, "../../dist/broker/rundir.js");
const ROUNDS = 300;
const RANKS = 2;

/** Each rank in a thread; in each round they begin at the same moment. */
const RANK = `
  const { parentPort, workerData } = require("node:worker_threads");
  const { url, dir, rank, shared, rounds, ranks } = workerData;
  const arrived = new Int32Array(shared);
  import(url).then(({ openStateDirectory }) => {
    for (let round = 0; round < rounds; round++) {
      Atomics.add(arrived, round, 1);
      while (Atomics.load(arrived, round) < ranks);
      openStateDirectory(dir + "/a" + round + "/state", { rank, rundir: dir });
    }
    parentPort.postMessage("done");
  }, (error) => { throw error; });
`;

test("ranks that start at the same time make one state directory together", async () => {
  const shared = new SharedArrayBuffer(ROUNDS * Int32Array.BYTES_PER_ELEMENT);
  const ends = Array.from({ length: RANKS }, (_, rank) => {
    const workerData = { url: RUNDIR, dir, rank, shared, rounds: ROUNDS, ranks: RANKS };
    const worker = new Worker(RANK, { eval: true, workerData });
    return new Promise((done, failed) => {
      worker.once("message", done);
      worker.once("error", failed);
    });
  });
  expect(await Promise.all(ends)).toEqual(["done", "done"]);
});

test("the run directory is refused as the state directory, under whatever name", async () => {
  const rundir = join(dir, "run");
  mkdirSync(rundir, { mode: 0o700 });
  symlinkSync(rundir, join(dir, "other"));
  for (const statedir of [rundir, join(dir, "other")]) {
    await expect(Broker.start({ rundir, attributes: { statedir } })).rejects.toMatchObject({
      code: "BROKER_STATE",
      errnum: ERRNO.EINVAL,
      message: `statedir ${statedir} is also the rundir; choose another directory`,
    });
  }
});
