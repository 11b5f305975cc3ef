import { Command, Option } from "commander";
import { fields, type JsonValue } from "../messages/index.js";
import { seconds } from "./arguments.js";
import { formatTable, printJson, printLine, UsageError } from "./terminal/output.js";
import { type UriOption, withInstance, withUri } from "./session.js";

interface AddOptions extends UriOption {
  readonly interval?: number;
  readonly event?: string;
  readonly crontab?: string;
}

export function command(): Command {
  return new Command("cron")
    .enablePositionalOptions()
    .description("The commands that the module cron runs at times and at events.")
    .addCommand(list())
    .addCommand(add())
    .addCommand(remove())
    .addHelpText(
      "after",
      "\nExample:\n  sluice cron add --crontab '0 3 * * *' backup ./backup.sh\n  sluice cron list",
    );
}

function list(): Command {
  return withUri(new Command("list"))
    .description("print each entry with its schedule and counts")
    .option("--json", "one JSON array of the entries, in the form of `cron.list`")
    .addHelpText("after", "\nExample:\n  sluice cron list --json")
    .action((options: UriOption & { readonly json?: boolean }) =>
      withInstance(options, async (handle) => {
        const { entries } = fields(await handle.rpc("cron.list"), { entries: "array" });
        if (options.json) {
          printJson(entries);
          return;
        }
        const head = ["Name", "Schedule", "Runs", "Failures", "Skipped", "Running", "Command"];
        formatTable(head, entries.map(rowOf)).forEach(printLine);
      }),
    );
}

function rowOf(entry: JsonValue): (string | number)[] {
  const { name, command, runs, failures, skipped, running, interval, event, crontab } = fields(entry, {
    name: "string",
    command: "string",
    runs: "integer",
    failures: "integer",
    skipped: "integer",
    running: "boolean",
    interval: "number?",
    event: "string?",
    crontab: "string?",
  });
  const schedule = crontab ?? (event === undefined ? `every ${interval ?? 0} s` : `event ${event}`);
  return [name, schedule, runs, failures, skipped, running ? "yes" : "no", command];
}

function add(): Command {
  return withUri(new Command("add"))
    .description("add a command that runs at the times or events of one option")
    .addOption(
      new Option("--interval <seconds>", "run repeatedly, with this time in between").argParser(seconds),
    )
    .option("--event <topic>", "run at each event of this topic")
    .option("--crontab <setting>", "run at the times of five fields, or of six with seconds first")
    .argument("<name>")
    .argument("<command...>", "a shell line")
    .passThroughOptions()
    .addHelpText(
      "after",
      "\nExample:\n  sluice cron add --interval 60 check ./check.sh\n  sluice cron add --crontab '30 2 * * *' nightly ./nightly.sh",
    )
    .action(async (name: string, words: readonly string[], { uri, ...schedule }: AddOptions) => {
      if (Object.keys(schedule).length !== 1) {
        throw new UsageError("name exactly one of --interval, --event and --crontab");
      }
      await withInstance({ ...(uri !== undefined && { uri }) }, (handle) =>
        handle.rpc("cron.create", { name, command: words.join(" "), ...schedule }),
      );
    });
}

function remove(): Command {
  return withUri(new Command("remove"))
    .description("remove entries; a running command continues to its end")
    .argument("<name...>")
    .addHelpText("after", "\nExample:\n  sluice cron remove nightly")
    .action((names: readonly string[], options: UriOption) =>
      withInstance(options, async (handle) => {
        for (const name of names) await handle.rpc("cron.delete", { name });
      }),
    );
}
