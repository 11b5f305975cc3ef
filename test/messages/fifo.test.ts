/** The queue of everything that waits. */
import { expect, test } from "vitest";
import { Fifo } from "../../src/messages/fifo.js";
import { heldBytes } from "../helpers/memory.js";

const MIB = 2 ** 20;

test("a queue that is never empty gives everything in order, and lets go of what it has given", async () => {
  const queue = new Fifo<Buffer>();
  const before = heldBytes();
  for (let n = 0; n < 200; n++) {
    queue.push(Buffer.alloc(MIB, n));
    if (n >= 4) expect(queue.shift()?.[0]).toBe(n - 4);
  }
  await expect.poll(() => heldBytes() - before).toBeLessThan(8 * MIB);
  expect(queue.size).toBe(4);
  expect([...queue].map(([first]) => first)).toEqual([196, 197, 198, 199]);
});
