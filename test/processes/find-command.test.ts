import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { ERRNO } from "../../src/errors/index.js";
import { findCommand } from "../../src/processes/index.js";

test("a path that the system refuses for any reason is a failed load, with its error number", async () => {
  const dir = mkdtempSync(join(tmpdir(), "sluice-find-test-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  symlinkSync("loop", join(dir, "loop"));
  const refusals: [string, number][] = [
    ["./loop", ERRNO.ELOOP],
    [`./${"x".repeat(300)}`, ERRNO.ENAMETOOLONG],
    ["./missing", ERRNO.ENOENT],
    ["./", ERRNO.EACCES],
  ];
  for (const [command, errnum] of refusals) {
    await expect(findCommand(command, "", dir)).rejects.toMatchObject({ code: "LOAD_FAILED", errnum });
  }
  await expect(findCommand("loop", dir)).rejects.toMatchObject({ errnum: ERRNO.ENOENT });
  expect(await findCommand("sh", `${dir}:/bin`)).toBe("/bin/sh");
});
