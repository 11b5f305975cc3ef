import { join } from "node:path";
import type { Handle } from "../messages/index.js";
import { StateClaim } from "./content/instance-file.js";
import { SegmentStore } from "./content/segment-store.js";
import { serveBacking } from "./content/serve-backing.js";
import { stateDirectory } from "./content/state-directory.js";

/**
 * Provides `content-backing` from files that are only extended: `content/segments` below the attribute `statedir`, or
 * without that below `rundir`. It also reads the files of version 0.3, with one file for each blob.
 */
export async function modMain(h: Handle): Promise<void> {
  const directory = await stateDirectory(h);
  const claim = await StateClaim.make(h, directory, "content-files");
  const store = new SegmentStore({
    base: join(directory, "content"),
    onWarning: (text) => h.log("warning", text),
  });
  await claim.settle(store);
  store.reserve.make();
  const begun = await serveBacking(h, store);
  await h.run();
  await begun.idle();
  await store.close();
}
