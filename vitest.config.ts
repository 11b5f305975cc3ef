import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { closingLine } from "./test/helpers/closing-line.js";
import { LongestFirst } from "./test/helpers/longest-first.js";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
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
