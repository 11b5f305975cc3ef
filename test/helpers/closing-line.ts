import type { Reporter } from "vitest/node";

/**
 * A reporter that ends the output with one plain line, `N passed, N failed, N skipped`, which whatever looks after a
 * run can read without knowing the runner. A file that could not be read counts as a failed test.
 */
export const closingLine: Reporter = {
  onTestRunEnd(files) {
    const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    for (const file of files) {
      if (file.errors().length > 0) counts.failed += 1;
      for (const test of file.children.allTests()) counts[test.result().state] += 1;
    }
    const { passed, failed, skipped, pending } = counts;
    process.stdout.write(`\n${passed} passed, ${failed} failed, ${skipped + pending} skipped\n`);
  },
};
