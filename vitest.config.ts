import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { closingLine } from "./test/helpers/closing-line.js";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    // Most tests wait for processes: on two cores, one worker would leave them idle.
    maxWorkers: Math.max(2, availableParallelism()),
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // What a busy machine does late is not wrong: the default, one second, is soon over.
    expect: { poll: { interval: 20, timeout: 30_000 } },
    restoreMocks: true,
    reporters: ["default", closingLine],
  },
});
