import { Command, InvalidArgumentError, Option } from "commander";
import type { JsonValue, Payload } from "../../messages/index.js";
import { loadedName } from "./name.js";
import { ExitError, printLine, UsageError } from "../terminal/output.js";
import { labelled, onRanks, type RankOptions, withRanks } from "../ranks/ranks.js";
import { withInstance } from "../session.js";

interface StatsOptions extends RankOptions {
  readonly parse?: string;
  readonly type?: "int" | "double";
  readonly scale: number;
  /** `self`, `children` or `thread`; true without a value. */
  readonly rusage?: string | true;
  readonly clear?: boolean;
  readonly clearAll?: boolean;
}

export function statsCommand(): Command {
  return withRanks(new Command("stats"))
    .description("print or clear the statistics of a module")
    .argument("[module|path]", "name of the module, or the path of its load")
    .option("-p, --parse <key.key>", "print only the value at this key")
    .addOption(new Option("-t, --type <type>", "type of the value").choices(["int", "double"]))
    .addOption(new Option("-s, --scale <factor>", "multiply the value").argParser(factor).default(1, "1"))
    .addOption(new Option("-R, --rusage [whose]", "resource usage of self, children or thread instead"))
    .option("-c, --clear", "clear the statistics of the module")
    .addOption(
      new Option("-C, --clear-all", "clear the statistics of the module on all ranks").conflicts("clear"),
    )
    .addHelpText("after", "\nExample:\n  sluice module stats -p rx.request kvs")
    .action((name: string | undefined, options: StatsOptions) => {
      const { module, rusage } = untangle(name, options.rusage);
      return stats(module, { ...options, ...(rusage !== undefined && { rusage }) });
    });
}

const WHOSE = ["self", "children", "thread"];

/** In `-R NAME` the name is no value of the option, although a value could stand there. */
function untangle(
  name: string | undefined,
  rusage: string | true | undefined,
): { readonly module: string; readonly rusage: string | true | undefined } {
  if (name !== undefined) {
    if (typeof rusage !== "string" || WHOSE.includes(rusage)) return { module: name, rusage };
    throw new UsageError(`option '-R, --rusage' is of ${WHOSE.join(", ")}, not of '${rusage}'`);
  }
  if (typeof rusage === "string" && !WHOSE.includes(rusage)) return { module: rusage, rusage: true };
  throw new UsageError("missing required argument 'name'");
}

async function stats(which: string, options: StatsOptions): Promise<void> {
  if (options.clearAll) {
    if (options.rank !== undefined)
      throw new UsageError("--clear-all clears all ranks; with --rank use --clear");
    await withInstance(options, async (handle) =>
      handle.publish(`${await loadedName(handle, which)}.stats-clear`),
    );
    return;
  }
  if (options.clear) {
    await onRanks(options, async (handle, rank) =>
      handle.rpc(`${await loadedName(handle, which, rank)}.stats-clear`, undefined, { rank }),
    );
    return;
  }
  const [method, request] = statsRequest(options.rusage);
  await onRanks(
    options,
    async (handle, rank) => {
      const name = await loadedName(handle, which, rank);
      return valueText(await handle.rpc(`${name}.${method}`, request, { rank }), options);
    },
    (answers) => labelled(answers, String).forEach(printLine),
  );
}

function statsRequest(rusage: string | true | undefined): [method: string, request: Payload] {
  if (rusage === undefined) return ["stats-get", undefined];
  return ["rusage", rusage === true ? {} : { who: rusage }];
}

function valueText(payload: Payload, { parse, type, scale }: StatsOptions): string {
  const value = parse === undefined ? payload : valueAt(payload, parse);
  if (typeof value !== "number") {
    if (type !== undefined || scale !== 1)
      throw new ExitError(1, "--type and --scale need --parse with the key of a number");
    return JSON.stringify(value);
  }
  const scaled = value * scale;
  return type === "int" ? String(Math.trunc(scaled)) : type === "double" ? scaled.toFixed(6) : String(scaled);
}

function valueAt(payload: Payload, path: string): JsonValue {
  let value: unknown = payload;
  for (const key of path.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) {
      throw new ExitError(1, `no value at '${path}'`);
    }
    value = Reflect.get(value, key);
  }
  return value as JsonValue;
}

function factor(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("must be a number.");
  return value;
}
