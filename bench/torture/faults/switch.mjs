/** `kvs dump` and `kvs restore`: to another provider and back, into a live instance, and of one that is written to. */
import { join } from "node:path";

export const SWITCH = {
  title: "kvs dump and restore: to another provider, into the live instance, while writers write",
  needs: {},
  async inject(round, random) {
    return await INJECT[random.pick(Object.keys(INJECT))](round, random);
  },
};

const INJECT = {
  /** A new state directory of another provider has the same keys and values, and goes on above the version. */
  async "to another provider"(round, random) {
    await round.check();
    await round.stopWriters();
    const file = await dump(round);
    await round.endSomehow(random);
    const others = round.plan.providers.filter((name) => name !== round.provider);
    round.moveTo(random.pick(others.length > 0 ? others : [round.provider]));
    await round.begin({ write: false, audit: false });
    await restore(round, file);
    return { ended: false };
  },
  /** The restore removes later puts, in a version that is higher than all before. */
  async "back to a dump"(round, random) {
    await round.check();
    await round.stopWriters();
    const file = await dump(round);
    const copy = round.ledger.copy();
    round.startWriters();
    await round.answered(random.between(10, 100));
    await round.stopWriters();
    await restore(round, file);
    round.ledger.setBack(copy);
    return { ended: false };
  },
  /** One version: what was answered before it began, and nothing torn. It is looked at in an instance of its own. */
  async "dump while writers write"(round) {
    const before = round.ledger.view();
    const file = await dump(round);
    await round.check();
    await round.lookAtDump(file, before);
    return { ended: false };
  },
};

async function dump(round) {
  const file = join(round.dir, `dump-${round.history.length}`);
  round.note("dump");
  round.count("dump");
  await round.instance.commandDone("kvs", "dump", file);
  return file;
}

async function restore(round, file) {
  round.note("restore");
  round.count("restore");
  await round.instance.commandDone("kvs", "restore", file);
}
