import { extname } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import {
  blame,
  criticalChain,
  ganttOf,
  ganttToHtml,
  ganttToSvg,
  ganttToOtlp,
  ganttToTrace,
  headlineOf,
  headlineText,
  nextToCritical,
  recordedTimeline,
  type RunRecord,
  unknownUnit,
  whatIf,
} from "../../analysis/index.js";
import { didYouMean } from "../../errors/index.js";
import { blameJson, ganttJson, headlineJson, linkJson, predictionJson } from "./analyze-json.js";
import { blameLines, chainLines, linkText, predictionLines } from "./analyze-text.js";
import { assignment, collect, positiveInteger } from "../arguments.js";
import { ExitError, formatTable, printJson, printLine, UsageError } from "../terminal/output.js";
import { findRecord, type RecordedRunOptions, storedRuns, withRecordedRun } from "./runs/recorded-run.js";
import { writeResult } from "../write-file.js";

interface AnalyzeOptions extends RecordedRunOptions {
  readonly list?: boolean;
  readonly json?: boolean;
}

interface PlotOptions extends AnalyzeOptions {
  readonly format?: "svg" | "html" | "otlp";
  readonly trace?: boolean;
  readonly output?: string;
}

interface WhatIfOptions extends AnalyzeOptions {
  readonly jobs?: number;
  readonly without?: readonly string[];
  readonly faster?: readonly (readonly [string, number])[];
}

/** The number of units with the least slack that are listed beside the chain. */
const NEXT_SHOWN = 5;
/** Number of slowest units that are shown. */
const SLOWEST_SHOWN = 5;

export function command(): Command {
  const analyze = withRecordedRun(new Command("analyze"))
    .enablePositionalOptions()
    .option("--list", "list the recorded runs")
    .option("--json", "for programs; times in milliseconds")
    .addHelpText(
      "after",
      "\nExample:\n  sluice modprobe analyze blame\n  sluice modprobe analyze what-if --jobs 2 --faster kvs=2",
    )
    .allowExcessArguments()
    .action(async (options: AnalyzeOptions, self: Command) => {
      refuseUnknownView(self);
      if (options.list) await list(options);
      else await overview(options);
    });
  for (const view of [blameCommand(), chainCommand(), plotCommand(), whatIfCommand()]) {
    analyze.addCommand(view);
  }
  return analyze;
}

/** Commander takes an unknown view for a surplus argument. */
function refuseUnknownView(analyze: Command): void {
  const [name] = analyze.args;
  if (name === undefined) return;
  const views = analyze.commands.map((command) => command.name());
  const hint = didYouMean(name, views) ?? `write one of ${views.join(", ")}`;
  throw new UsageError(`unknown command '${name}'; ${hint}`);
}

function view(name: string, summary: string): Command {
  return withRecordedRun(new Command(name)).description(summary);
}

function blameCommand(): Command {
  return view("blame", "the time of each unit, the slowest first")
    .option("--json", "an array of {unit, action, startMs, durationMs, ended}")
    .addHelpText("after", "\nExample:\n  sluice modprobe analyze blame --run 2")
    .action(async (_: unknown, self: Command) => {
      const options = self.optsWithGlobals<AnalyzeOptions>();
      const blames = blame(recordedTimeline(await findRecord(options)));
      if (options.json) printJson(blames.map(blameJson));
      else blameLines(blames).forEach(printLine);
    });
}

function chainCommand(): Command {
  return view(
    "critical-chain",
    "the units that set the time of the run, each with the unit that it waited for",
  )
    .argument("[name]", "a unit that ends the chain (default: the unit that ended last)")
    .option("--json", "{run, chain, next}; links are {unit, startMs, durationMs, slackMs, waitedFor, …}")
    .addHelpText("after", "\nExample:\n  sluice modprobe analyze critical-chain kvs")
    .action(async (name: string | undefined, _: unknown, self: Command) => {
      const options = self.optsWithGlobals<AnalyzeOptions>();
      const record = await findRecord(options);
      const timeline = recordedTimeline(record);
      const chain = criticalChain(timeline, name);
      if (chain === undefined) throw new ExitError(1, whyNoChain(record, name ?? ""));
      const next = name === undefined ? nextToCritical(timeline, chain, NEXT_SHOWN) : [];
      if (options.json) {
        const run = headlineJson(headlineOf(record));
        printJson({ run, chain: chain.map(linkJson), next: next.map(linkJson) });
        return;
      }
      printLine(headlineText(headlineOf(record)));
      printLine('"@" marks the start of a unit, "+" marks a duration.');
      printLine("");
      chainLines(chain).forEach(printLine);
      if (next.length > 0) printLine("\nnext to the chain:");
      for (const link of next) printLine(`  ${linkText(link)}`);
    });
}

function plotCommand(): Command {
  return view("plot", "a Gantt chart")
    .addOption(
      new Option(
        "--format <format>",
        "format of the picture, or otlp: spans for an OpenTelemetry collector (default: by the file's name, or svg)",
      ).choices(["svg", "html", "otlp"]),
    )
    .addOption(new Option("--trace", "a trace for Perfetto and chrome://tracing instead").conflicts("format"))
    .addOption(
      new Option("--json", "the data of the picture: {durationMs, jobs, units, load}").conflicts([
        "format",
        "trace",
      ]),
    )
    .option("-o, --output <file>", "write the picture to this file (default: standard output)")
    .addHelpText("after", "\nExample:\n  sluice modprobe analyze plot -o boot.html")
    .action(async (_: unknown, self: Command) => {
      const options = self.optsWithGlobals<PlotOptions>();
      refuseUnknownSuffix(options);
      const text = picture(await findRecord(options), options);
      await writeResult(options.output, text);
    });
}

