import { Command, InvalidArgumentError, Option } from "commander";
import { onOneLine } from "../../errors/index.js";
import { fields, type Message, MESSAGE_TYPES, type Payload } from "../../messages/index.js";
import { positiveInteger } from "../arguments.js";
import { coloursFor, noColours } from "../terminal/colours.js";
import { printJson, printLine, printStyled } from "../terminal/output.js";
import { followRanks } from "../ranks/rank-streams.js";
import { type RankOptions, withRanks } from "../ranks/ranks.js";

interface TraceOptions extends RankOptions {
  readonly full?: boolean;
  readonly topic?: string;
  readonly type?: readonly Message["type"][];
  readonly count?: number;
  readonly human?: boolean;
  readonly delta?: boolean;
  /** True without a value. */
  readonly color: "auto" | "always" | "never" | true;
  readonly json?: boolean;
}

export function traceCommand(): Command {
  return withRanks(new Command("trace"))
    .description("print the messages that modules send (tx) and receive (rx), as they arrive")
    .argument("[module...]", "names of modules, loaded or not; default: all")
    .option("-f, --full", "with payloads")
    .option("-T, --topic <glob>", "only topics that match this glob, such as 'motd.*'")
    .addOption(
      new Option("-t, --type <types>", `only messages of these types: ${MESSAGE_TYPES.join(", ")}`).argParser(
        messageTypes,
      ),
    )
    .addOption(new Option("-c, --count <n>", "stop after this many messages").argParser(positiveInteger))
    .option("-H, --human", "times since the first message")
    .option("-d, --delta", "with --human, times since the previous message")
    .addOption(
      new Option("-L, --color [when]", "with --human, colours")
        .choices(["auto", "always", "never"])
        .default("auto"),
    )
    .option(
      "--json",
      "one JSON object for each message: {time, direction, type, name, topic, payloadBytes, payload?, encoding?, errnum?, error?}, with the rank for several ranks; {dropped} after messages that a slow reader missed",
    )
    .addHelpText("after", "\nExample:\n  sluice module trace -T 'kvs.*' -t request,response kvs")
    .action(trace);
}

async function trace(names: readonly string[], options: TraceOptions): Promise<void> {
  const { topic, type, full } = options;
  const request = {
    names,
    full: full === true,
    ...(topic !== undefined && { topic }),
    ...(type !== undefined && { types: type }),
  };
  const print = options.json ? printRecord : linePrinter(options);
  let left = options.count ?? Infinity;
  await followRanks(options, {
    open: (handle, rpcOptions) => handle.rpcStream("module.trace", request, rpcOptions),
    show: (record, rank) => {
      print(record, rank);
      left -= 1;
      return left <= 0 ? "enough" : undefined;
    },
  });
}

const RECORD = {
  time: "number?",
  direction: "string?",
  type: "string?",
  name: "string?",
  topic: "string?",
  payloadBytes: "integer?",
  payload: "string?",
  encoding: "string?",
  errnum: "integer?",
  error: "string?",
  dropped: "integer?",
} as const;

type Print = (payload: Payload, rank: number | undefined) => void;

function printRecord(payload: Payload, rank: number | undefined): void {
  const { payload: text, ...record } = fields(payload, RECORD);
  const isJson = text !== undefined && record.encoding === undefined;
  printJson({
    ...(rank !== undefined && { rank }),
    ...record,
    ...(text !== undefined && { payload: isJson ? jsonOrText(text) : text }),
  });
}

function linePrinter({ human, delta, color }: TraceOptions): Print {
  const colors = human ? coloursFor(process.stdout, color === true ? "always" : color) : noColours;
  const stamp = human ? relativeTime(delta === true) : isoTime;
  return (payload, rank) => {
    const label = rank === undefined ? "" : `${rank}: `;
    const record = fields(payload, RECORD);
    if (record.dropped !== undefined) {
      printLine(`${label}# ${record.dropped} messages are missing: trace did not read them fast enough`);
      return;
    }
    const { time = 0, direction = "", type = "", name = "", topic = "", payloadBytes = 0 } = record;
    const { payload: text, encoding, errnum, error } = record;
    const paint = direction === "tx" ? colors.cyan : colors.yellow;
    const outcome = errnum === undefined ? "" : outcomeOf(errnum, error);
    printStyled(
      `${label}${colors.green(stamp(time))} ${paint(direction)} ${type.padEnd(8)} ${colors.bold(onOneLine(name))} ${onOneLine(topic)} ` +
        `[${payloadBytes}]${error === undefined ? outcome : colors.red(outcome)}${text === undefined ? "" : ` ${encoding === undefined ? "" : `${encoding}:`}${oneLine(text)}`}`,
    );
  };
}

function outcomeOf(errnum: number, error: string | undefined): string {
  return error === undefined ? ` errnum=${errnum}` : ` errnum=${errnum} (${oneLine(error)})`;
}

/** With microseconds, which `Date` does not have. */
function isoTime(time: number): string {
  const micros = Math.floor(time * 1e6);
  const millis = new Date(Math.floor(micros / 1000)).toISOString().slice(0, -1);
  return `${millis}${String(micros % 1000).padStart(3, "0")}Z`;
}

function relativeTime(isDelta: boolean): (time: number) => string {
  let since: number | undefined;
  return (time) => {
    const offset = time - (since ?? time);
    if (isDelta || since === undefined) since = time;
    return `[${`+${offset.toFixed(6)}`.padStart(12)}]`;
  };
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    // A module in any language may have sent invalid JSON, which users need to see, too.
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}

/** JSON may have line breaks between its tokens. */
function oneLine(text: string): string {
  return onOneLine(text.replaceAll(/[\r\n]+/g, " "));
}

function messageTypes(text: string): readonly Message["type"][] {
  return text.split(",").map((word) => {
    const known = MESSAGE_TYPES.find((type) => type === word);
    if (known === undefined) throw new InvalidArgumentError(`write one of ${MESSAGE_TYPES.join(", ")}.`);
    return known;
  });
}
