import { fields, type Handle, type JsonValue } from "../messages/index.js";

/** A rank that failed, and why. */
export interface RankProblem {
  readonly rank: number;
  readonly reason: unknown;
}

interface Checked {
  readonly rank: number;
  readonly config: JsonValue;
  readonly before: JsonValue;
}

/**
 * Changes the configuration of ranks in two steps: no rank takes it unless all ranks could check it. If the modules
 * of one rank refuse the change, the ranks that took it get their earlier configuration back
 * (docs/design/programs.md §3).
 * @param config undefined: each rank reads its own files
 * @returns the ranks that failed; empty if the change was made everywhere
 */
export async function changeConfigOnAll(
  handle: Handle,
  ranks: readonly number[],
  config?: JsonValue,
): Promise<RankProblem[]> {
  const payload = config === undefined ? {} : { config };
  const checked = await onEach(ranks, async (rank): Promise<Checked> => {
    const answer = await handle.rpc("config.check", payload, { rank });
    return { rank, ...fields(answer, { config: "json", before: "json" }) };
  });
  if (checked.problems.length > 0) return checked.problems;
  const load = async ({ rank, config: taken }: Pick<Checked, "rank" | "config">): Promise<void> => {
    await handle.rpc("config.load", { config: taken }, { rank });
  };
  const byRank = new Map(checked.done.map((each) => [each.rank, each]));
  const changed = await onEach(ranks, async (rank) => {
    const own = byRank.get(rank);
    if (own !== undefined) await load(own);
    return own;
  });
  if (changed.problems.length === 0) return [];
  const back = await onEach(
    changed.done.flatMap((own) => (own === undefined ? [] : [own.rank])),
    (rank) => load({ rank, config: byRank.get(rank)?.before ?? {} }),
  );
  return [...changed.problems, ...back.problems];
}

async function onEach<T>(
  ranks: readonly number[],
  act: (rank: number) => Promise<T>,
): Promise<{ readonly done: readonly T[]; readonly problems: RankProblem[] }> {
  const settled = await Promise.allSettled(ranks.map(act));
  return {
    done: settled.flatMap((result) => (result.status === "fulfilled" ? [result.value] : [])),
    problems: settled.flatMap((result, at): RankProblem[] => {
      const rank = ranks[at];
      return result.status === "fulfilled" || rank === undefined ? [] : [{ rank, reason: result.reason }];
    }),
  };
}
