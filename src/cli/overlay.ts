import { Command } from "commander";
import { fields } from "../messages/index.js";
import { formatTable, printJson, printLine } from "./terminal/output.js";
import { withInstance, withUri } from "./session.js";

interface StatusOptions {
  readonly uri?: string;
  readonly json?: boolean;
}

/** A rank of `overlay.status`; the last three only over hosts. */
const RANK_FIELDS = {
  rank: "integer",
  state: "string",
  since: "number",
  host: "string?",
  server: "string?",
  lag: "integer?",
} as const;

export function command(): Command {
  return new Command("overlay")
    .description("The connections between the brokers of an instance.")
    .addCommand(statusCommand())
    .addHelpText("after", "\nExample:\n  sluice overlay status");
}

function statusCommand(): Command {
  return withUri(new Command("status"))
    .description("how each rank stands, and since when")
    .option(
      "--json",
      "one JSON object: state (full, partial), size, ranks: [{rank, state, since}]; over hosts each with host, server, lag",
    )
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
        const ranks = status.ranks.map((item) => fields(item, RANK_FIELDS));
        const online = ranks.filter(({ state }) => state === "online").length;
        printLine(`${status.state}: ${online} of ${status.size} ranks are online`);
        const isOverHosts = ranks.some(({ host }) => host !== undefined);
        const rows = ranks.map(({ rank, state, since, host, server, lag }) => {
          const row = [rank, state, new Date(since * 1000).toISOString()] as const;
          return isOverHosts ? [...row, host ?? "", server ?? "", lag ?? ""] : row;
        });
        const places = isOverHosts ? ["Host", "Server", "Lag"] : [];
        formatTable(["Rank", "State", "Since", ...places], rows).forEach(printLine);
      }),
    );
}
