import { stripVTControlCharacters } from "node:util";
import type { Reporter } from "vitest/node";

/**
 * A reporter that ends the output with one plain line, `N passed, N failed, N skipped`, which whatever looks after a
 * run can read without knowing the runner. A file that could not be read counts as a failed test. Before it stands a
 * line for each that failed, so that the end of an output tells them all.
 */
export const closingLine: Reporter = {
  onTestRunEnd(files) {
    const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    const lines: string[] = [];
    const failedIn = (name: string, [error]: readonly { message: string }[] = []): void => {
      const [message = ""] = stripVTControlCharacters(error?.message ?? "").split("\n");
      lines.push(`failed: ${name}: ${message}\n`);
    };
    for (const file of files) {
      if (file.errors().length > 0) {
        counts.failed += 1;
        failedIn(file.relativeModuleId, file.errors());
      }
      for (const test of file.children.allTests()) {
        const result = test.result();
        counts[result.state] += 1;
        if (result.state === "failed") failedIn(`${file.relativeModuleId} > ${test.fullName}`, result.errors);
      }
    }
    const { passed, failed, skipped, pending } = counts;
    process.stdout.write(
      `\n${lines.join("")}${passed} passed, ${failed} failed, ${skipped + pending} skipped\n`,
    );
  },
};
