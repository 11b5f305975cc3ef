import { Command } from "commander";
import type { Diagnostic } from "../errors/index.js";
import { verifyCatalog } from "../graph/index.js";
import { readRcFragment } from "../units/index.js";
import { type FactOptions, withCircumstances, withFacts } from "./facts.js";
import { PREFIX, tryCompose, type UnitOptions, withUnitOptions } from "./modprobe-units.js";
import { ExitError, printJson, say, sayDiagnostics } from "./output.js";

interface VerifyOptions extends FactOptions, UnitOptions {
  readonly strict?: boolean;
  readonly json?: boolean;
}

export function command(): Command {
  return withUnitOptions(withFacts(new Command("verify")))
    .argument("[file...]", "further fragments, composed after the others")
    .option("--strict", "exit 1 for warnings too")
    .option("--json", "an array of {code, severity, message, location, related, hint}")
    .addHelpText("after", "\nExample:\n  sluice modprobe verify --strict ./motd.toml")
    .action(async (files: readonly string[], options: VerifyOptions) => {
      await withCircumstances(options, async (circumstances) => {
        const read = await Promise.all(files.map(readRcFragment));
        const sound = read.flatMap((result) => (result.ok ? [result.value] : []));
        const composed = await tryCompose(options, circumstances, { rc: sound });
        const found: Diagnostic[] = [
          ...read.flatMap((result) => (result.ok ? [] : result.diagnostics)),
          ...(composed.ok ? verifyCatalog(composed.value) : composed.diagnostics),
        ];
        if (options.json) printJson(found);
        else sayDiagnostics(found, PREFIX);
        const errors = found.filter(({ severity }) => severity === "error").length;
        if (!options.json) say(`${errors} errors, ${found.length - errors} warnings`);
        if (errors > 0 || (options.strict && found.length > 0)) throw new ExitError(1);
      });
    });
}
