import { Command } from "commander";
import type { Diagnostic } from "../errors/index.js";
import { fields, type JsonValue } from "../messages/index.js";
import { PYTHON_PACKAGES, readLimited } from "../processes/index.js";
import {
  checkConfiguration,
  configToJson,
  configurationFromText,
  defaultDirectories,
  type LayeredConfiguration,
} from "../units/index.js";
import {
  commandPrefix,
  ExitError,
  printJson,
  printLine,
  sayDiagnostics,
  sayError,
  UsageError,
} from "./terminal/output.js";
import { labelled, onRanks, rankOption, ranksIn, type RankOptions, withRanks } from "./ranks/ranks.js";
import { instanceUri, withInstance, withUri } from "./session.js";
import { SCHEMAS, SHIPPED_MODULES } from "./version.js";

/** The place of problems in standard input. */
const STDIN = "<stdin>";

interface GetOptions extends RankOptions {
  readonly raw?: boolean;
}

export function command(): Command {
  return new Command("config")
    .addCommand(get())
    .addCommand(load())
    .addCommand(reload())
    .addCommand(builtin())
    .addHelpText(
      "after",
      "\nExample:\n  sluice config get modules\n  echo 'site.name = \"north\"' | sluice config load",
    );
}

function get(): Command {
  return (
    withUri(new Command("get"))
      .description("print the configuration, or the value at a dotted key, as JSON")
      .argument("[setting]")
      .option("-r, --raw", "print a string without quotes")
      // The short form is in use for another option.
      .addOption(rankOption("run on these ranks: 0-3,7 or all", "--rank <ranks>"))
      .addHelpText("after", "\nExample:\n  sluice config get modules.alternatives")
      .action(async (key: string | undefined, options: GetOptions) => {
        const text = (value: JsonValue): string =>
          options.raw && typeof value === "string" ? value : JSON.stringify(value);
        await onRanks(
          options,
          async (handle, rank) => {
            const response = await handle.rpc("config.get", key === undefined ? {} : { key }, { rank });
            return fields(response, { value: "json" }).value;
          },
          (answers) => labelled(answers, text).forEach(printLine),
        );
      })
  );
}

function load(): Command {
  return withRanks(new Command("load"))
    .description("replace the configuration by standard input: TOML, JSON or YAML")
    .addHelpText(
      "after",
      "\nEach broker first checks the whole configuration. If a module refuses it, the broker keeps the old configuration." +
        "\n\nExample:\n  sluice config load < site.toml",
    )
    .action(async (options: RankOptions) => {
      if (process.stdin.isTTY)
        throw new UsageError("standard input is a terminal: sluice config load < FILE");
      const read = configurationFromText(readLimited("-").toString("utf8"), STDIN);
      if (!read.ok) throw refusal(read.diagnostics);
      // The broker checks it too, but cannot give lines of files.
      const checked = checkConfiguration(read.value);
      if (!checked.ok) throw refusal(checked.diagnostics);
      const config = configToJson(checked.value.table);
      await changeConfig(options, config);
      await warnOfUnits(options, checked.value);
    });
}

function reload(): Command {
  return withRanks(new Command("reload"))
    .description("read the configuration again from the files and flags of the broker's start")
    .addHelpText(
      "after",
      "\nEach broker first checks the whole configuration. If a module refuses it, the broker keeps the old configuration." +
        "\n\nExample:\n  sluice config reload -r all",
    )
    .action(async (options: RankOptions) => {
      await changeConfig(options);
    });
}

/**
 * Changes the configuration of all named ranks, or of none of them; without a name, of the first rank that answers.
 */
async function changeConfig(options: RankOptions, config?: JsonValue): Promise<void> {
  const { rank: named } = options;
  await withInstance(options, async (handle) => {
    if (named === undefined) {
      if (config === undefined) await handle.rpc("config.reload");
      else await handle.rpc("config.load", { config });
      return;
    }
    const { changeConfigOnAll } = await import("../instance/change-config.js");
    const problems = await changeConfigOnAll(handle, ranksIn(named, handle.size), config);
    for (const { rank, reason } of problems) sayError(reason, `${commandPrefix()}: rank ${rank}`);
    if (problems.length > 0) throw new ExitError(1);
  });
}

/**
 * Warns of a configuration that does not fit the units, such as a table for a unit that no file defines: commands that
 * plan would fail. Only warns, because an rc file may define the unit.
 */
async function warnOfUnits({ uri }: RankOptions, configuration: LayeredConfiguration): Promise<void> {
  const named = uri === undefined ? {} : { uri };
  // The files of this machine say nothing about the units of other machines.
  if (instanceUri(named)?.startsWith("nats:") === true) return;
  const [{ withPlanningContext }, { tryCompose }] = await Promise.all([
    import("./facts.js"),
    import("./modprobe/units.js"),
  ]);
  await withPlanningContext(
    named,
    async (context) => {
      const composed = await tryCompose({}, { ...context, configuration });
      const found = composed.ok ? composed.warnings : composed.diagnostics;
      const own = found.filter(({ location }) => location?.file === STDIN);
      sayDiagnostics(
        own.map((each) => ({ ...each, severity: "warning" as const })),
        "sluice-config",
      );
    },
    { isLive: true },
  );
}

function refusal(diagnostics: readonly Diagnostic[]): ExitError {
  sayDiagnostics(diagnostics, "sluice-config");
  return new ExitError(1);
}

function builtin(): Command {
  return new Command("builtin")
    .description("print one of the built-in directories, or all")
    .argument("[name]", "datadir, libexecdir, confdir, moduledir, pythondir or schemadir")
    .option("--json", "one JSON object: name to value")
    .addHelpText(
      "after",
      "\nSLUICE_DATADIR, SLUICE_LIBEXECDIR and SLUICE_CONFDIR change the first three paths." +
        "\n\nExample:\n  sluice config builtin datadir",
    )
    .action((name: string | undefined, options: { readonly json?: boolean }) => {
      const { dataDir, libexecDir, confDir } = defaultDirectories(process.env);
      const all = new Map([
        ["datadir", dataDir],
        ["libexecdir", libexecDir],
        ["confdir", confDir],
        ["moduledir", SHIPPED_MODULES],
        ["pythondir", PYTHON_PACKAGES],
        ["schemadir", SCHEMAS],
      ]);
      if (name === undefined) {
        if (options.json) printJson(Object.fromEntries(all));
        else for (const [key, value] of all) printLine(`${key} ${value}`);
        return;
      }
      const value = all.get(name);
      if (value === undefined)
        throw new ExitError(1, `no such builtin '${name}'; write one of ${[...all.keys()].join(", ")}`);
      if (options.json) printJson(value);
      else printLine(value);
    });
}
