import { Command } from "commander";
import { fields, type JsonValue, type Payload } from "../messages/index.js";
import { parseDuration } from "../units/index.js";
import { followRanks } from "./ranks/rank-streams.js";
import { type RankOptions, withRanks } from "./ranks/ranks.js";
import { printJson, printStyled, UsageError } from "./terminal/output.js";
import { PROGRAM_LINE, printProgramLine } from "./terminal/program-line.js";

interface LogsOptions extends RankOptions {
  readonly follow?: boolean;
  readonly lines?: string;
  readonly since?: string;
  readonly stats?: boolean;
  readonly json?: boolean;
}

export function command(): Command {
  return withRanks(new Command("logs"))
    .argument("[unit...]", "modules that are ordinary programs, and tasks; default: all")
    .option("-f, --follow", "then print new lines as they arrive")
    .option("-n, --lines <n>", "print only this many last lines")
    .option(
      "--since <value>",
      "print only lines since this time: a duration such as 10m, or a time such as 2026-11-29T12:00:00Z",
    )
    .option(
      "--stats",
      "print how many bytes each program has written, and how many the broker keeps and has dropped",
    )
    .option(
      "--json",
      "one JSON object for each line: {time, unit, stream, text}, with part and more for a part of a long line",
    )
    .addHelpText("after", "\nExample:\n  sluice logs -f api\n  sluice logs -n 20 --since 5m")
    .action(logs);
}

async function logs(units: readonly string[], options: LogsOptions): Promise<void> {
  const { follow = false } = options;
  if (options.stats === true) {
    await printStats(units, options);
    return;
  }
  const request: Record<string, JsonValue> = {
    follow,
    ...(units.length === 0 ? {} : { units }),
    ...(options.lines === undefined ? {} : { lines: countOf(options.lines) }),
    ...(options.since === undefined ? {} : { since: timeOf(options.since) }),
  };
  const print = options.json === true ? printObject : printPlain;
  await followRanks(options, {
    open: (handle, rpcOptions) => handle.rpcStream("log.output", request, rpcOptions),
    show: (line, rank) => {
      print(line, rank);
      return undefined;
    },
  });
}

const STATS = { programs: "array" } as const;

async function printStats(units: readonly string[], options: LogsOptions): Promise<void> {
  const { onRanks } = await import("./ranks/ranks.js");
  await onRanks(
    options,
    async (handle, rank) => fields(await handle.rpc("log.programs", undefined, { rank }), STATS).programs,
    (answers) => {
      for (const { rank, value } of answers) {
        for (const size of value) {
          const one = fields(size, {
            unit: "string",
            written: "integer",
            kept: "integer",
            dropped: "integer",
          });
          if (units.length > 0 && !units.includes(one.unit)) continue;
          if (options.json === true) printJson(answers.length === 1 ? one : { rank, ...one });
          else
            printStyled(
              `${label(answers.length === 1 ? undefined : rank)}${one.unit}: ${one.written} bytes written, ${one.kept} kept, ${one.dropped} dropped`,
            );
        }
      }
    },
  );
}

function printObject(payload: Payload, rank: number | undefined): void {
  printJson(
    rank === undefined ? payload : { rank, ...fields(payload, { ...PROGRAM_LINE, more: "boolean?" }) },
  );
}

function printPlain(payload: Payload, rank: number | undefined): void {
  printProgramLine(payload, label(rank));
}

function label(rank: number | undefined): string {
  return rank === undefined ? "" : `${rank}: `;
}

function countOf(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new UsageError(`invalid number of lines '${text}'`);
}

/** In seconds since 1970. */
function timeOf(text: string): number {
  const duration = parseDuration(text);
  if (duration.ok) return Math.max(0, (Date.now() - duration.value.value) / 1000);
  const time = Date.parse(text);
  if (Number.isFinite(time)) return time / 1000;
  throw new UsageError(
    `invalid time '${text}'; write a duration such as 10m, or a time such as 2026-11-29T12:00:00Z`,
  );
}
