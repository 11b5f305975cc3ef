import { Command, InvalidArgumentError, Option } from "commander";
import {
  type ApplyEnd,
  applyOnAll,
  ApplySession,
  type ApplyTurn,
  DrivenApply,
  type RankProposal,
} from "../../../instance/apply/index.js";
import { shuffleText } from "../../../instance/read-shuffle.js";
import type { Handle } from "../../../messages/index.js";
import { parseDuration } from "../../../units/index.js";
import {
  type FactOptions,
  type PlanningContext,
  withCache,
  withOn,
  withPlanningContext,
} from "../../facts.js";
import { withInsecure } from "../../insecure.js";
import { withUri } from "../../session.js";
import { ExitError, printJson, printLine, say, UsageError } from "../../terminal/output.js";
import { finishWithoutReader } from "../../terminal/output-stream.js";
import { check } from "../plan.js";
import { type OnRanksOptions, withOnRanks } from "../ranks.js";
import { type ShuffleOption, withShuffle } from "../../instance/shuffle-option.js";
import { PREFIX, type UnitOptions, withStartOptions } from "../units.js";
import { Interrupts } from "./interrupts.js";
import { type Proposal, type ProposalOptions, propose } from "./propose.js";
import { ranksOf, proposalOfRank } from "./rank-proposals.js";

interface ApplyOptions extends FactOptions, UnitOptions, OnRanksOptions, ShuffleOption {
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly detailedExitcode?: boolean;
  readonly lock?: string;
  readonly rollback: boolean;
  /** In milliseconds. */
  readonly settle?: number;
  readonly propose?: boolean;
}

/** Statuses beside 0 and 1 (docs/design/programs.md §3). */
const DIFFERS = 2;
const INCOMPLETE = 3;

export function command(): Command {
  return withShuffle(
    withCache(withOn(withOnRanks(withStartOptions(withInsecure(withUri(new Command("apply"))))))),
  )
    .argument(
      "[unit...]",
      "only these units, services or groups (@GROUP), and the units that follow them; default: all",
    )
    .option("--dry-run", "print the steps without running them")
    .option(
      "--json",
      "one JSON object: outcome, changes, stays, failures, incomplete; for several ranks, one for each rank",
    )
    .option("--detailed-exitcode", "exit with 0 if no step is necessary, with 2 if steps ran or would run")
    .option("--lock <file>", "refuse the apply if the plan differs from the plan in this file")
    .option("--no-rollback", "after a failure, do not undo the finished steps")
    .addOption(
      new Option(
        "--settle <duration>",
        "a failure within this time after the last step fails the apply",
      ).argParser(duration),
    )
    .addOption(new Option("--propose", "print the steps, for the process that carries them out").hideHelp())
    .addHelpText(
      "after",
      "\nExit status: 0 applied, 1 refused or rolled back, 3 incomplete." +
        "\n\nExample:\n  sluice modprobe apply --dry-run\n  sluice modprobe apply --settle 5s api",
    )
    .action(apply);
}

function duration(text: string): number {
  const parsed = parseDuration(text);
  if (parsed.ok && Number.isFinite(parsed.value.value)) return parsed.value.value;
  throw new InvalidArgumentError(`write a duration such as 5s or 500ms.`);
}

async function apply(units: readonly string[], options: ApplyOptions): Promise<void> {
  const { lock } = options;
  if (options.on !== undefined && options.settle !== undefined)
    throw new UsageError("--settle cannot be used with --on: Flux does not report that a module has failed");
  if (lock !== undefined && options.propose !== true)
    await check(lock, options, (line) => say(`${PREFIX}: ${line}`));
  const run = async (context: PlanningContext): Promise<void> => {
    const { handle } = context;
    const ranks = ranksOf(handle, options);
    if (options.shuffle !== undefined && options.propose !== true)
      say(`${PREFIX}: ${shuffleText(options.shuffle)}`);
    const asked: ProposalOptions = {
      ...options,
      ...{ units, settleMs: options.settle ?? 0, held: ranks.length > 1 },
    };
    if (handle === undefined || options.propose === true) {
      const proposal = await propose(context, { ...asked, held: options.propose === true });
      printJson(proposal);
      return;
    }
    const proposalOf = (rank: number): Promise<Proposal> =>
      options.onRanks === undefined ? propose(context, asked) : proposalOfRank(handle, rank);
    const open = (): Promise<ApplyTurn[]> =>
      context.fluxUri === undefined ? openAll(handle, ranks) : openDriven(handle);
    await applyOn(ranks, open, proposalOf, options);
  };
  // Even a dry run compares with the running modules.
  await withPlanningContext(options, run, { isLive: true });
}

