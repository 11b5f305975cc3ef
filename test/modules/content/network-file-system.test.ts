import { statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { networkFileSystem } from "../../../src/modules/content/network-file-system.js";

test("trap-F15 NFS, CIFS and the like are known by their numbers, also as negative ones; a local disk is none", () => {
  expect(networkFileSystem(0x6969)).toBe("NFS");
  expect(networkFileSystem(0xff534d42)).toBe("CIFS");
  expect(networkFileSystem(0xff534d42 | 0)).toBe("CIFS");
  expect(networkFileSystem(statfsSync(tmpdir()).type)).toBeUndefined();
  expect(networkFileSystem(statfsSync("/proc").type)).toBeUndefined();
});
