import { Command, Option } from "commander";
import { indentLines, onOneLine } from "../errors/index.js";
import { fields, type Payload } from "../messages/index.js";
import { type Colours, coloursFor } from "./terminal/colours.js";
import { printJson, printLine, printStyled, UsageError } from "./terminal/output.js";
import { followRanks } from "./ranks/rank-streams.js";
import { onRanks, type RankAnswer, type RankOptions, withRanks } from "./ranks/ranks.js";

interface DmesgOptions extends RankOptions {
  readonly human?: boolean;
  readonly clear?: boolean;
  readonly readClear?: boolean;
  readonly new?: boolean;
  readonly follow?: boolean;
  readonly json?: boolean;
}

export function command(): Command {
  return withRanks(new Command("dmesg"))
    .option("-H, --human", "print local times, then seconds since the previous line, in colour on a terminal")
    .option("-C, --clear", "empty the log instead of printing it")
    .option("-c, --read-clear", "empty the log after printing it")
    .addOption(new Option("-f, --follow", "then print new lines as they arrive").conflicts("readClear"))
    .option("-n, --new", "print only lines from now on; implies -f")
    .option(
      "--json",
      "one JSON object for each line: {time, level, name, text}, with the rank for several ranks",
    )
    .addHelpText("after", "\nExample:\n  sluice dmesg -H\n  sluice dmesg -f -r all")
    .action(dmesg);
}

async function dmesg(options: DmesgOptions): Promise<void> {
  if (options.clear) {
    await onRanks(options, (handle, rank) => handle.rpc("log.clear", undefined, { rank }));
    return;
  }
  const print = options.json ? printEntry : options.human ? humanPrinter() : printPlain;
  if (options.new === true && options.readClear === true)
    throw new UsageError("-n and -c exclude each other");
  if (options.follow === true || options.new === true) {
    const request = { follow: true, ...(options.new === true && { new: true }) };
    await followRanks(options, {
      open: (handle, rpcOptions) => handle.rpcStream("log.dmesg", request, rpcOptions),
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
      const request = { ...(options.readClear === true && { clear: true }) };
      for await (const entry of handle.rpcStream("log.dmesg", request, { rank })) entries.push(entry);
      return entries;
    },
    (answers) => {
      for (const { rank, value } of inOrder(answers)) print(value, rank);
    },
  );
}

/** The lines of all ranks in the order of their times, each with its rank if there are several. */
function inOrder(answers: readonly RankAnswer<readonly Payload[]>[]): RankAnswer<Payload>[] {
  const isOne = answers.length === 1;
  const lines = answers.flatMap(({ rank, value }) =>
    value.map((entry) => ({ rank: isOne ? undefined : rank, value: entry })),
  );
  // Entries of one rank keep the order in which they were written, even if its clock has changed meanwhile.
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

/** The local time of the first line, and again after each minute without one; else the time since the line before. */
function humanPrinter(): Print {
  let lastTime: number | undefined;
  const colours = coloursFor(process.stdout);
  return (payload, rank) => {
    const { time, level, name, text } = fields(payload, ENTRY);
    const sinceLast = lastTime === undefined ? Infinity : time - lastTime;
    const when = sinceLast >= 60 ? localTime(time) : `+${Math.max(0, sinceLast).toFixed(6)}`.padStart(12);
    lastTime = time;
    const source = colours.yellow(`${onOneLine(name)}.${level}:`);
    const shown = colourOf(level, colours)(indentLines(text));
    printStyled(`${label(rank)}${colours.green(`[${when}]`)} ${source} ${shown}`);
  };
}

/** A local time such as `Nov29 20:10`. */
function localTime(time: number): string {
  const date = new Date(time * 1000);
  const month = date.toLocaleString("en", { month: "short" });
  const [day, hours, minutes] = [date.getDate(), date.getHours(), date.getMinutes()].map((n) =>
    String(n).padStart(2, "0"),
  );
  return `${month}${day ?? ""} ${hours ?? ""}:${minutes ?? ""}`;
}

function colourOf(level: string, { red, bold, dim }: Colours): (text: string) => string {
  if (["emerg", "alert", "crit", "err"].includes(level)) return red;
  if (level === "warning") return bold;
  return level === "debug" ? dim : String;
}
