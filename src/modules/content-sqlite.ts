import { statfsSync } from "node:fs";
import { join } from "node:path";
import { messageOf, requestError } from "../errors/index.js";
import type { Handle } from "../messages/index.js";
import { StateClaim } from "./content/instance-file.js";
import { serveBacking } from "./content/serve-backing.js";
import { allowVacuum } from "./content/sqlite-file.js";
import { SqliteStore } from "./content/sqlite-store.js";
import { networkFileSystem } from "./content/network-file-system.js";
import { stateDirectory, syncDirectorySync } from "./content/state-directory.js";

/**
 * Provides `content-backing` from one SQLite file, `content.sqlite` in the attribute `statedir`, or without that in
 * `rundir`. An answer means that the transaction is on the disk (WAL, `synchronous=FULL`).
 */
export async function modMain(h: Handle): Promise<void> {
  const directory = await stateDirectory(h);
  refuseNetwork(directory);
  const claim = await StateClaim.make(h, directory, "content-sqlite");
  const store = new SqliteStore(join(directory, "content.sqlite"), directory);
  try {
    syncDirectorySync(directory);
    await claim.settle(store);
    giveSpaceBack(h, store);
    store.reserve.make();
    const begun = await serveBacking(h, store);
    await h.run();
    await begun.idle();
  } finally {
    store.close();
  }
}

/** @throws `EINVAL`: over a network the log of SQLite, which is shared memory, does not keep two hosts apart */
function refuseNetwork(directory: string): void {
  const name = networkFileSystem(statfsSync(directory).type);
  if (name === undefined) return;
  throw requestError(
    "EINVAL",
    `statedir ${directory} is on ${name}, where SQLite's file would be damaged\n` +
      `  hint: -S content.backing-module=content-files, or content-nats where NATS servers join the ranks`,
  );
}

function giveSpaceBack(h: Handle, store: SqliteStore): void {
  try {
    allowVacuum(store.database);
  } catch (error) {
    h.log("notice", `content.sqlite cannot give space back: ${messageOf(error)}`);
  }
}
