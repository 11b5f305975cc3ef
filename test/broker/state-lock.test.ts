import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { lockStateDirectory } from "../../src/broker/state-lock.js";
import { ERRNO } from "../../src/errors/index.js";

function temporary(): string {
  const path = mkdtempSync(join(tmpdir(), "sluice-state-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test("a state directory is held by one broker of a rank until that releases it", () => {
  const directory = temporary();
  const lock = lockStateDirectory(directory, 0);
  expect(() => lockStateDirectory(directory, 0)).toThrow(
    expect.objectContaining({ code: "BROKER_STATE", errnum: ERRNO.EBUSY }),
  );
  lockStateDirectory(directory, 1).release();
  lock.release();
  lockStateDirectory(directory, 0).release();
});

test("the lock is a file for us alone", () => {
  const directory = temporary();
  lockStateDirectory(directory, 0).release();
  expect(statSync(join(directory, "lock-0.sqlite")).mode & 0o777).toBe(0o600);
});
