import { statSync } from "node:fs";
import { resolve } from "node:path";
import { Command } from "commander";
import { ERRNO, strerror } from "../../errors/index.js";
import type { Report } from "../../modules/kvs/repair.js";
import { ExitError, printJson, printLine, say } from "../terminal/output.js";
import { guardFor, type InsecureOption, withInsecure } from "../insecure.js";
import { refuseInsecureTree } from "../../units/index.js";

interface FsckOptions extends InsecureOption {
  readonly repair?: boolean;
  readonly json?: boolean;
}

/** `sluice kvs fsck`. */
export function fsckCommand(): Command {
  return withInsecure(new Command("fsck"))
    .description(
      "check the store of an instance that is not running: every node, every value, every checkpoint",
    )
    .argument("<statedir>")
    .option("--repair", "make a version of the readable data, with the rest below lost+found")
    .option("--json", "print {version, keys, damages, repair}")
    .addHelpText(
      "after",
      "\nStatus: 0 no data is damaged, or the repair was complete; 1 data is damaged, or the store is in use." +
        "\n\nExample:\n  sluice kvs fsck /var/lib/site\n  sluice kvs fsck --repair /var/lib/site",
    )
    .action(async (statedir: string, options: FsckOptions) => {
      const report = await check(resolve(statedir), options);
      if (options.json) printJson(report);
      else tell(report);
      if (report.damages.length > 0 && report.repair === undefined) throw new ExitError(1);
    });
}

async function check(directory: string, options: FsckOptions): Promise<Report> {
  const found = statSync(directory, { throwIfNoEntry: false });
  if (!found?.isDirectory()) {
    throw new ExitError(1, `${directory}: ${strerror(found === undefined ? ERRNO.ENOENT : ERRNO.ENOTDIR)}`);
  }
  refuseInsecureTree(guardFor(options), directory);
  // Loaded only here: nothing else of the command line needs a store.
  const [{ lockStateDirectory }, { findStore, openStore }, { checkStore }] = await Promise.all([
    import("../../broker/state-lock.js"),
    import("../../modules/content/open-store.js"),
    import("../../modules/kvs/repair.js"),
  ]);
  // The lock is a file. A directory without a store is to stay as it is.
  findStore(directory);
  const lock = lockStateDirectory(directory, 0);
  try {
    const opened = openStore(directory, (text) => say(`sluice-kvs: ${text}`));
    try {
      return await checkStore(opened.store, "kvs", options.repair === true);
    } finally {
      await opened.close();
    }
  } finally {
    lock.release();
  }
}

function tell({ version, keys, damages, repair }: Report): void {
  for (const { in: where, kind, key, until, position, bytes, problem } of damages) {
    const what = kind === "keys" ? `keys from '${key}' to '${until ?? ""}'` : `${kind} ${key}`;
    printLine(`${where}: ${what}, position ${position}, ${bytes} bytes: ${problem}`);
  }
  printLine(`version ${version}: ${keys} keys, ${damages.length} damaged`);
  if (repair === undefined) return;
  for (const key of repair.found) printLine(`found: ${key}`);
  for (const text of repair.dropped) printLine(`dropped: ${text}`);
  printLine(`repaired as version ${repair.version}`);
}
