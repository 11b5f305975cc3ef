import { Command } from "commander";
import { type UriOption, withInstance, withUri } from "./session.js";

export function command(): Command {
  return withUri(new Command("shutdown"))
    .addHelpText(
      "after",
      "\nRequests an orderly shutdown, and does not wait for its end.\n\nExample:\n  sluice shutdown",
    )
    .action((options: UriOption) =>
      withInstance(options, async (handle) => {
        await handle.rpc("broker.shutdown", undefined, { rank: 0 });
      }),
    );
}
