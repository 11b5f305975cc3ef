import { Command } from "commander";
import { type UriOption, withInstance, withUri } from "./session.js";

export function command(): Command {
  return withUri(new Command("shutdown"))
    .addHelpText(
      "after",
      "\nRequests the orderly end, and does not wait for it.\n\nExample:\n  sluice shutdown",
    )
    .action((options: UriOption) =>
      withInstance(options, async (handle) => {
        await handle.rpc("broker.shutdown", undefined, { rank: 0 });
      }),
    );
}
