/** `sluice modprobe apply` on the command line (docs/design/programs.md §3). */
import { afterEach, beforeEach, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  box.remove();
});

test("trap-E1 wrong usage is status 1 under --detailed-exitcode, where 2 says that something differs", async () => {
  const plain = await box.run(["modprobe", "apply", "--no-such-option"]);
  expect([plain.status, plain.stderr.split("\n")[0]]).toEqual([
    2,
    "sluice-modprobe: unknown option '--no-such-option'",
  ]);
  const detailed = await box.run(["modprobe", "apply", "--detailed-exitcode", "--no-such-option"]);
  expect(detailed.status).toBe(1);
});

test("without an instance there is nothing to apply to", async () => {
  const { status, stderr } = await box.run(["modprobe", "apply"]);
  expect([status, stderr]).toEqual([
    1,
    "sluice-modprobe: no instance: SLUICE_URI is not set; run the command under 'sluice start', or give --uri\n",
  ]);
});