async function applyOn(
  ranks: readonly number[],
  open: () => Promise<ApplyTurn[]>,
  proposalOf: (rank: number) => Promise<Proposal>,
  options: ApplyOptions,
): Promise<void> {
  if (options.dryRun !== true) finishWithoutReader();
  const sessions = options.dryRun === true ? [] : await open();
  try {
    const proposals = await Promise.all(ranks.map(proposalOf));
    tell(ranks, proposals, options);
    const changes = proposals.reduce((sum, each) => sum + each.changes, 0);
    let end: ApplyEnd | undefined;
    // Without a change, the modules take the place that they have in the new plan.
    if (options.dryRun !== true) {
      const all = proposals.flatMap(({ steps }, i): RankProposal[] => {
        const [rank, session] = [ranks[i], sessions[i]];
        return rank === undefined || session === undefined ? [] : [{ rank, session, steps }];
      });
      const interrupts = new Interrupts(sessions);
      try {
        end = await applyOnAll(all, { isRollback: options.rollback });
      } finally {
        interrupts.close();
      }
    }
    report(ranks, proposals, end, options);
    if (changes > 0 && options.detailedExitcode === true) process.exitCode = DIFFERS;
  } finally {
    await Promise.all(sessions.map((session) => session.close()));
  }
}

const SELF = `process ${process.pid}`;

function tellOfWaiting(by: string): void {
  say(`${PREFIX}: waiting for the apply of ${by}`);
}

async function openDriven(handle: Handle): Promise<ApplyTurn[]> {
  return [await DrivenApply.open(handle, { by: SELF, onWaiting: tellOfWaiting })];
}

/** One rank after the other, the lowest first, so that two applies with the same ranks do not block each other. */
async function openAll(handle: Handle, ranks: readonly number[]): Promise<ApplySession[]> {
  const sessions: ApplySession[] = [];
  for (const rank of ranks) {
    const session = await ApplySession.open(handle, rank, {
      by: SELF,
      onWaiting: tellOfWaiting,
    });
    sessions.push(session);
  }
  return sessions;
}

function tell(ranks: readonly number[], proposals: readonly Proposal[], { json }: ApplyOptions): void {
  if (json === true) return;
  for (const [i, { lines, rest }] of proposals.entries()) {
    const label = ranks.length > 1 ? `rank ${ranks[i] ?? 0}: ` : "";
    for (const line of [...lines, ...rest]) printLine(`${label}${line}`);
  }
}

/** @throws ExitError if it was not applied, after all messages */
function report(
  ranks: readonly number[],
  proposals: readonly Proposal[],
  end: ApplyEnd | undefined,
  { json, dryRun }: ApplyOptions,
): void {
  if (json === true) printJson(reportOf(ranks, proposals, end, dryRun === true));
  if (end === undefined) return;
  for (const { rank, leftOut } of end.ranks) {
    for (const { unit, message } of leftOut) {
      say(`${PREFIX}: ${label(ranks, rank)}${unit}: ${message} (optional, left out)`);
    }
  }
  if (end.outcome === "applied") return;
  for (const { rank, incomplete } of end.ranks) {
    for (const { unit, why } of incomplete) say(`${PREFIX}: ${label(ranks, rank)}${unit}: ${why}`);
  }
  const back = end.isRefused ? "apply refused without a change" : end.outcome.replace("-", " ");
  for (const { rank, failures } of end.ranks) {
    for (const { unit, message, lines } of failures) {
      say(`${PREFIX}: ${back}: ${label(ranks, rank)}${unit === "" ? message : `${unit}: ${message}`}`);
      for (const line of lines) say(`  ${line}`);
    }
  }
  throw new ExitError(end.outcome === "rolled-back" ? 1 : INCOMPLETE);
}

/** The report: for one rank flat, for several by rank (docs/apply.md). */
function reportOf(
  ranks: readonly number[],
  proposals: readonly Proposal[],
  end: ApplyEnd | undefined,
  isDryRun: boolean,
): object {
  const outcome = end?.outcome ?? (isDryRun ? null : "applied");
  const reports = proposals.map(({ report: told }, i) => {
    const { rank, ...own } = end?.ranks[i] ?? { outcome, failures: [], leftOut: [], incomplete: [] };
    return { rank: rank ?? ranks[i] ?? 0, ...own, ...told };
  });
  const [only, another] = reports;
  if (only === undefined || another !== undefined) return { outcome, ranks: reports };
  return only;
}

function label(ranks: readonly number[], rank: number): string {
  return ranks.length > 1 ? `rank ${rank}: ` : "";
}
