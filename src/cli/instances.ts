import { Command } from "commander";
import { formatTable, printJson, printLine } from "./terminal/output.js";

export function command(): Command {
  return new Command("instances")
    .option(
      "--json",
      "an array of {id, name, pid, uri, rundir, size, rank, startTime, files}, with the time in seconds since 1970",
    )
    .addHelpText(
      "after",
      "\nThe option --uri of each command accepts the pid, name or file of an instance.\n\nExample:\n  sluice instances",
    )
    .action(async ({ json = false }: { readonly json?: boolean }) => {
      const { runningInstances } = await import("../broker/life/instance-register.js");
      const instances = runningInstances(process.env);
      if (json) {
        printJson(instances);
        return;
      }
      const rows = instances.map(({ name, pid, size, startTime, files, uri }) => [
        ...[name, pid, size, new Date(startTime * 1000).toISOString(), files[0] ?? "-", uri],
      ]);
      formatTable(["Name", "Pid", "Size", "Since", "File", "Uri"], rows).forEach(printLine);
    });
}
