import { existsSync } from "node:fs";
import { Command, Option } from "commander";
import { type Breach, certifyModule } from "../../broker/index.js";
import {
  compareContracts,
  type Contract,
  type ContractDiff,
  type Kinds,
  kindsOf,
  readContract,
} from "../../libraries/index.js";
import { seconds } from "../arguments.js";
import { type ConfigOptions, withConfig } from "../config-inputs.js";
import { withPlanningContext } from "../facts.js";
import { withInsecure } from "../insecure.js";
import { withUri } from "../session.js";
import { ExitError, printJson, printLine, say, UsageError } from "../terminal/output.js";
import { PACKAGE_ROOT, SHIPPED_MODULES } from "../version.js";

interface CertifyOptions extends ConfigOptions {
  readonly uri?: string;
  readonly kind: string;
  readonly contract?: string;
  readonly timeout: number;
  readonly exec?: boolean;
  readonly insecure?: boolean;
  readonly json?: boolean;
}

interface KindsOptions extends ConfigOptions {
  readonly diff?: boolean;
  readonly json?: boolean;
  readonly uri?: string;
}

/** The path of a kind's contract: from the configuration, or else the shipped contract. */
function contractOf(name: string, kinds: Kinds): string | undefined {
  const file = `${PACKAGE_ROOT}etc/kinds/${name}.json`;
  return kinds.get(name)?.contract ?? (/^[\w-]+$/.test(name) && existsSync(file) ? file : undefined);
}

/** The contract that a module has to fulfil. */
async function contractFor({ kind, contract: given, ...options }: CertifyOptions): Promise<Contract> {
  if (given !== undefined) return contractIn(given, kind);
  return withPlanningContext(options, ({ configuration }) => {
    const kinds = kindsOf(configuration.table["kinds"]);
    const file = contractOf(kind, kinds);
    if (file === undefined) {
      throw new UsageError(`kind '${kind}' has no contract; give --contract, or set kinds.${kind}.contract`);
    }
    return Promise.resolve(contractIn(file, kind));
  });
}

function contractIn(file: string, kind: string): Contract {
  const contract = readContract(file);
  if (contract.kind === kind) return contract;
  throw new UsageError(`${file} is the contract of kind '${contract.kind}', not of kind '${kind}'`);
}

export function certifyCommand(): Command {
  const configured = withConfig(withUri(new Command("certify")), "--config, --config-path <path>");
  return withInsecure(configured)
    .description("replay the recorded exchanges of a kind with a module, without an instance")
    .argument("<path|name>", "a file, or a name on the module path; FILE#NAME is a module of a library")
    .argument("[args...]", "arguments for the module")
    .passThroughOptions()
    .requiredOption("--kind <name>", "the kind whose contract the module must fulfil")
    .option(
      "--contract <file>",
      "the contract of the kind (default: the contract in the configuration, else the shipped one)",
    )
    .addOption(new Option("--timeout <seconds>", "how long an answer may take").argParser(seconds).default(5))
    .option("--exec", "run the module in its own process")
    .option(
      "--json",
      "one JSON object: {kind, version, exchanges, breaches: [{exchange, step, method, message}]}",
    )
    .addHelpText("after", "\nExample:\n  sluice module certify --kind sched ./scheds.mjs#sched-fifo")
    .action(certify);
}

async function certify(path: string, args: readonly string[], options: CertifyOptions): Promise<void> {
  const { kind, exec, insecure, json } = options;
  const contract = await contractFor(options);
  const breaches = await certifyModule(path, contract, {
    ...{ args, exec, insecure, answerMs: options.timeout * 1000 },
    modulePath: [process.env["FLUX_MODULE_PATH"], SHIPPED_MODULES].filter(Boolean).join(":"),
  });
  const { version, exchanges } = contract;
  if (json) printJson({ kind, version, exchanges: exchanges.length, breaches });
  else if (breaches.length === 0)
    printLine(`${path} keeps ${kind} ${version}: ${exchanges.length} exchanges`);
  else breaches.map(breachText).forEach((text) => say(`sluice-module: ${path}: ${text}`));
  if (breaches.length > 0) throw new ExitError(1);
}

function breachText({ exchange = "", step = 0, method, message }: Breach): string {
  return `${method}: ${message} (${exchange}, step ${step})`;
}

export function kindsCommand(): Command {
  return withConfig(withUri(new Command("kinds")), "--config, --config-path <path>")
    .description("list the kinds of modules, or compare two versions of a contract")
    .argument("[file...]", "with --diff: the old contract and the new contract")
    .option("--diff", "show whether a change is major or minor; status 1 if the new version is too low")
    .option("--json", "kinds: [{kind, version, methods, contract}]; with --diff, one object")
    .addHelpText(
      "after",
      "\nExamples:\n  sluice module kinds\n  sluice module kinds --diff old.json new.json",
    )
    .action(kinds);
}

async function kinds(files: readonly string[], options: KindsOptions): Promise<void> {
  if (options.diff === true) {
    const [old, now] = files;
    if (old === undefined || now === undefined || files.length > 2)
      throw new UsageError("--diff needs two files");
    diff(old, now, options);
    return;
  }
  if (files.length > 0) throw new UsageError("files need --diff");
  await withPlanningContext(options, (context) => {
    const kinds = kindsOf(context.configuration.table["kinds"]);
    const rows = [...kinds].map(([kind, { version, methods }]) => {
      return { kind, version, methods, contract: contractOf(kind, kinds) ?? null };
    });
    if (options.json) printJson({ kinds: rows });
    else {
      for (const { kind, version, methods, contract } of rows) {
        printLine(`${kind} ${version}  ${methods.join(", ")}${contract === null ? "" : "  (contract)"}`);
      }
    }
    return Promise.resolve();
  });
}

function diff(old: string, now: string, { json }: KindsOptions): void {
  const [before, after] = [readContract(old), readContract(now)];
  if (before.kind !== after.kind) {
    throw new UsageError(`${old} is of kind '${before.kind}', ${now} of kind '${after.kind}'`);
  }
  const found = compareContracts(before, after);
  if (json) printJson(found);
  else diffLines(found).forEach(printLine);
  if (!found.isUnderstated) return;
  const { kind, from, to, needed } = found;
  throw new ExitError(1, `${now}: ${kind} ${to} is too low after ${from}; the minimum is ${needed}`);
}

function diffLines({ kind, from, to, changes }: ContractDiff): string[] {
  if (changes.length === 0) return [`${kind} ${from} → ${to}: no change`];
  const weight = changes.some((change) => change.weight === "major") ? "major" : "minor";
  return [
    `${kind} ${from} → ${to}: ${weight}`,
    ...changes.map((change) => `  ${change.weight}  ${change.path}: ${change.text}`),
  ];
}
