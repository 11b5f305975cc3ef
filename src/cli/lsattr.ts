import { Command } from "commander";
import { compareText } from "../errors/index.js";
import { fields } from "../messages/index.js";
import { formatTable, printJson, printLine } from "./terminal/output.js";
import { withInstance, withUri } from "./session.js";

interface LsattrOptions {
  readonly uri?: string;
  readonly values?: boolean;
  readonly json?: boolean;
}

export function command(): Command {
  return withUri(new Command("lsattr"))
    .option("-v, --values", "print the values too")
    .option("--json", "one JSON object: name to value")
    .addHelpText("after", "\nExample:\n  sluice lsattr -v")
    .action(async (options: LsattrOptions) => {
      await withInstance(options, async (handle) => {
        const attrs = fields(await handle.rpc("attr.list"), { attrs: "object" }).attrs;
        const rows = Object.entries(attrs)
          .map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)] as const)
          .sort(([a], [b]) => compareText(a, b));
        if (options.json) printJson(Object.fromEntries(rows));
        else if (options.values) formatTable(["Name", "Value"], rows).forEach(printLine);
        else rows.forEach(([name]) => printLine(name));
      });
    });
}
