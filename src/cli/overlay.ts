import { Command } from "commander";
import { fields } from "../messages/index.js";
import { formatTable, printJson, printLine } from "./terminal/output.js";
import { withInstance, withUri } from "./session.js";

interface StatusOptions {
  readonly uri?: string;
  readonly json?: boolean;
}

export function command(): Command {
  return new Command("overlay")
    .description("The connections between the brokers of an instance.")
    .addCommand(statusCommand())
    .addHelpText("after", "\nExample:\n  sluice overlay status");
}

function statusCommand(): Command {
  return withUri(new Command("status"))
    .description("how each rank stands, and since when")
    .option("--json", "one JSON object: state (full, partial), size, ranks: [{rank, state, since}]")
    .addHelpText("after", "\nExample:\n  sluice overlay status")
    .action((options: StatusOptions) =>
      withInstance(options, async (handle) => {
        const status = fields(await handle.rpc("overlay.status", undefined, { rank: 0 }), {
          state: "string",
          size: "integer",
          ranks: "array",
        });
        if (options.json) {
          printJson(status);
          return;
        }
        const rows = status.ranks.map((item) => {
          const { rank, state, since } = fields(item, { rank: "integer", state: "string", since: "number" });
          return [rank, state, new Date(since * 1000).toISOString()] as const;
        });
        const online = rows.filter(([, state]) => state === "online").length;
        printLine(`${status.state}: ${online} of ${status.size} ranks are online`);
        formatTable(["Rank", "State", "Since"], rows).forEach(printLine);
      }),
    );
}
