import { Command } from "commander";
import { fields, type JsonValue } from "../../messages/index.js";
import { printJson, printLine } from "../terminal/output.js";
import { onRanks, type RankAnswer, type RankOptions, withRanks } from "../ranks/ranks.js";
import { idleText, stateText } from "../top/table.js";

interface ListOptions extends RankOptions {
  readonly long?: boolean;
  readonly all?: boolean;
  readonly json?: boolean;
}

export function listCommand(): Command {
  return withRanks(new Command("list"))
    .description("list the loaded modules")
    .option("-l, --long", "print paths too, and mark files that have changed since the load")
    .option("-a, --all", "list the services of the broker too")
    .option("--json", "an array in the form of module.list, with the rank if the command names ranks")
    .addHelpText("after", "\nExample:\n  sluice module list -l")
    .action(async (options: ListOptions) => {
      const request = { ...(options.all && { all: true }), ...(options.long && { compare: true }) };
      await onRanks(
        options,
        async (handle, rank) =>
          fields(await handle.rpc("module.list", request, { rank }), { modules: "array" }).modules,
        (answers) => {
          if (options.json) printJson(answers.flatMap(modulesWithRank));
          else printModules(answers, options.long === true);
        },
      );
    });
}

const LISTED = {
  name: "string",
  path: "string",
  fileState: "json?",
  state: "string",
  idleSeconds: "number",
  owedSeconds: "number",
  sendq: "number",
  recvq: "number",
  services: "string[]",
} as const;

/** The long form has little room for services. It therefore cuts a longer list of services and adds `+`. */
const LONG_SERVICE_WIDTH = 24;

function modulesWithRank({ rank, value }: RankAnswer<readonly JsonValue[]>): readonly JsonValue[] {
  if (rank === undefined) return value;
  return value.map((module) => ({ rank, ...(module as Readonly<Record<string, JsonValue>>) }));
}

/** Prints the table, with a column for the rank if several have answered. */
function printModules(answers: readonly RankAnswer<readonly JsonValue[]>[], long: boolean): void {
  const rankCell = (text: string): string => (answers.length > 1 ? `${text.padStart(4)} ` : "");
  const head = moduleLine(["Module", "Idle", "S ", "Sendq", "Recvq", "Service"], long ? "Path" : undefined);
  printLine(rankCell("Rank") + head);
  for (const { rank, value: modules } of answers) {
    for (const module of modules) printLine(rankCell(String(rank)) + listedLine(module, long));
  }
}

function listedLine(module: JsonValue, long: boolean): string {
  const listed = fields(module, LISTED);
  const { name, path, fileState, state, idleSeconds, owedSeconds, sendq, recvq, services } = listed;
  const mark = fileState === "changed" || fileState === "missing" ? ` (${fileState})` : "";
  const cells: ModuleCells = [
    name,
    idleText(idleSeconds),
    stateText(state, owedSeconds),
    String(sendq),
    String(recvq),
    services.join(","),
  ];
  return moduleLine(cells, long ? `${path}${mark}` : undefined);
}

type ModuleCells = readonly [
  name: string,
  idle: string,
  state: string,
  sendq: string,
  recvq: string,
  services: string,
];

function moduleLine(
  [name, idle, state, sendq, recvq, services]: ModuleCells,
  path: string | undefined,
): string {
  const left = `${name.padEnd(25)} ${idle.padStart(4)}  ${state}${sendq.padStart(5)} ${recvq.padStart(5)}`;
  if (path === undefined) return `${left} ${services}`.trimEnd();
  const cut =
    services.length > LONG_SERVICE_WIDTH ? `${services.slice(0, LONG_SERVICE_WIDTH - 1)}+` : services;
  return `${left} ${cut.padEnd(LONG_SERVICE_WIDTH)} ${path}`;
}
