/** Many boots in a row; a fault in one does not affect the next, so all of them run. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { boot, planBoot } from "./boot.mjs";
import { KINDS } from "./kinds.mjs";

/** The default number in a round. */
export const BOOTS = 3;

export const BOOT = {
  title: "starts in which a unit file, a module or the host of rc files fails at a random step",
  needs: {},
  isAlone: true,
  async inject(round) {
    const kinds = Object.keys(KINDS);
    for (let number = 1; number <= round.boots; number++) {
      const turn = Math.ceil(number / kinds.length);
      const kind = round.random(`kinds ${turn}`).shuffled(kinds)[(number - 1) % kinds.length];
      const plan = planBoot(kind, round.random(`boot ${number}`));
      round.launched(`boot ${number}: ${plan.kind}, at ${plan.victim}`);
      const dir = join(round.dir, `boot-${number}`);
      mkdirSync(dir);
      const violation = await boot(plan, dir);
      if (violation !== undefined)
        round.report({
          ...violation,
          text: `boot ${number} (${plan.kind}, at ${plan.victim}): ${violation.text}`,
        });
      round.count(plan.kind);
      rmSync(dir, { recursive: true, force: true });
    }
    return { ended: true };
  },
};
