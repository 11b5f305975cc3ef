import { expect, test } from "vitest";
import { hasSignalFlag } from "../../src/processes/node-command.js";

test("the flag against SIGUSR1 is known for just those versions of Node that have it", () => {
  expect(hasSignalFlag(process.versions.node)).toBe(
    process.allowedNodeEnvironmentFlags.has("--disable-sigusr1"),
  );
  expect(["20.19.0", "20.20.2", "22.13.1", "23.6.1"].filter(hasSignalFlag)).toEqual([]);
  const later = ["22.14.0", "22.22.0", "23.7.0", "24.0.0", "26.1.0"];
  expect(later.filter(hasSignalFlag)).toEqual(later);
});
