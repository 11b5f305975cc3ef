import { type Command, InvalidArgumentError, Option } from "commander";
import type { RankFacts } from "../graph/index.js";
import { parseRankSet } from "../units/index.js";
import { assignment, collect } from "./arguments.js";

/** Options for facts that apply to some ranks only. */
export interface RankFactOptions {
  readonly rankAttr?: readonly RankAssignment[];
  readonly rankEnv?: readonly RankAssignment[];
}

interface RankAssignment {
  readonly ranks: RankFacts["ranks"];
  readonly name: string;
  readonly value: string;
}

/** Adds the options that give facts of some ranks (docs/design/instance.md §5). */
export function withRankFacts(command: Command): Command {
  return command
    .addOption(
      new Option("--rank-attr <ranks:name=value>", "plan with this attribute on these ranks").argParser(
        collect(rankAssignment),
      ),
    )
    .addOption(
      new Option(
        "--rank-env <ranks:name=value>",
        "plan with this environment variable on these ranks",
      ).argParser(collect(rankAssignment)),
    );
}

/** The facts in the options, in their order. */
export function rankFactsOf({ rankAttr = [], rankEnv = [] }: RankFactOptions): RankFacts[] {
  return [
    ...rankAttr.map(({ ranks, name, value }) => ({ ranks, attrs: { [name]: value } })),
    ...rankEnv.map(({ ranks, name, value }) => ({ ranks, env: { [name]: value } })),
  ];
}

function rankAssignment(text: string): RankAssignment {
  const at = text.indexOf(":");
  if (at < 1) throw new InvalidArgumentError("must be RANKS:NAME=VALUE.");
  const ranks = parseRankSet(text.slice(0, at));
  if (!ranks.ok) throw new InvalidArgumentError(`${ranks.message}.`);
  const [name, value] = assignment(text.slice(at + 1));
  return { ranks: ranks.value, name, value };
}
