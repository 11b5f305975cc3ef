import { Command } from "commander";
import pc from "picocolors";
import { fields, type Payload, type RpcOptions } from "../messages/index.js";
import { printJson, printLine } from "./output.js";
import { untilInterrupted, withInstance, withUri } from "./session.js";

interface DmesgOptions {
  readonly uri?: string;
  readonly human?: boolean;
  readonly clear?: boolean;
  readonly follow?: boolean;
  readonly json?: boolean;
}

export function command(): Command {
  return withUri(new Command("dmesg"))
    .option("-H, --human", "times since the first line, in colour on a terminal")
    .option("-C, --clear", "empty the log instead of printing it")
    .option("-f, --follow", "go on with new lines as they come")
    .option("--json", "one JSON object a line: {time, level, name, text}")
    .addHelpText("after", "\nExample:\n  sluice dmesg -H")
    .action(dmesg);
}

async function dmesg(options: DmesgOptions): Promise<void> {
  await withInstance(options, async (handle) => {
    if (options.clear) {
      await handle.rpc("log.clear");
      return;
    }
    const print = options.json ? printJson : options.human ? humanPrinter() : printPlain;
    const show = async (follow: boolean, until: RpcOptions): Promise<void> => {
      for await (const entry of handle.rpcStream("log.dmesg", { follow }, until)) print(entry);
    };
    await (options.follow ? untilInterrupted((signal) => show(true, { signal })) : show(false, {}));
  });
}

const ENTRY = { time: "number", level: "string", name: "string", text: "string" } as const;

function printPlain(payload: Payload): void {
  const { time, level, name, text } = fields(payload, ENTRY);
  printLine(`${new Date(time * 1000).toISOString()} ${name}.${level}: ${text}`);
}

function humanPrinter(): (payload: Payload) => void {
  let firstTime: number | undefined;
  return (payload) => {
    const { time, level, name, text } = fields(payload, ENTRY);
    firstTime ??= time;
    const stamp = pc.green(`[${`+${(time - firstTime).toFixed(6)}`.padStart(12)}]`);
    printLine(`${stamp} ${pc.yellow(`${name}.${level}:`)} ${colourOf(level)(text)}`);
  };
}

function colourOf(level: string): (text: string) => string {
  if (["emerg", "alert", "crit", "err"].includes(level)) return pc.red;
  if (level === "warning") return pc.bold;
  return level === "debug" ? pc.dim : String;
}
