/** `kill -9` of the broker while old versions are collected without pause, and values that are garbage are put again. */

export const COLLECT = {
  title: "kill -9 amid constant collection",
  needs: { collection: true },
  async inject(round, random) {
    await round.answered(random.between(100, 500));
    if (random.percent(30)) return { ended: false };
    round.kill("broker", await round.instance.brokerPid(0));
    await round.ended();
    return { ended: true };
  },
};
