/** Starting and stopping an instance of many ranks. */
import { fileURLToPath } from "node:url";
import { median, secondsOf } from "../measure.mjs";

const SLUICE = fileURLToPath(new URL("../../dist/cli/main.cjs", import.meta.url));
const SKELETON = fileURLToPath(new URL("../skeleton/start.mjs", import.meta.url));
const RANKS = 8;
const ROUNDS = 5;

/** The modules of the shipped units: content, heartbeat, kvs, kvs-watch, resource; on rank 0 also cron and content-sqlite. */
const MODULES = { first: 7, others: 5 };

const ENV = { SLUICE_CONFDIR: "/nonexistent", SLUICE_URI: "" };

export const STARTING = [
  {
    name: "start-ranks",
    title: `start -s ${RANKS} to the end of a trivial program, against the same processes and threads with nothing in them`,
    measure: () => {
      const own = [];
      const bare = [];
      for (let i = 0; i < ROUNDS; i++) {
        const skeleton = [SKELETON, RANKS, MODULES.first, MODULES.others].map(String);
        bare.push(secondsOf([process.execPath, ...skeleton]));
        own.push(secondsOf([process.execPath, SLUICE, "start", "-s", String(RANKS), "true"], ENV));
      }
      const [ours, base] = [median(own), median(bare)];
      const detail = `${ours.toFixed(2)} s, bare ${base.toFixed(2)} s`;
      return [{ what: "start to end", measured: ours / base, goal: 1.4, unit: "× bare", detail }];
    },
  },
];
