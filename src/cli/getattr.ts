import { Command } from "commander";
import { fields } from "../messages/index.js";
import { printJson, printLine } from "./terminal/output.js";
import { labelled, onRanks, type RankOptions, withRanks } from "./ranks/ranks.js";

interface GetattrOptions extends RankOptions {
  readonly json?: boolean;
}

export function command(): Command {
  return withRanks(new Command("getattr"))
    .argument("<attribute>", "attribute")
    .option("--json", "the value as a JSON string; for several ranks, an array of {rank, value}")
    .addHelpText("after", "\nExample:\n  sluice getattr size\n  sluice getattr -r all hostname")
    .action(async (name: string, { json, ...options }: GetattrOptions) => {
      await onRanks(
        options,
        async (handle, rank) =>
          fields(await handle.rpc("attr.get", { name }, { rank }), { value: "string" }).value,
        (answers) => {
          if (!json) labelled(answers, String).forEach(printLine);
          else printJson(answers.length === 1 ? answers[0]?.value : answers);
        },
      );
    });
}
