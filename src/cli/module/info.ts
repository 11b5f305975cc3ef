import { Command } from "commander";
import { type ModuleInfo, moduleInfo } from "../../broker/index.js";
import { configToJson } from "../../units/index.js";
import { type PlanningContext, withPlanningContext } from "../facts.js";
import { withInsecure } from "../insecure.js";
import { printJson, printLine } from "../terminal/output.js";
import { composeSoundFor } from "../modprobe/units.js";
import { withUri } from "../session.js";
import { SHIPPED_MODULES } from "../version.js";

interface InfoOptions {
  readonly exec?: boolean;
  readonly loader?: string;
  readonly json?: boolean;
  readonly insecure?: boolean;
  readonly uri?: string;
}

export function infoCommand(): Command {
  return withUri(withInsecure(new Command("info")))
    .description("describe a module without starting it")
    .argument("<path|name>", "a file, or a name on the module path; FILE#NAME is a module of a library")
    .option("--exec", "describe the module in its own process")
    .option("--loader <name>", "describe the module for this loader")
    .option(
      "--json",
      "one JSON object: type, name, path, services, digest, size, api, kind, version, description; for a library, also modules",
    )
    .addHelpText("after", "\nExamples:\n  sluice module info kvs\n  sluice module info ./scheds.mjs")
    .action(async (path: string, options: InfoOptions) => {
      const { exec, loader, insecure, json } = options;
      const modulePath = [process.env["FLUX_MODULE_PATH"], SHIPPED_MODULES].filter(Boolean).join(":");
      await withPlanningContext(options, async (context) => {
        const config = configToJson(context.configuration.table);
        const found = await moduleInfo(path, modulePath, { exec, loader, insecure, config });
        const info = { ...found, description: found.description ?? (await unitDescription(found, context)) };
        if (json) printJson(info);
        else printInfo(info);
      });
    });
}

/** The description in the unit of this name; null without such a unit or description. */
async function unitDescription({ name }: ModuleInfo, context: PlanningContext): Promise<string | null> {
  const { catalog } = await composeSoundFor({}, context, { disableFromEnv: false });
  const unit = catalog.byName.get(name);
  return unit?.kind === "module" && unit.description !== "" ? unit.description : null;
}

function printInfo({ modules, refused, ...info }: ModuleInfo): void {
  Object.entries(info).forEach(printRow);
  for (const reason of refused ?? []) printLine(`${"refused".padEnd(11)} ${reason}`);
  if (modules === undefined) return;
  printLine("modules");
  const rows = modules.map(({ name, version, kind, kindVersion, description }) => [
    name,
    version ?? "-",
    kind === null ? "-" : [kind, kindVersion].filter(Boolean).join(" "),
    description ?? "-",
  ]);
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  for (const [i, row] of rows.entries()) {
    printLine(`  ${row.map((text, column) => text.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd());
    for (const reason of modules[i]?.refused ?? []) printLine(`    refused: ${reason}`);
  }
}

function printRow([key, value]: readonly [string, string | number | null | readonly string[]]): void {
  printLine(`${key.padEnd(11)} ${cell(value)}`);
}

function cell(value: string | number | null | readonly string[]): string {
  if (value === null) return "-";
  return typeof value === "object" ? value.join(",") : String(value);
}
