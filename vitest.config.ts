import { defineConfig } from "vitest/config";
import { closingLine } from "./test/helpers/closing-line.js";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    testTimeout: 60_000,
    hookTimeout: 60_000,
    restoreMocks: true,
    reporters: ["default", closingLine],
  },
});
