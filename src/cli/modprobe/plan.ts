import { Command } from "commander";
import { dryRunLines, type MatrixCell, type RankedPlan, rankMatrix, reasonText } from "../../graph/index.js";
import { rankSetHas } from "../../units/index.js";
import { type FactOptions, withPlanningContext, withFacts } from "../facts.js";
import { hashOf, lockFileText, readLock } from "./lock-file.js";
import { type UnitOptions, withStartOptions } from "./units.js";
import { ExitError, formatTable, printJson, printLine } from "../terminal/output.js";
import { differenceLines, diffSides, lockPlans, plannedSide, writtenSide } from "./plan-lock.js";
import { type RankFactOptions, withRankFacts } from "../rank-facts.js";
import { writeResult } from "../write-file.js";

interface PlanOptions extends FactOptions, UnitOptions, RankFactOptions {
  readonly json?: boolean;
  readonly matrix?: boolean;
  readonly lock?: string;
  readonly checkLock?: string;
}

export function command(): Command {
  return withRankFacts(withStartOptions(withFacts(new Command("plan"))))
    .option(
      "--json",
      "the canonical plan with its hash, in the form of --lock; with --matrix, the table as data",
    )
    .option("--matrix", "print a table with a row for each unit, and a column for each class of ranks")
    .option("--lock <file>", "write the canonical plan to this file")
    .option(
      "--check-lock <file>",
      "exit with 1 if the plan differs from the plan in this file, and print the differences",
    )
    .addHelpText(
      "after",
      "\nExample:\n  sluice modprobe plan --size 1024 --lock plan.lock\n  sluice modprobe plan --check-lock plan.lock",
    )
    .action(async (options: PlanOptions) => {
      if (options.checkLock === undefined) await show(options);
      else await check(options.checkLock, options);
    });
}

async function show(options: PlanOptions): Promise<void> {
  await withPlanningContext(options, async (context) => {
    const { plans, lock } = await lockPlans(context, options, options.rank ?? null);
    if (options.lock !== undefined) await writeResult(options.lock, lockFileText(lock));
    if (options.matrix) printMatrix(plans, options.json === true);
    else if (options.json) process.stdout.write(lockFileText(lock));
    else if (options.lock === undefined) {
      printLine(`${hashOf(lock)}, size ${lock.size}`);
      const { facts, loaded } = context;
      const names = new Set(loaded.map(({ name }) => name));
      for (const each of plans) {
        // The running modules are known only for this rank.
        const here = rankSetHas(each.ranks, facts.rank) ? names : new Set<string>();
        classLines(each, here).forEach(printLine);
      }
    }
  });
}

function printMatrix(plans: readonly RankedPlan[], asJson: boolean): void {
  const matrix = rankMatrix(plans);
  if (asJson) {
    printJson(matrix);
    return;
  }
  const rows = matrix.rows.map(({ unit, cells }) => [unit, ...cells.map(cellText)]);
  formatTable(["ranks", ...matrix.classes.map(columnTitle)], rows).forEach(printLine);
}

const TITLE_MAX = 24;

/** A class may consist of many ranges. The plan without --matrix, and --json, show all of them. */
function columnTitle(ranks: string): string {
  return ranks.length <= TITLE_MAX ? ranks : `${ranks.slice(0, TITLE_MAX - 1)}…`;
}

/** The action, or in brackets the reason why the unit stays out. */
function cellText(cell: MatrixCell): string {
  return cell.kind === "planned" ? cell.action : `(${cell.reason})`;
}

/** @param loaded names of modules that already run, which it marks */
function classLines({ ranks, plan }: RankedPlan, loaded: ReadonlySet<string>): string[] {
  const leftOut = Array.from(plan.leftOut, ([unit, reason]) => `    ${unit}: ${reasonText(reason)}`);
  return [
    `ranks ${ranks.text}:`,
    ...dryRunLines(plan).map(
      (line, step) => `  ${line}${loaded.has(plan.steps[step]?.unit.name ?? "") ? "  # loaded" : ""}`,
    ),
    ...(leftOut.length === 0 ? [] : ["  left out:", ...leftOut]),
  ];
}

/**
 * Plans for the size and rank of a lock, unless flags override them.
 * @throws ExitError if the plan is not the locked one; the differences are printed before
 */
export async function check(
  path: string,
  options: FactOptions & UnitOptions & RankFactOptions,
  print: (line: string) => void = printLine,
): Promise<void> {
  const locked = readLock(path);
  const rank = options.rank ?? locked.rank;
  const facts = { size: locked.size, ...options, ...(rank !== null && { rank }) };
  await withPlanningContext(facts, async (context) => {
    const found = plannedSide(await lockPlans(context, options, rank), context, facts);
    if (hashOf(found.lock) === hashOf(locked)) return;
    const differences = diffSides(writtenSide(locked), found);
    if (differences.length === 0) print("the left-out units or their reasons have changed");
    for (const line of differences.flatMap(differenceLines)) print(line);
    throw new ExitError(1, `the plan differs from the plan in ${path}`);
  });
}
