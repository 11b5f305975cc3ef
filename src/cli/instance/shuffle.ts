import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, Option } from "commander";
import {
  type Attempt,
  failureIn,
  type Finding,
  readRecord,
  type RunRecord,
  shuffleStarts,
  type ShuffleVerdict,
  type StartFailure,
  type Tried,
} from "../../analysis/index.js";
import { SHUFFLE_ATTRIBUTE } from "../../instance/read-shuffle.js";
import { commandEndText, isSuccess, NODE_COMMAND, processEnd, startProcess } from "../../processes/index.js";
import type { Shuffle } from "../../run/index.js";
import { assignment, collect, positiveInteger, wholeNumber } from "../arguments.js";
import { configFlags, type ConfigOptions, withConfig } from "../config-inputs.js";
import { type InsecureOption, withInsecure } from "../insecure.js";
import { storedRuns } from "../modprobe/runs/recorded-run.js";
import { valueOf } from "../modprobe/units.js";
import { ExitError, printJson, printLine, say, UsageError } from "../terminal/output.js";
import { PACKAGE_ROOT } from "../version.js";
import { type FilesOption, requireFilesOfGroups, withFiles, withGroupOption } from "./files-option.js";
import { type ModulesOption, withModules } from "./modules-option.js";

interface ShuffleOptions extends ConfigOptions, FilesOption, InsecureOption, ModulesOption {
  readonly count: number;
  readonly size: number;
  readonly seed: number;
  readonly timeout: string;
  readonly setattr?: readonly (readonly [string, string])[];
  readonly verbose?: boolean;
  readonly json?: boolean;
}

/** Attributes that the search sets for each start. */
const OWN_ATTRIBUTES = ["statedir", SHUFFLE_ATTRIBUTE, "broker.rc1-timeout"];

export function command(): Command {
  const configured = withConfig(new Command("shuffle"), "-c, --config-path <path>");
  return withGroupOption(withFiles(withModules(withInsecure(configured)), "-f, --file <file>"))
    .argument(
      "[command...]",
      "initial program of each start; a status other than 0 is a failure (default: true)",
    )
    .passThroughOptions()
    .addOption(new Option("-n, --count <n>", "number of seeds").argParser(positiveInteger).default(20))
    .addOption(
      new Option("-s, --size <n>", "number of brokers of each start").argParser(positiveInteger).default(1),
    )
    .addOption(new Option("--seed <seed>", "the first seed").argParser(wholeNumber).default(1))
    .option("--timeout <duration>", "how long the rc1 of a start may take", "60s")
    .addOption(new Option("-S, --setattr <name=value>", "set an attribute").argParser(collect(assignment)))
    .option("-v, --verbose", "show the messages of the starts")
    .option(
      "--json",
      "one JSON object: {seeds, doubts, starts, failed: null or {seed, order, unit, message, finding, pair}}",
    )
    .addHelpText(
      "after",
      "\nExit status: 0 if no seed failed, 1 if a seed failed." +
        "\n\nExamples:\n  sluice shuffle -n 50\n  sluice shuffle -f stack.toml 'curl -sf localhost:8080'",
    )
    .action(run);
}

async function run(program: readonly string[], options: ShuffleOptions): Promise<void> {
  requireFilesOfGroups(options);
  for (const [name] of options.setattr ?? []) {
    if (OWN_ATTRIBUTES.includes(name)) throw new UsageError(`-S ${name}: each start has another value`);
  }
  const starts = new Starts(program, options);
  let verdict: ShuffleVerdict;
  try {
    verdict = await shuffleStarts(
      { first: options.seed, count: options.count },
      {
        attempt: (shuffle) => starts.attempt(shuffle),
        onTried: (tried, failure) => {
          say(`sluice-shuffle: ${triedText(tried)}: ${failure === undefined ? "ok" : failureText(failure)}`);
        },
      },
    );
  } finally {
    starts.close();
  }
  if (options.json) printJson(jsonOf(verdict));
  else linesOf(verdict).forEach(printLine);
  if (verdict.failed !== undefined) process.exitCode = 1;
}

/** Starts instances, each with a state directory of its own, and reads the records of their rc1. */
class Starts {
  readonly #program: readonly string[];
  readonly #options: ShuffleOptions;
  readonly #dir = mkdtempSync(join(tmpdir(), "sluice-shuffle-"));
  #count = 0;
  #signal: "SIGINT" | "SIGTERM" | undefined;
  #kill: (signal: NodeJS.Signals) => void = () => undefined;
  readonly #onInterrupt = (): void => this.#stop("SIGINT");
  readonly #onTerminate = (): void => this.#stop("SIGTERM");

