/** SIGSTOP and SIGCONT of the broker, of a rank, or of the provider's process; some are killed while they stand still. */
import { signalProcess } from "../processes.mjs";

const LONGEST_MS = 3000;
const KILLED_PERCENT = 20;

export const FREEZE = {
  title: "SIGSTOP of the broker, a rank or the provider, then SIGCONT or kill -9",
  needs: {},
  async inject(round, random) {
    const rank = random.between(1, Math.max(1, round.plan.ranks - 1));
    const targets = {
      broker: () => round.instance.brokerPid(0),
      provider: () => round.instance.modulePid(round.provider),
      rank: () => round.instance.findBroker(rank),
    };
    const names = [
      "broker",
      ...(round.plan.exec ? ["provider"] : []),
      ...(round.plan.ranks > 1 ? ["rank"] : []),
    ];
    const name = random.pick(names);
    const isKilled = name !== "provider" && random.percent(KILLED_PERCENT);
    const pid = await targets[name]();
    if (pid === undefined) return { ended: false };
    round.note(`SIGSTOP of ${name} (process ${pid})`);
    round.count("SIGSTOP");
    signalProcess(pid, "SIGSTOP");
    await round.pass(random.between(50, LONGEST_MS));
    if (isKilled) round.kill(name, pid);
    else signalProcess(pid, "SIGCONT");
    if (isKilled && name === "broker") {
      await round.ended();
      return { ended: true };
    }
    round.note(isKilled ? "it was killed" : "SIGCONT");
    await round.answered(20);
    return { ended: false };
  },
};