function whatIfCommand(): Command {
  return view("what-if", "predict how long the run would have taken with changes")
    .addOption(new Option("-j, --jobs <n>", "run this many units at a time").argParser(positiveInteger))
    .addOption(
      new Option(
        "--without <unit>",
        "leave out the unit, the units that need it, and the units that only it required; may be repeated",
      ).argParser(collect(String)),
    )
    .addOption(
      new Option(
        "--faster <unit=factor>",
        "make the unit this many times as fast; may be repeated",
      ).argParser(collect(speedUp)),
    )
    .option("--json", "{recorded, predicted, removed, criticalChain}")
    .addHelpText(
      "after",
      "\nExample:\n  sluice modprobe analyze what-if --without cron --faster kvs=2 --jobs 4",
    )
    .action(async (_: unknown, self: Command) => {
      const options = self.optsWithGlobals<WhatIfOptions>();
      const record = await findRecord(options);
      const { jobs, without = [], faster = [] } = options;
      refuseUnknown(record, [...without, ...faster.map(([unit]) => unit)]);
      const prediction = whatIf(record, { jobs, without, faster: new Map(faster) });
      const chain = criticalChain(prediction.predicted) ?? [];
      if (options.json) {
        printJson(predictionJson(prediction, chain));
        return;
      }
      printLine(headlineText(headlineOf(record)));
      predictionLines(prediction).forEach(printLine);
      printLine("\ncritical chain:");
      chainLines(chain).forEach(printLine);
    });
}

async function overview(options: AnalyzeOptions): Promise<void> {
  const record = await findRecord(options);
  const timeline = recordedTimeline(record);
  const chain = criticalChain(timeline) ?? [];
  const blames = blame(timeline);
  if (options.json) {
    const run = headlineJson(headlineOf(record));
    printJson({ run, chain: chain.map(linkJson), blame: blames.map(blameJson) });
    return;
  }
  printLine(headlineText(headlineOf(record)));
  printLine("\ncritical chain:");
  chainLines(chain).forEach(printLine);
  printLine("\nslowest:");
  blameLines(blames.slice(0, SLOWEST_SHOWN)).forEach(printLine);
}

async function list(options: AnalyzeOptions): Promise<void> {
  const { store, runs } = await storedRuns(options);
  if (options.json) {
    printJson(runs);
    return;
  }
  if (runs.length === 0) throw new ExitError(1, `no recorded run in ${store.directory}`);
  const rows = runs.map(({ number, command, epochMs, file }) => [
    ...[number, command, new Date(epochMs).toISOString()],
    file,
  ]);
  formatTable(["Run", "Command", "Time", "File"], rows).forEach(printLine);
}

function picture(record: RunRecord, { format, trace, json, output }: PlotOptions): string {
  const gantt = ganttOf(recordedTimeline(record));
  const title = headlineText(headlineOf(record));
  if (json) return `${JSON.stringify(ganttJson(gantt))}\n`;
  if (trace) return `${JSON.stringify(ganttToTrace(gantt, title))}\n`;
  if (format === "otlp") return `${JSON.stringify(ganttToOtlp(gantt, headlineOf(record), record.version))}\n`;
  const isHtml = format === "html" || (format === undefined && /\.html?$/i.test(output ?? ""));
  return isHtml ? ganttToHtml(gantt, title) : ganttToSvg(gantt, title);
}

function whyNoChain({ plan, events }: RunRecord, name: string): string {
  if (!plan.steps.some(({ unit }) => unit === name)) return unknownUnit(name, plan);
  const last = events.find(
    (event) => (event.type === "skip" || event.type === "not-started") && event.unit === name,
  );
  const why = last !== undefined && "message" in last ? last.message : "not started";
  return `${name} did not run: ${why}`;
}

/** Reports all of them at once. */
function refuseUnknown({ plan }: RunRecord, names: readonly string[]): void {
  const known = new Set(plan.steps.map(({ unit }) => unit));
  const unknown = [...new Set(names)].filter((name) => !known.has(name));
  if (unknown.length > 0) {
    throw new ExitError(1, unknown.map((name) => unknownUnit(name, plan)).join("\nsluice-modprobe: "));
  }
}

/** A file named PNG must not hold an SVG. */
function refuseUnknownSuffix({ format, trace, json, output = "" }: PlotOptions): void {
  if (format !== undefined || trace || json) return;
  const suffix = extname(output).toLowerCase();
  if (suffix === "" || /^\.(svg|html?)$/.test(suffix)) return;
  throw new UsageError(`no format has the suffix ${suffix}; use --format svg|html|otlp, --trace or --json`);
}

function speedUp(text: string): readonly [unit: string, factor: number] {
  const [unit, value] = assignment(text);
  const factor = Number(value);
  if (value.trim() === "" || !Number.isFinite(factor) || factor <= 0) {
    throw new InvalidArgumentError("must be UNIT=FACTOR, a number above 0, such as kvs=2.");
  }
  return [unit, factor];
}