  constructor(program: readonly string[], options: ShuffleOptions) {
    this.#program = program.length === 0 ? ["true"] : program;
    this.#options = options;
    process.on("SIGINT", this.#onInterrupt);
    process.on("SIGTERM", this.#onTerminate);
  }

  close(): void {
    process.off("SIGINT", this.#onInterrupt);
    process.off("SIGTERM", this.#onTerminate);
    rmSync(this.#dir, { recursive: true, force: true });
  }

  /** @throws ExitError if the user has interrupted it */
  async attempt(shuffle: Shuffle): Promise<Attempt> {
    const statedir = join(this.#dir, `start-${++this.#count}`);
    const { ended, said } = await this.#start(statedir, this.#textOf(shuffle));
    if (this.#signal !== undefined) throw new ExitError(this.#signal === "SIGINT" ? 130 : 143);
    const records = await this.#recordsIn(statedir);
    rmSync(statedir, { recursive: true, force: true });
    if (ended === undefined) return { failure: undefined, records };
    const message = said.trimEnd().split("\n").at(-1) ?? "";
    const [record] = records;
    const failed = record && failureIn(record);
    return { failure: failed ?? { unit: undefined, message: message === "" ? ended : message }, records };
  }

  /** The records of all ranks. The record of a failed rank comes first. */
  async #recordsIn(statedir: string): Promise<RunRecord[]> {
    const records: RunRecord[] = [];
    for (let rank = 0; rank < this.#options.size; rank++) {
      const { runs } = await storedRuns({ statedir, rank });
      const start = runs.find(({ command }) => command === "rc1");
      if (start !== undefined) records.push(valueOf(readRecord(start.file)));
    }
    const hasFailed = (record: RunRecord): number => Number(failureIn(record) !== undefined);
    return records.sort((a, b) => hasFailed(b) - hasFailed(a));
  }

  #textOf(shuffle: Shuffle): string {
    if (shuffle.kind === "seed") return shuffle.text;
    const file = join(this.#dir, "order");
    writeFileSync(file, shuffle.units.map((unit) => `${unit}\n`).join(""));
    return `@${file}`;
  }

  async #start(statedir: string, shuffle: string): Promise<{ ended: string | undefined; said: string }> {
    const {
      verbose = false,
      file = [],
      group = [],
      modules,
      insecure,
      timeout,
      setattr = [],
    } = this.#options;
    const attributes = [...setattr, ["statedir", statedir], ["broker.rc1-timeout", timeout]] as const;
    const [node, ...words] = NODE_COMMAND;
    const child = startProcess(
      node,
      [
        ...words,
        ...[`${PACKAGE_ROOT}dist/cli/main.cjs`, "start", "--quiet"],
        ...[`--shuffle=${shuffle}`, `--size=${this.#options.size}`],
        ...attributes.map(([name, value]) => `--setattr=${name}=${value}`),
        ...file.map((path) => `--file=${path}`),
        ...group.map((name) => `--group=${name}`),
        ...(modules === undefined ? [] : [`--modules=${modules}`]),
        ...(insecure ? ["--insecure"] : []),
        ...configFlags(this.#options),
        ...["--", ...this.#program],
      ],
      { stdio: ["ignore", verbose ? 2 : "ignore", "pipe"] },
    );
    this.#kill = (signal) => void child.kill(signal);
    let said = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-4096);
      if (verbose) process.stderr.write(text);
    });
    const end = await processEnd(child);
    return { ended: isSuccess(end) ? undefined : `the start: ${commandEndText(end)}`, said };
  }

  /** The terminal may have sent the signal to the start too, which counts the two as one. */
  #stop(signal: "SIGINT" | "SIGTERM"): void {
    this.#signal ??= signal;
    this.#kill(signal);
  }
}

function triedText(tried: Tried): string {
  if (tried.kind === "seed") return `seed ${tried.seed}`;
  const pairs = tried.pairs.map(({ first, then }) => `${first} before ${then}`);
  const [pair = "", ...more] = pairs;
  return more.length === 0 ? pair : `${pair} and ${more.length} more`;
}

function failureText({ unit, message }: StartFailure): string {
  return unit === undefined || message.startsWith(`${unit}: `) ? message : `${unit}: ${message}`;
}

function linesOf({ seeds, doubts, starts, failed }: ShuffleVerdict): string[] {
  if (failed === undefined) {
    return [`${seeds} seeds${doubts === 0 ? "" : `, ${doubts} doubted orders`}, none failed`];
  }
  const { tried, failure, finding } = failed;
  const again =
    tried.kind === "seed"
      ? `sluice start --shuffle=${tried.seed}, with the same options`
      : `sluice start --shuffle=@FILE, with ${tried.units.join(", ")} in FILE, a line each, and the same options`;
  return [
    `${triedText(tried)} fails (${starts} starts): ${failureText(failure)}`,
    ...findingLines(finding),
    `to reproduce: ${again}`,
  ];
}

function findingLines(finding: Finding): string[] {
  switch (finding.kind) {
    case "pair": {
      const { first, then } = finding.pair;
      return [
        `${first} before ${then} fails; with these two units exchanged, the start succeeds`,
        `if ${first} needs ${then} first, add to ${first}: after = ["${then}"]`,
      ];
    }
    case "not-repeated":
      return ["the order is not the only cause, because a repeat succeeded"];
    case "every-order":
      return ["the order is not the cause, because other orders fail too"];
    case "no-order":
      return ["the start failed before its first unit"];
  }
}

function jsonOf({ failed, ...counts }: ShuffleVerdict): object {
  if (failed === undefined) return { ...counts, failed: null };
  const { tried, failure, finding } = failed;
  const seed = tried.kind === "seed" ? tried.seed : null;
  const order = tried.kind === "seed" ? null : tried.units;
  const pair = finding.kind === "pair" ? finding.pair : null;
  const { unit = null, message } = failure;
  return { ...counts, failed: { seed, order, unit, message, finding: finding.kind, pair } };
}
