/** `kill -9` of the process of the provider of `content-backing`, with every policy for modules that fail. */

export const PROVIDER = {
  title: "kill -9 of the provider's process, with every policy",
  needs: { exec: true },
  async inject(round, random) {
    const { policy } = round.plan;
    const pid = await round.instance.modulePid(round.provider);
    // An earlier step may have taken it away for good.
    if (pid !== undefined) round.kill("provider", pid);
    if (policy === "panic") {
      await round.ended();
      return { ended: true };
    }
    await round.pass(random.between(0, 500));
    if (policy === "restart") {
      await round.answered(20);
      return { ended: false };
    }
    return await AFTERWARDS[random.pick(Object.keys(AFTERWARDS))](round, random);
  },
};

/** The behaviour of an instance that continues without its provider. */
const AFTERWARDS = {
  async load(round) {
    round.note(`load ${round.provider} again`);
    await round.instance.commandDone("modprobe", "load", round.provider);
    await round.answered(20);
    return { ended: false };
  },
  async kill(round) {
    round.kill("broker", await round.instance.brokerPid(0));
    await round.ended();
    return { ended: true };
  },
  /** What it still holds cannot be saved, so that its status is not asked for. */
  async end(round) {
    round.note("end without the provider");
    round.instance.finish();
    await round.ended();
    return { ended: true };
  },
};
