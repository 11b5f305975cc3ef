/** Modules below the store are removed, loaded again and reloaded while it is written to. */

const LONGEST_ABSENCE_MS = 1500;

export const CHANGE = {
  title: "the provider removed, loaded again, reloaded; content and kvs reloaded",
  needs: {},
  async inject(round, random) {
    const kinds = ["reload", "reload", "load", "kill", "end", ...(round.plan.exec ? ["cancel"] : [])];
    return await INJECT[random.pick(kinds)](round, random);
  },
};

const INJECT = {
  /** No request may fail meanwhile. */
  async reload(round, random) {
    const name = random.pick([round.provider, "content", "kvs"]);
    await round.stopWriters();
    const refusedBefore = total(round.refused);
    round.startWriters();
    await round.answered(10);
    round.note(`reload ${name}`);
    await round.instance.commandDone("module", "reload", name);
    await round.answered(20);
    await round.stopWriters();
    const refused = total(round.refused) - refusedBefore;
    if (refused > 0)
      round.report({
        kind: "refused",
        text: `${refused} puts failed while ${name} was reloaded: ${JSON.stringify(round.refused)}`,
      });
    return { ended: false };
  },
  async load(round, random) {
    await remove(round, random, []);
    await load(round);
    return { ended: false };
  },
  async cancel(round, random) {
    await remove(round, random, ["--cancel"]);
    await load(round);
    return { ended: false };
  },
  async kill(round, random) {
    await remove(round, random, []);
    round.kill("broker", await round.instance.brokerPid(0));
    await round.ended();
    return { ended: true };
  },
  /** What it still holds cannot be saved, so that its status is not asked for. */
  async end(round, random) {
    await remove(round, random, []);
    round.note("end without the provider");
    round.instance.finish();
    await round.ended();
    return { ended: true };
  },
};

async function remove(round, random, options) {
  round.note(["remove", ...options, round.provider].join(" "));
  await round.instance.commandDone("module", "remove", "--force", ...options, round.provider);
  await round.pass(random.between(0, LONGEST_ABSENCE_MS));
}

async function load(round) {
  round.note(`load ${round.provider} again`);
  await round.instance.commandDone("modprobe", "load", round.provider);
  await round.answered(20);
}

function total(refused) {
  return Object.values(refused).reduce((sum, count) => sum + count, 0);
}
