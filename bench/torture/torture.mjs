/** Rounds of writers and faults against real instances, and what was lost. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Round } from "./round.mjs";
import { describeRound, planRound } from "./schedule.mjs";

/**
 * Runs rounds, and yields after each `{ number, title, seconds, totals, violations, history }`.
 * @param options `seed`, `sorts`, `first` and `last`: numbers of rounds. `minutes` after which no round
 *   begins. `keep`: leave the directories of rounds that failed. `units`: a directory of further units,
 *   `boots` in a round of them, `providers` of `content-backing`
 * @param signal ends it; what runs is then taken down
 */
export async function* torture({ first = 1, last, minutes, keep, ...options }, signal) {
  const root = mkdtempSync(join(tmpdir(), "sluice-torture-"));
  const deadlineMs = performance.now() + minutes * 60_000;
  const totals = { kills: {}, faults: {}, starts: 0, answered: 0, refused: {} };
  let keepsRoot = false;
  try {
    for (let number = first; number <= last && performance.now() < deadlineMs && !signal.aborted; number++) {
      const startedAtMs = performance.now();
      const plan = planRound(options, number);
      const round = new Round({ ...options, plan, root, totals, signal });
      const violations = await round.run();
      const isKept = keep && violations.length > 0;
      if (isKept) keepsRoot = true;
      else rmSync(round.dir, { recursive: true, force: true });
      if (signal.aborted) return;
      for (const [name, count] of Object.entries(round.refused))
        totals.refused[name] = (totals.refused[name] ?? 0) + count;
      yield {
        number,
        title: describeRound(plan),
        seconds: (performance.now() - startedAtMs) / 1000,
        totals: structuredClone(totals),
        violations,
        history: round.history,
        dir: isKept ? round.dir : undefined,
      };
    }
  } finally {
    if (!keepsRoot) rmSync(root, { recursive: true, force: true });
  }
}
