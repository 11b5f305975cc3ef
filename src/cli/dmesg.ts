import { Command } from "commander";
import pc from "picocolors";
import { indentLines, onOneLine } from "../errors/index.js";
import { fields, type Payload } from "../messages/index.js";
import { printJson, printLine, printStyled } from "./terminal/output.js";
import { followRanks } from "./ranks/rank-streams.js";
import { onRanks, type RankAnswer, type RankOptions, withRanks } from "./ranks/ranks.js";

interface DmesgOptions extends RankOptions {
  readonly human?: boolean;
  readonly clear?: boolean;
  readonly follow?: boolean;
  readonly json?: boolean;
}

export function command(): Command {
  return withRanks(new Command("dmesg"))
    .option("-H, --human", "times since the first line, in colour on a terminal")
    .option("-C, --clear", "empty the log instead of printing it")
    .option("-f, --follow", "go on with new lines as they come")
    .option("--json", "one JSON object a line: {time, level, name, text}, with the rank if several are named")
    .addHelpText("after", "\nExample:\n  sluice dmesg -H\n  sluice dmesg -f -r all")
    .action(dmesg);
}

async function dmesg(options: DmesgOptions): Promise<void> {
  if (options.clear) {
    await onRanks(options, (handle, rank) => handle.rpc("log.clear", undefined, { rank }));
    return;
  }
  const print = options.json ? printEntry : options.human ? humanPrinter() : printPlain;
  if (options.follow) {
    await followRanks(options, {
      open: (handle, rpcOptions) => handle.rpcStream("log.dmesg", { follow: true }, rpcOptions),
      show: (entry, rank) => {
        print(entry, rank);
        return undefined;
      },
    });
    return;
  }
  await onRanks(
    options,
    async (handle, rank) => {
      const entries: Payload[] = [];
      for await (const entry of handle.rpcStream("log.dmesg", {}, { rank })) entries.push(entry);
      return entries;
    },
    (answers) => {
      for (const { rank, value } of inOrder(answers)) print(value, rank);
    },
  );
}

/** The lines of all ranks by their time, each with its rank if there are several. */
function inOrder(answers: readonly RankAnswer<readonly Payload[]>[]): RankAnswer<Payload>[] {
  const isOne = answers.length === 1;
  const lines = answers.flatMap(({ rank, value }) =>
    value.map((entry) => ({ rank: isOne ? undefined : rank, value: entry })),
  );
  // Those of one rank stay as they were written, whatever its clock has done meanwhile.
  return isOne ? lines : lines.sort((a, b) => fields(a.value, ENTRY).time - fields(b.value, ENTRY).time);
}

type Print = (payload: Payload, rank: number | undefined) => void;

function label(rank: number | undefined): string {
  return rank === undefined ? "" : `${rank}: `;
}

const ENTRY = { time: "number", level: "string", name: "string", text: "string" } as const;

function printEntry(payload: Payload, rank: number | undefined): void {
  printJson(rank === undefined ? payload : { rank, ...fields(payload, ENTRY) });
}

function printPlain(payload: Payload, rank: number | undefined): void {
  const { time, level, name, text } = fields(payload, ENTRY);
  printLine(`${label(rank)}${new Date(time * 1000).toISOString()} ${name}.${level}: ${indentLines(text)}`);
}

function humanPrinter(): Print {
  let firstTime: number | undefined;
  return (payload, rank) => {
    const { time, level, name, text } = fields(payload, ENTRY);
    firstTime ??= time;
    const stamp = pc.green(`[${`+${(time - firstTime).toFixed(6)}`.padStart(12)}]`);
    const source = pc.yellow(`${onOneLine(name)}.${level}:`);
    printStyled(`${label(rank)}${stamp} ${source} ${colourOf(level)(indentLines(text))}`);
  };
}

function colourOf(level: string): (text: string) => string {
  if (["emerg", "alert", "crit", "err"].includes(level)) return pc.red;
  if (level === "warning") return pc.bold;
  return level === "debug" ? pc.dim : String;
}
