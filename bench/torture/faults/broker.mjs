/** `kill -9` of the broker of rank 0: while it serves, while it starts, and while it ends. */

const LATEST_MS = 1500;

export const BROKER = {
  title: "kill -9 of the broker, also while it starts and ends",
  needs: {},
  async inject(round, random) {
    const moment = random.pick(["serving", "serving", "serving", "starting", "ending"]);
    const delayMs = random.between(0, LATEST_MS);
    await INJECT[moment](round, delayMs);
    await round.ended();
    return { ended: true };
  },
};

const INJECT = {
  async serving(round) {
    round.kill("broker", await round.instance.brokerPid(0));
  },
  async starting(round, delayMs) {
    round.kill("broker", await round.instance.brokerPid(0));
    await round.ended();
    round.launch();
    await round.pass(delayMs);
    killIfThere(round);
  },
  async ending(round, delayMs) {
    round.instance.finish();
    await round.pass(delayMs);
    killIfThere(round);
  },
};

function killIfThere(round) {
  const pid = round.instance.findBroker(0);
  if (pid !== undefined) round.kill("broker", pid);
  // No other process would end it.
  round.instance.finish();
}
