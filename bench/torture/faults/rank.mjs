/** `kill -9` of a rank other than 0. Its writers go on at rank 0; it may come back. */

export const RANK = {
  title: "kill -9 of a rank other than 0, which may come back",
  needs: { ranks: 3 },
  async inject(round, random) {
    const rank = random.between(1, round.plan.ranks - 1);
    const pid = round.instance.findBroker(rank);
    if (pid !== undefined) round.kill("rank", pid);
    await round.answered(20);
    if (random.percent(50)) await comeBack(round, rank);
    return { ended: false };
  },
};

async function comeBack(round, rank) {
  round.note(`start rank ${rank} again`);
  const { instance } = round;
  await instance.rankState(rank, ["lost", "left", "failed"]);
  const broker = instance.start("broker", `--rank=${rank}`, `--setattr=statedir=${round.stateDir}`);
  broker.stdout.resume();
  broker.stderr.resume();
  await instance.rankState(rank, ["online"]);
}
