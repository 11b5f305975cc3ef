import { type Command, InvalidArgumentError, Option } from "commander";
import type { Handle, NodeId } from "../../messages/index.js";
import { formatRankSet, parseRankSet, type RankSet, rankSetHas, rankSetOf } from "../../units/index.js";
import { commandPrefix, ExitError, sayError } from "../terminal/output.js";
import { withInstance, withUri } from "../session.js";

/** The options of a command that acts on ranks. */
export interface RankOptions {
  readonly uri?: string;
  /** Default: the first rank that answers, with the own rank before others. */
  readonly rank?: RankSet;
}

/** The answer of one rank; without a rank if the command named none. */
export interface RankAnswer<T> {
  readonly rank: number | undefined;
  readonly value: T;
}

/** Adds `--uri`, and `-r` for the ranks to act on. */
export function withRanks(command: Command): Command {
  return withUri(command).addOption(rankOption("run on these ranks: 0-3,7 or all"));
}

/** `-r RANKS`. */
export function rankOption(description: string, flags = "-r, --rank <ranks>"): Option {
  return new Option(flags, description).argParser(rankSet);
}

/** An idset such as `0-3,7`, or `all`. */
function rankSet(text: string): RankSet {
  const parsed = parseRankSet(text);
  if (!parsed.ok) throw new InvalidArgumentError(`${parsed.message}; give ranks as 0-3,7 or all.`);
  return parsed.value;
}

/**
 * The ranks of an instance that are in a set, ascending.
 * @param status of the error
 * @throws ExitError if the set names ranks that the instance does not have, or no rank that it has
 */
export function ranksIn(set: RankSet, size: number, status = 1): number[] {
  // `all`, `>N` and `<N` select among the existing ranks. An idset means exactly its ids.
  const isOpen = /^(?:all|[<>])/.test(set.text);
  const missing = set.ranges
    .filter(([, high]) => high >= size)
    .map(([low, high]) => [Math.max(low, size), high] as const);
  if (!isOpen && missing.length > 0) {
    const names = formatRankSet({ ranges: missing });
    const ranks = /\D/.test(names) ? "ranks" : "rank";
    throw new ExitError(status, `${ranks} ${names}: not in this instance, which has ${ranksOfSize(size)}`);
  }
  const ranks: number[] = [];
  for (const [low, high] of set.ranges) {
    for (let rank = low; rank <= Math.min(high, size - 1); rank++) ranks.push(rank);
  }
  if (ranks.length === 0) {
    throw new ExitError(status, `${set.text} has no rank of this instance, which has ${ranksOfSize(size)}`);
  }
  return ranks;
}

function ranksOfSize(size: number): string {
  return size === 1 ? "rank 0 alone" : `ranks 0-${size - 1}`;
}

/** Ranks that are not in a set. */
export function without(ranks: readonly number[], excluded: RankSet | undefined): number[] {
  return excluded === undefined ? [...ranks] : ranks.filter((rank) => !rankSetHas(excluded, rank));
}

/** Ranks in brackets if there are several, as Flux shows them: `[0-3]`, `2`. */
export function bracketed(ranks: readonly number[]): string {
  const { text } = rankSetOf(ranks);
  return ranks.length > 1 ? `[${text}]` : text;
}

/**
 * Sends a request to every named rank at the same time, and shows their answers. If several failed, each prints the
 * reason. The status is then 1.
 * @param ask the action for one rank; `any` if the command names no rank
 * @param show receives the successful answers, in the order of ranks
 */
export async function onRanks<T>(
  options: RankOptions,
  ask: (handle: Handle, rank: NodeId) => Promise<T>,
  show: (answers: readonly RankAnswer<T>[]) => void = () => undefined,
): Promise<void> {
  await withInstance(options, async (handle) => {
    if (options.rank === undefined) {
      show([{ rank: undefined, value: await ask(handle, "any") }]);
      return;
    }
    const ranks = ranksIn(options.rank, handle.size);
    const settled = await Promise.allSettled(ranks.map((rank) => ask(handle, rank)));
    const answers: RankAnswer<T>[] = [];
    settled.forEach((outcome, at) => {
      const rank = ranks[at];
      if (outcome.status === "fulfilled") answers.push({ rank, value: outcome.value });
      else sayError(outcome.reason, `${commandPrefix()}: rank ${String(rank)}`);
    });
    if (answers.length > 0) show(answers);
    if (answers.length < ranks.length) throw new ExitError(1);
  });
}

/** If several ranks answered, each line begins with its rank, as with `exec -l`. */
export function labelled<T>(answers: readonly RankAnswer<T>[], lineOf: (value: T) => string): string[] {
  return answers.map(({ rank, value }) =>
    answers.length === 1 || rank === undefined ? lineOf(value) : `${rank}: ${lineOf(value)}`,
  );
}
