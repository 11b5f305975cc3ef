/** EIO from the disk: from a sync, or from a write that is then half done; once, a few times, or for a while. */
import { CALLS, FailingDisk, failingDiskUnmet, SYNCS } from "../failing-disk.mjs";
import { Misbehaviour } from "../instance.mjs";

const LONGEST_MS = 1500;

/** The first call that fails is waited for; writers see to it that there is one. */
const LONGEST_WAIT_MS = 60_000;
const POLL_MS = 20;

export const EIO = {
  title: "EIO from fsync, fdatasync or a write that is half done",
  needs: { failingDisk: true },
  unmet: failingDiskUnmet,
  prepare(round) {
    const disk = new FailingDisk(round.dir, round.storesDir);
    round.failingDisk = disk;
    round.environment = { ...round.environment, ...disk.environment };
    return disk;
  },
  async inject(round, random) {
    const disk = round.failingDisk;
    const failedBefore = disk.failed;
    const what = random.pick(["syncs", "writes", "syncs and writes"]);
    const calls = { syncs: SYNCS, writes: CALLS.write, "syncs and writes": SYNCS | CALLS.write }[what];
    const times = random.pick([1, 1, random.between(2, 10), -1]);
    round.note(`EIO from ${what}, ${times < 0 ? "for a while" : `${times} times`}`);
    disk.fail({ calls, before: random.between(0, 50), times });
    const deadlineMs = performance.now() + LONGEST_WAIT_MS;
    while (disk.failed === failedBefore && performance.now() < deadlineMs) await round.pass(POLL_MS);
    if (disk.failed === failedBefore)
      throw new Misbehaviour("hang", `no ${what} came within ${LONGEST_WAIT_MS / 1000} s`);
    await round.pass(random.between(0, LONGEST_MS));
    disk.mend();
    round.note(`${disk.failed - failedBefore} calls failed; the disk is whole again`);
    round.count("eio", disk.failed - failedBefore);
    // It may go on or end by itself; acknowledged data must exist in both cases.
    await round.pass(random.between(0, 300));
    await round.endSomehow(random);
    return { ended: true };
  },
};
