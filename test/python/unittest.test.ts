import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { PYTHON_PACKAGES } from "../../src/processes/index.js";

/** Compiled files would lie in the package that is published. */
const ENV = { ...process.env, PYTHONDONTWRITEBYTECODE: "1" };

test("the Python suite passes on this machine's python3", { timeout: 300_000 }, async () => {
  const { stderr } = await promisify(execFile)(
    "python3",
    ["-W", "error::ResourceWarning", "-m", "unittest", "discover", "-s", "tests", "-t", "."],
    { cwd: PYTHON_PACKAGES, env: ENV },
  );
  expect(stderr).toMatch(/^Ran \d{2,} tests in .*\n\nOK$/m);
});
