/** Attempts of the probes that connect. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { attemptConnection } from "../../../src/loaders/command/network-probes.js";

test.each(["a Unix socket", "a port"])(
  "an attempt at %s that is aborted at once has no answer",
  async (what) => {
    const dir = mkdtempSync(join(tmpdir(), "sluice-probe-"));
    const server = createServer((socket) => socket.destroy());
    onTestFinished(() => {
      server.close();
      rmSync(dir, { recursive: true, force: true });
    });
    const path = join(dir, "socket");
    await new Promise<void>((resolve) => {
      if (what === "a port") server.listen(0, "127.0.0.1", resolve);
      else server.listen(path, resolve);
    });
    const address = server.address();
    const where = address === null || typeof address === "string" ? { path } : { port: address.port };
    const abort = new AbortController();
    const attempt = attemptConnection(where, abort.signal);
    abort.abort();
    expect(await attempt).toBe("no answer");
  },
);
