import { availableParallelism, hostname } from "node:os";
import { expect, test } from "vitest";
import { withInstance } from "./instance.js";
import { MemoryOverlay } from "./memory-overlay.js";

const host = (rank: number): unknown => ({
  rank,
  hostname: hostname(),
  cores: availableParallelism(),
  memoryBytes: expect.any(Number) as number,
});

test("resource tells of each rank, by rank, and guests may ask", async () => {
  const [first, second] = MemoryOverlay.pair();
  await withInstance({ overlay: first }, async (zero) => {
    await withInstance({ overlay: second }, async (one) => {
      await zero.load("resource");
      await one.load("resource");
      expect(await zero.rpc("resource.status")).toEqual({ hosts: [host(0), host(1)] });
      expect(await one.rpc("resource.status")).toEqual({ hosts: [host(0), host(1)] });
      const guest = await zero.broker.connect({ guest: true });
      expect(await guest.rpc("resource.status")).toEqual({ hosts: [host(0), host(1)] });
      await guest.close();
    });
  });
});

test("resource leaves out a rank that does not answer, and says so in the log", async () => {
  const [first, second] = MemoryOverlay.pair();
  await withInstance({ overlay: first }, async (zero) => {
    await withInstance({ overlay: second }, async () => {
      await zero.load("resource");
      expect(await zero.rpc("resource.status")).toEqual({ hosts: [host(0)] });
      expect((await zero.logged(({ level }) => level === "warning")).text).toContain("rank 1");
    });
  });
});
