/** Loading modules that do nothing. */
import { fileURLToPath } from "node:url";
import { median, outputOf, secondsOf } from "../measure.mjs";

const CHILD = fileURLToPath(new URL("../loading-child.mjs", import.meta.url));
const COUNT = 100;
const ROUNDS = 5;

function load(how) {
  return JSON.parse(outputOf([process.execPath, CHILD, how, String(COUNT)]));
}

function rounds(measureOne) {
  return Array.from({ length: ROUNDS }, measureOne);
}

export const LOADING = [
  {
    name: "load-threads",
    title: `loading ${COUNT} modules that do nothing, each in a thread of its own, against bare workers`,
    measure: () => {
      // In turns, so that a noisy moment meets both.
      const pairs = rounds(() => ({ bare: load("bare"), own: load("own") }));
      const [own, bare] = ["own", "bare"].map((key) => median(pairs.map((pair) => pair[key].ms)));
      const each = median(pairs.map((pair) => pair.own.megabytes)) / COUNT;
      const detail = `${own.toFixed(0)} ms, bare ${bare.toFixed(0)} ms, ${each.toFixed(1)} MB each`;
      return [{ what: "loading", measured: own / bare, goal: 1.2, unit: "× bare", detail }];
    },
  },
  {
    name: "load-group",
    title: `the same ${COUNT} in one thread group`,
    measure: () => {
      const pairs = rounds(() => ({ n: secondsOf([process.execPath, "-e", "0"]), group: load("group") }));
      const ms = median(pairs.map(({ group }) => group.ms));
      const nodeMs = median(pairs.map(({ n }) => n)) * 1000;
      const megabytes = median(pairs.map(({ group }) => group.megabytes)) / COUNT;
      return [
        { what: "loading", measured: ms / nodeMs, goal: 6, unit: "N", detail: `${ms.toFixed(0)} ms` },
        {
          what: "memory",
          measured: megabytes,
          goal: 1,
          unit: "MB each",
          detail: "resident set, the thread included",
        },
      ];
    },
  },
];
