import { Argument, Command } from "commander";
import { fields } from "../messages/index.js";
import { wholeNumber } from "./arguments.js";
import { formatTable, printJson, printLine } from "./terminal/output.js";
import { withInstance, withUri } from "./session.js";

interface StatusOptions {
  readonly uri?: string;
  readonly json?: boolean;
}

/** A rank of `overlay.status`; the last three fields only over hosts. */
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
    .addCommand(forgetCommand())
    .addHelpText("after", "\nExamples:\n  sluice overlay status\n  sluice overlay forget 3");
}

function forgetCommand(): Command {
  return withUri(new Command("forget"))
    .description("remove a silent or lost rank that does not return, and free its number at once")
    .addArgument(new Argument("<rank>", "its number").argParser(wholeNumber))
    .addHelpText("after", "\nExample:\n  sluice overlay forget 3")
    .action((rank: number, options: StatusOptions) =>
      withInstance(options, async (handle) => {
        await handle.rpc("overlay.forget", { rank }, { rank: 0 });
      }),
    );
}

function statusCommand(): Command {
  return withUri(new Command("status"))
    .description("show each rank's state and its start")
    .option(
      "--json",
      "one JSON object: state (full, partial), size, ranks: [{rank, state, since}]; over hosts each with host, server, lag; with a lease also epoch",
    )
    .addHelpText("after", "\nExample:\n  sluice overlay status")
    .action((options: StatusOptions) =>
      withInstance(options, async (handle) => {
        const status = fields(await handle.rpc("overlay.status", undefined, { rank: 0 }), {
          state: "string",
          size: "integer",
          epoch: "integer?",
          ranks: "array",
        });
        if (options.json) {
          printJson(status);
          return;
        }
        const ranks = status.ranks.map((item) => fields(item, RANK_FIELDS));
        const online = ranks.filter(({ state }) => state === "online").length;
        const epoch = status.epoch === undefined ? "" : `, epoch ${status.epoch}`;
        printLine(`${status.state}: ${online} of ${status.size} ranks are online${epoch}`);
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
