import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { closingLine } from "./test/helpers/closing-line.js";
import { LongestFirst } from "./test/helpers/longest-first.js";

/** Folders whose tests keep nothing in a process: theirs share one, and what they import is loaded once. */
const PURE = ["analysis", "errors", "graph", "messages", "pictures", "run", "units", "waits"].map(
  (folder) => `test/${folder}/**/*.test.ts`,
);

export default defineConfig({
  test: {
    projects: [
      { extends: true, test: { name: "pure", include: PURE, isolate: false } },
      { extends: true, test: { name: "real", include: ["test/**/*.test.ts"], exclude: PURE } },
    ],
    pool: "forks",
    // Most tests wait for processes some of the time: one worker a core would leave the cores idle meanwhile.
    maxWorkers: availableParallelism() + 1,
    sequence: { sequencer: LongestFirst },
    // For what hangs: a test that a busy machine delays may take minutes.
    testTimeout: 180_000 * Number(process.env["SLUICE_TEST_RUNS"] ?? 1),
    hookTimeout: 180_000,
    // What a busy machine does late is not wrong: the default, one second, is soon over.
    expect: { poll: { interval: 20, timeout: 30_000 } },
    restoreMocks: true,
    reporters: ["default", closingLine],
  },
});
