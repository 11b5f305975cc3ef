/** A full disk: the store refuses puts for lack of space, answers reads, and continues after space becomes free. */
import { join } from "node:path";
import { SmallDisk, smallDiskUnmet } from "../small-disk.mjs";

const MOST_FREE_BYTES = 100_000;
const LONGEST_MS = 1500;

export const DISK = {
  title: "a full disk of 3 MB, freed again; a start while it is full",
  needs: { disk: true },
  movesStores: true,
  /** The disk has no room for two stores. */
  excludes: ["switch"],
  unmet: smallDiskUnmet,
  async prepare(round) {
    const disk = await SmallDisk.mount(join(round.dir, "disk"));
    round.smallDisk = disk;
    round.prefix = disk.prefix;
    round.storesDir = disk.dir;
    return disk;
  },
  async inject(round, random) {
    const disk = round.smallDisk;
    const freeBytes = random.pick([0, random.between(1, MOST_FREE_BYTES)]);
    disk.fill(freeBytes);
    round.note(`${disk.freeBytes} bytes are free`);
    round.count("full disk");
    await round.pass(random.between(100, LONGEST_MS));
    if (random.percent(40)) await startWhileFull(round, random);
    disk.free();
    round.note(`${disk.freeBytes} bytes are free again`);
    await round.answered(20);
    return { ended: false };
  },
};

/** Reads then succeed, and writes fail. */
async function startWhileFull(round, random) {
  await round.endSomehow(random);
  await round.begin();
  await round.pass(random.between(0, 300));
}
