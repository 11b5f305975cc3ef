import { Command } from "commander";
import { fields } from "../../messages/index.js";
import { withInstance, withUri } from "../session.js";
import { formatTable, printJson, printLine } from "../terminal/output.js";

interface CheckpointOptions {
  readonly uri?: string;
  readonly json?: boolean;
}

/** `sluice kvs checkpoint make|list`. */
export function checkpointCommand(): Command {
  return new Command("checkpoint")
    .description("make or list checkpoints, which are versions that the store keeps")
    .addCommand(make())
    .addCommand(list())
    .addHelpText("after", "\nExample:\n  sluice kvs checkpoint make\n  sluice kvs restore --checkpoint 3");
}

function make(): Command {
  return withUri(new Command("make"))
    .description("keep the newest version, and print its number")
    .option("--json", "print {number, version}")
    .addHelpText("after", "\nExample:\n  sluice kvs checkpoint make")
    .action(async (options: CheckpointOptions) => {
      await withInstance(options, async (handle) => {
        const made = fields(await handle.rpc("kvs.checkpoint-make"), {
          number: "integer",
          version: "integer",
        });
        if (options.json) printJson(made);
        else printLine(String(made.number));
      });
    });
}

function list(): Command {
  return withUri(new Command("list"))
    .description("list the checkpoints, oldest first")
    .option("--json", "an array of {number, version, time, reason}")
    .addHelpText("after", "\nExample:\n  sluice kvs checkpoint list")
    .action(async (options: CheckpointOptions) => {
      await withInstance(options, async (handle) => {
        const response = fields(await handle.rpc("kvs.checkpoint-list"), { checkpoints: "array" });
        const checkpoints = response.checkpoints.map((item) =>
          fields(item, { number: "integer", version: "integer", time: "number", reason: "string" }),
        );
        if (options.json) printJson(checkpoints);
        else if (checkpoints.length > 0) {
          const rows = checkpoints.map(({ number, version, time, reason }) => [
            ...[number, version, new Date(time * 1000).toISOString(), reason],
          ]);
          formatTable(["Number", "Version", "Time", "Reason"], rows).forEach(printLine);
        }
      });
    });
}
